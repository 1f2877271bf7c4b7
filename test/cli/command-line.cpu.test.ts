import { mkdir, writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { presetNamed } from '../../adversarial/preset-named.js';
import { PRESETS } from '../../adversarial/presets.js';
import { readConfigFile, readRunConfig } from '../../cli/config-file.js';
import { ignoredSettings, type ConfigPatch } from '../../cli/config.js';
import { addTrainOptions, patchOf } from '../../cli/commands/train-options.js';
import { resolveConfig } from '../../cli/resolve-config.js';
import { UsageError } from '../../cli/errors.js';
import { FormatError } from '../../engine/errors.js';
import { numberOption } from '../../cli/options.js';
import { filesUnder, inTemporaryFolder, run } from './run.js';

inTemporaryFolder();

describe('help', () => {
  it.each([
    ['--help'],
    ['train', '--help'],
    ['evaluate', '--help'],
    ['convert', '--help'],
    ['doctor', '--help'],
    ['demo', '--help'],
    ['compare', '--help'],
    ['reproduce', '--help'],
  ])('explains %s %s and exits with 0', async (...args) => {
    const { code, out, err } = await run(args);
    expect(code).toBe(0);
    expect(err).toBe('');
    expect(out).toMatch(/^Usage: bulwark/);
    if (args.length > 1) expect(out).toContain('Examples:');
  });

  it('says every option of train with its default', async () => {
    const { out } = await run(['train', '--help']);
    const options = out.split(/\n(?= {2}-)/).slice(1);
    expect(options.length).toBeGreaterThan(20);
    const without = options.filter((text) => !/default/.test(text.replaceAll(/\s+/g, ' ')));
    expect(without.map((text) => /--[a-z-]+/.exec(text)?.[0])).toEqual([
      '--resume',
      '--config',
      '--force',
      '--debug',
      '--help',
    ]);
  });

  it('is what no command at all gets, with exit code 2', async () => {
    const { code, err } = await run([]);
    expect(code).toBe(2);
    expect(err).toContain('Commands:');
  });

  it('has a version', async () => {
    expect((await run(['--version'])).out).toMatch(/^\d+\.\d+\.\d+$/);
  });
});

describe('mistakes on the command line', () => {
  const mistakes: readonly (readonly [line: string, message: RegExp])[] = [
    ['trian', /unknown command 'trian'\n\(Did you mean train\?\)/],
    ['train --epss 0.1', /unknown option '--epss'\n\(Did you mean --eps\?\)/],
    ['train --eps', /option '--eps <radius>' argument missing/],
    ['evaluate', /missing required argument 'checkpoint'/],
    ['evaluate a b', /too many arguments/],
    ['train --steps 0', /--steps: '0' is not an integer from 1 up/],
    ['train --steps 2.5', /--steps: '2.5' is not an integer from 1 up/],
    ['train --attack-steps 0', /--attack-steps: '0' is not an integer from 1 up/],
    ['train --batch-size 0', /--batch-size: '0' is not an integer from 1 up/],
    ['train --eps -0.1', /--eps: '-0.1' is not a number from 0 to 1 \(in units of the data: 8\/255, not 8\)/],
    ['train --eps 8', /--eps: '8' is not a number from 0 to 1/],
    ['evaluate x --eps -1', /--eps: '-1' is not a number from 0 up/],
    ['sanity x --eps 2', /--eps: '2' is not a number above 0, up to 1/],
    ['train --step-size 0', /--step-size: '0' is not a number above 0/],
    ['train --lr fast', /--lr: 'fast' is not a number from 0 up/],
    ['train --lr 0x10', /--lr: '0x10' is not a number/],
    ['train --lr 1e999', /--lr: '1e999' is not a number/],
    ['train --seed -1', /--seed: '-1' is not an integer from 0 up/],
    ['train --width 0', /--width: '0' is not a number above 0/],
    ['train --ramp 2', /--ramp: '2' is not a number from 0 to 1/],
    [
      'train --objective mimea-at',
      /unknown objective 'mimea-at' \(did you mean mimae-at\?\); there are plain, standard-at/,
    ],
    ['train --dataset mnits', /unknown dataset 'mnits' \(did you mean mnist\?\); there are mnist/],
    ['train --model cnn', /unknown model 'cnn' \(did you mean cnn4\?\)/],
    ['train --preset papr', /unknown preset 'papr' \(did you mean paper\?\)/],
    ['train --adapter lavapip', /unknown adapter 'lavapip' \(did you mean lavapipe\?\)/],
    ['train --pair-reduction median', /pairReduction is 'median'; expected sum or mean/],
    ['train --set lambda', /--set: 'lambda' is not name=value, such as lambda=0.4/],
    ['train --set lambda=', /--set: 'lambda=' is not name=value/],
    ['train --set lamda=1', /unknown option of mimae-at 'lamda' \(did you mean lambda\?\); there are lambda, beta/],
    ['train --set symmetrize=1', /mimae-at: symmetrize is number 1; expected a boolean/],
    ['train --set lambda=high', /mimae-at: lambda is string high; expected a number/],
    ['train --set lambda=1 --set lambda=2', /--set: lambda is given twice/],
    ['train --lambda 1 --set lambda=1', /--set lambda: is given by an option of its own too/],
    ['train --objective fast-at --set craftIn=test', /fast-at: craftIn is 'test'; expected train or eval/],
    ['train --preset original --objective plain', /preset original: plain has no settings of its own; .*standard-at/],
    ['train --optimizer adm', /unknown optimizer 'adm' \(did you mean adam\?\); there are sgd, adam/],
    ['train --objective plain --lambda 1', /unknown option of plain 'lambda'/],
    ['train --steps 1 --epochs 1', /--steps and --epochs: give one of them/],
    ['train --ema 0.9 --swa 0.5', /--ema and --swa: a run ends with one average; give one of them/],
    ['train --patience 3 --validation 0', /--patience: there is nothing to do for it with --validation 0/],
    ['train --validation 0 --awp 0 --awp-after 3', /--awp-after: there is nothing to do for it with --awp 0/],
    ['train --augment none --cutout 8', /--cutout: there is nothing to do for it with --augment none/],
    ['train --awp-after 3 --awp 0', /--awp-after: there is nothing to do for it with --awp 0/],
    [
      'train --drops 5',
      /schedule trapezoid has no drops, but warmup and decay; drops is of schedule step \(--schedule, or training\.schedule\.name\)/,
    ],
    ['train --subset 60001', /--subset: mnist \(train\) has 60000 examples, not 60001/],
    ['train --eval-samples 10001', /--eval-samples: mnist \(test\) has 10000 examples, not 10001/],
    ['demo --samples 0', /--samples: '0' is not an integer from 1 up/],
  ];

  it.each(mistakes)('%s', async (line, message) => {
    const { code, out, err } = await run(line.split(' '));
    expect(err).toMatch(message);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err.split('\n').length).toBeLessThanOrEqual(2);
    expect(err).not.toMatch(/^ {4}at /m);
    expect(await filesUnder('.')).toEqual([]);
  });

  it('show a stack with --debug', async () => {
    const { code, err } = await run(['train', '--steps', '0', '--debug']);
    expect(code).toBe(2);
    expect(err).toMatch(/UsageError: --steps: '0'[\s\S]*\n {4}at /);
  });
});

describe('a folder that is not to be overwritten', () => {
  const commands = ['train --steps 1', 'demo', 'evaluate model.safetensors'];

  it.each(commands)('is left alone by %s: a run, without --force', async (command) => {
    await mkdir('old');
    for (const name of ['metrics.jsonl', 'model.safetensors']) await writeFile(`old/${name}`, 'precious');
    const { code, err } = await run([...command.split(' '), '--out', 'old']);
    expect(err).toBe('error: --out old: holds a run already; name another folder, or replace it with --force');
    expect(code).toBe(2);
    expect(await filesUnder('old')).toEqual(['metrics.jsonl', 'model.safetensors']);
  });

  it.each(commands)('is left alone by %s: anything else, even with --force', async (command) => {
    await mkdir('thesis');
    await writeFile('thesis/chapter1.tex', 'precious');
    const { code, err } = await run([...command.split(' '), '--out', 'thesis', '--force']);
    expect(err).toBe('error: --out thesis: is not empty and holds no run; name a new or an empty folder');
    expect(code).toBe(2);
    expect(await filesUnder('thesis')).toEqual(['chapter1.tex']);
  });
});

describe('numberOption', () => {
  it('takes fractions, signs and exponents', () => {
    const read = numberOption('--x');
    expect(read('8/255')).toBe(8 / 255);
    expect(read(' 1 / 4 ')).toBe(0.25);
    expect([read('-2.5'), read('+.5'), read('2e-4'), read('3.')]).toEqual([-2.5, 0.5, 2e-4, 3]);
  });

  it.each(['', ' ', '1/0', '1/2/3', '/2', '1/', 'NaN', 'Infinity', '1,5', '0b1', '١'])("refuses '%s'", (text) => {
    expect(() => numberOption('--x')(text)).toThrow(UsageError);
  });
});

describe('resolveConfig', () => {
  const { recommended, paper } = PRESETS.mnist;

  it("is the preset's settings where nothing else is said", () => {
    const config = resolveConfig(recommended);
    expect(config).toMatchObject({ version: 1, preset: 'recommended', seed: 0, validation: null, augmentation: null });
    expect(config.objective).toMatchObject({ name: 'mimae-at', options: { lambda: 0.4, beta: 0.1 } });
    expect(config.attack).toEqual({ eps: 0.2, steps: 5, stepSize: null, rampFraction: 0.6, start: 'normal' });
    expect(config.training).toMatchObject({ steps: 400, epochs: null, batchSize: 64, lr: 0.03, accumulate: 1 });
    expect(config.training.schedule).toEqual({ name: 'trapezoid', warmup: 0.5, decay: 0.3 });
    expect(config.model).toEqual({
      ...{ name: 'cnn4', classes: 10, inChannels: 1, imageSize: 28 },
      options: { width: 0.5, init: 'kaimingNormal', dropout: 0, activation: 'relu' },
    });
    const other = resolveConfig(paper);
    expect(other.training).toMatchObject({ steps: null, epochs: 100, lr: 0.01 });
    expect(other.training.schedule).toEqual({ name: 'step', drops: [55, 75, 90], gamma: 0.1, warmup: 0 });
    expect(other.attack).toEqual({ eps: 0.3, steps: 10, stepSize: 0.01, rampFraction: 0, start: 'normal' });
  });

  it('puts what patches say in its place, of the last the last', () => {
    const config = resolveConfig(
      paper,
      { objective: { options: { lambda: 0.5, beta: 0.3 } }, training: { steps: 7, lr: 0.2 } },
      {
        objective: { options: { lambda: 0.6 } },
        training: { epochs: 2 },
        attack: { eps: 0 },
        dataset: { subset: 100 },
      },
    );
    expect(config.objective.options).toMatchObject({ lambda: 0.6, beta: 0.3 });
    expect(config.training).toMatchObject({ steps: null, epochs: 2, lr: 0.2, schedule: { drops: [55, 75, 90] } });
    expect(config.attack.eps).toBe(0);
    expect(config.dataset).toEqual({ name: 'mnist', folder: null, subset: 100, imageSize: null });
  });

  it('fills a schedule of which only the name is told', () => {
    const of = (schedule: object) => resolveConfig(paper, { training: { schedule } }).training.schedule;
    expect(of({ name: 'cyclic' })).toEqual({ name: 'cyclic', minLr: 0, peak: 0.5 });
    expect(of({ name: 'cosine', warmup: 0.1 })).toEqual({ name: 'cosine', minLr: 0, warmup: 0.1 });
    expect(of({ name: 'step' })).toEqual({ name: 'step', drops: [55, 75, 90], gamma: 0.1, warmup: 0 });
  });

  it('gives another objective, model or schedule none of the options of the one before', () => {
    const config = resolveConfig(recommended, {
      ...{ objective: { name: 'standard-at' }, model: { name: 'resnet18' }, dataset: { name: 'cifar100' } },
      training: { schedule: { name: 'cosine', minLr: 0, warmup: 0.1 } },
    });
    expect(config.objective).toEqual({ name: 'standard-at', options: { labelSmoothing: 0 } });
    expect(config.model).toEqual({
      ...{ name: 'resnet18', classes: 100, inChannels: 3, imageSize: 32 },
      options: { width: 1, activation: 'relu' },
    });
    expect(config.training.schedule).toEqual({ name: 'cosine', minLr: 0, warmup: 0.1 });
  });

  it('fills what is told in part with what is usual, and takes null for none', () => {
    const some = resolveConfig(recommended, {
      ...{ validation: { patience: 3 }, augmentation: { cutout: { size: 8 } } },
      training: { perturbation: { after: 2 }, average: { kind: 'ema', decay: 0.99 } },
    });
    expect(some.validation).toEqual({ samples: 1000, every: 1, steps: 10, patience: 3 });
    expect(some.training.perturbation).toEqual({ gamma: 0.01, after: 2 });
    expect(some.augmentation).toEqual({ cutout: { size: 8 } });
    const none = resolveConfig(recommended, some, {
      validation: null,
      training: { perturbation: null, average: null },
    });
    expect(none).toMatchObject({ validation: null, training: { perturbation: null, average: null } });
  });

  it.each<[ConfigPatch, RegExp]>([
    [{ objective: { name: 'mimae' } }, /unknown objective 'mimae' \(did you mean mimae-at\?\)/],
    [{ objective: { options: { lamda: 1 } } }, /unknown option of mimae-at 'lamda' \(did you mean lambda\?\)/],
    [{ model: { name: 'resnet81' } }, /unknown model 'resnet81' \(did you mean resnet18\?\)/],
    [{ model: { options: { depth: 3 } } }, /depth/],
    [{ training: { steps: 1, epochs: 1 } }, /--steps and --epochs: give one of them/],
    [{ training: { batchSize: 0 } }, /configuration: training\.batchSize: /],
    [{ attack: { eps: 8 } }, /configuration: attack\.eps: /],
  ])('refuses %j', (patch, message) => {
    expect(() => resolveConfig(recommended, patch)).toThrow(UsageError);
    expect(() => resolveConfig(recommended, patch)).toThrow(message);
  });

  it.each<[row: string, settings: Record<string, number | string>, options: object]>([
    ['BCE - lambda MI', { beta: 0 }, { classification: 'bce', lambda: 0.4, beta: 0 }],
    ['BCE + MAE', { lambda: 0 }, { classification: 'bce', lambda: 0, beta: 1, pairing: 'l1' }],
    ['BCE - lambda MI + MAE', {}, { classification: 'bce', lambda: 0.4, beta: 1, pairing: 'l1' }],
    ['BCE - lambda MI + MSE', { pairing: 'mse' }, { classification: 'bce', lambda: 0.4, beta: 1, pairing: 'mse' }],
    ['CE - lambda MI + MAE', { classification: 'ce' }, { classification: 'ce', lambda: 0.4, beta: 1, pairing: 'l1' }],
  ])("has the row %s of the paper's ablation of terms", (_, options, expected) => {
    const { objective } = resolveConfig(paper, { objective: { options } });
    expect(objective).toMatchObject({ name: 'mimae-at', options: expected });
  });

  it("takes an objective's own settings from its original publication", () => {
    const trades = resolveConfig(presetNamed('original', { objective: 'trades' }));
    expect(trades).toMatchObject({
      preset: 'original',
      objective: { name: 'trades', options: { lambda: 1, passes: 'original' } },
      attack: { eps: 0.3, steps: 40, stepSize: 0.01, start: 'normal', rampFraction: 0 },
      training: { epochs: 100, batchSize: 128, optimizer: 'sgd', lr: 0.01, momentum: 0.9, weightDecay: 0 },
    });
    expect(trades.training.schedule).toMatchObject({ name: 'step', drops: [55, 75, 90], gamma: 0.1 });
    const madry = presetNamed('original', { objective: 'standard-at' });
    expect(resolveConfig(madry)).toMatchObject({
      attack: { start: 'uniform' },
      training: { steps: 100_000, batchSize: 50, optimizer: 'adam', lr: 1e-4 },
    });
    expect(resolveConfig(madry, { training: { optimizer: 'sgd' } }).training.optimizer).toBe('sgd');
  });

  it.each([
    ['fast-at', { steps: 5 }, ['--attack-steps changes nothing: fast-at has an attack of its own (see --set)']],
    ['fast-at', { stepSize: 0.1 }, ['--step-size changes nothing: fast-at has an attack of its own (see --set)']],
    ['mma', { steps: 5 }, ['--attack-steps changes nothing: mma has an attack of its own (see --set)']],
    ['plain', { stepSize: 0.1 }, ['--step-size changes nothing: plain trains without an attack']],
    ['trades', { steps: 5, stepSize: 0.1 }, []],
    ['mma', {}, []],
  ])('says what %s does not look at of %j', (name, attack, said) => {
    const config = resolveConfig(presetNamed('recommended', { objective: name }), { objective: { name }, attack });
    expect(ignoredSettings(config.objective, attack)).toEqual(said);
  });
});

describe('the options of bulwark train', () => {
  const patch = (line: string): ConfigPatch => {
    const command = new Command('train').exitOverride();
    addTrainOptions(command);
    command.parse(
      line.split(' ').filter((word) => word !== ''),
      { from: 'user' },
    );
    return patchOf(command);
  };

  it('say nothing where none is given', () => {
    expect(patch('')).toEqual({});
  });

  it('go where they belong', () => {
    expect(
      patch('--dataset cifar10 --data files --subset 9 --validation 50 --patience 2 --seed 4 --eval-samples 0'),
    ).toEqual({
      ...{ dataset: { name: 'cifar10', folder: 'files', subset: 9 }, validation: { samples: 50, patience: 2 } },
      ...{ seed: 4, evaluation: { samples: 0 } },
    });
    const some = resolveConfig(
      presetNamed('recommended', { dataset: 'cifar10' }),
      patch('--crop-padding 2 --cutout 6'),
    );
    expect(some.augmentation).toEqual({ padCropFlip: { padding: 2, flip: true }, cutout: { size: 6 } });
    expect(patch('--augment crop-flip --cutout 8 --color-jitter 0.2')).toEqual({
      augmentation: {
        padCropFlip: { padding: 4, flip: true },
        cutout: { size: 8 },
        colorJitter: { brightness: 0.2, contrast: 0.2, saturation: 0.2 },
      },
    });
    expect(
      patch('--schedule cosine --min-lr 1e-3 --warmup 0.1 --ema 0.99 --awp 0.01 --awp-after 3 --clip-norm 1'),
    ).toEqual({
      training: {
        schedule: { name: 'cosine', minLr: 1e-3, warmup: 0.1 },
        ...{ average: { kind: 'ema', decay: 0.99 }, perturbation: { gamma: 0.01, after: 3 }, maxNorm: 1 },
      },
    });
    expect(patch('--gamma 0.2 --decay 0.3 --peak 0.4 --attack-start uniform --init trades')).toEqual({
      training: { schedule: { gamma: 0.2, decay: 0.3, peak: 0.4 } },
      ...{ attack: { start: 'uniform' }, model: { options: { init: 'trades' } } },
    });
    expect(patch('--drops 75,90 --nesterov --swa 0.5 --optimizer adamw').training).toEqual({
      ...{ schedule: { drops: [75, 90] }, nesterov: true, average: { kind: 'swa', start: 0.5 }, optimizer: 'adamw' },
    });
    expect(patch('--model wrn-16-4 --activation silu --label-smoothing 0.1 --set pairing=mse --lambda 1/4')).toEqual({
      model: { name: 'wrn-16-4', options: { activation: 'silu' } },
      objective: { options: { labelSmoothing: 0.1, pairing: 'mse', lambda: 0.25 } },
    });
  });

  it('reach every setting that a file can have', () => {
    const leaves = (value: unknown, path = ''): string[] =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.entries(value).flatMap(([key, part]) => leaves(part, path === '' ? key : `${path}.${key}`))
        : [path];
    const everything = [
      '--dataset cifar10 --data d --image-size 8 --subset 9 --validation 5 --validate-every 2 --validation-steps 3 --patience 4',
      '--augment crop-flip --crop-padding 2 --cutout 8 --cutout-fill 0.5 --brightness 0.1 --contrast 0.2 --saturation 0.3',
      '--model wrn-16-4 --width 1 --activation silu --dropout 0.1 --stride-padding same --objective trades',
      '--steps 5 --epochs 6 --batch-size 7 --accumulate 2 --optimizer sgd --lr 1 --schedule step --drops 3 --gamma 1 --warmup 0.1',
      '--momentum 0.5 --nesterov --weight-decay 1 --clip-norm 1 --awp 0.1 --awp-after 2',
      '--eps 0.1 --attack-steps 2 --step-size 0.1 --attack-start none --ramp 0.2 --seed 1 --eval-samples 3 --checkpoint-every 4',
    ];
    const reached = new Set([
      ...leaves(patch(`${everything.join(' ')} --ema 0.9`)),
      ...leaves(patch('--swa 0.1 --init trades --decay 0.1 --peak 0.2 --min-lr 0.1')),
    ]);
    const paper = presetNamed('paper');
    const choice = { dataset: 'cifar10', model: 'wrn-16-4' };
    const cosine = {
      training: { schedule: { name: 'cosine' as const }, average: { kind: 'swa' as const, start: 0.1 } },
    };
    const all = [
      resolveConfig(presetNamed('recommended', choice), patch(everything.slice(0, 3).join(' '))),
      resolveConfig(presetNamed('recommended', choice), patch(everything.slice(4).join(' '))),
      resolveConfig(paper, patch('--schedule cyclic')),
      resolveConfig(paper, cosine),
      resolveConfig(paper, patch('--schedule trapezoid')),
    ].flatMap((config) => leaves(config));
    // What follows from the dataset or the version, what --validation 0 and the like take away, and what --set says.
    const others =
      /^(version|preset|model\.(classes|inChannels|imageSize)|validation|augmentation|objective\.options\..*)$/;
    const unreached = all.filter(
      (path) => !reached.has(path) && !others.test(path) && !/^training\.(average|perturbation)$/.test(path),
    );
    expect([...new Set(unreached)]).toEqual([]);
  });

  it('take what is there away', () => {
    expect(patch('--augment none --validation 0 --awp 0')).toEqual({
      ...{ augmentation: null, validation: null, training: { perturbation: null } },
    });
  });

  it('refuse what is said twice', () => {
    expect(() => patch('--lambda 1 --set lambda=2')).toThrow(/--set lambda: is given by an option of its own too/);
  });
});

describe('configuration files', () => {
  it('are settings over those of the preset, and under those of options', async () => {
    await writeFile('settings.json', JSON.stringify({ preset: 'paper', attack: { eps: 0.1 }, training: { steps: 3 } }));
    expect(await readConfigFile('settings.json')).toEqual({
      ...{ preset: 'paper', attack: { eps: 0.1 }, training: { steps: 3 } },
    });
  });

  it('of a run from before images could be resized leaves them as they are', async () => {
    const config = resolveConfig(presetNamed('recommended'));
    const { imageSize, ...dataset } = config.dataset;
    await writeFile('config.json', JSON.stringify({ ...config, dataset }));
    expect([imageSize, await readRunConfig('.')]).toEqual([null, config]);
  });

  it.each<[object | string, RegExp]>([
    ['{', /settings\.json: is no JSON/],
    [[], /settings\.json: the whole: /],
    [{ version: 2 }, /has version 2; this bulwark reads version 1/],
    [{ atack: {} }, /unknown key atack \(did you mean attack\?\)/],
    [
      { training: { lerningRate: 1, batchsize: 3 } },
      /unknown key training\.lerningRate.*; unknown key training\.batchsize \(did you mean batchSize\?\)/,
    ],
    [
      { training: { schedule: { name: 'step', drop: [3] } } },
      /unknown key training\.schedule\.drop \(did you mean drops\?\)/,
    ],
    [
      { training: { average: { kind: 'ema', deca: 1 } } },
      /unknown key training\.average\.deca \(did you mean decay\?\)/,
    ],
    [
      { training: { average: { kind: 'ema', decay: 0.9, start: 0.5 } } },
      /: unknown key training\.average\.start; ema has kind, decay$/,
    ],
    [{ training: { average: { decay: 0.9 } } }, /training\.average\.kind: missing; there are ema, swa$/],
    [
      { training: { schedule: { name: 'step', decay: 0.2 } } },
      /: unknown key training\.schedule\.decay; step has name, drops, gamma, warmup$/,
    ],
    [
      { training: { schedule: { name: 'linear' } } },
      /: training\.schedule\.name: unknown "linear"; there are step, trapezoid, cosine, cyclic$/,
    ],
    [{ augmentation: { cutout: { siz: 3 } } }, /augmentation\.cutout/],
    [{ attack: { eps: 8 } }, /attack\.eps: /],
    [{ dataset: { name: 'imagenet' } }, /dataset\.name: unknown value 'imagenet'; there are mnist, fashion-mnist/],
    [
      { training: { optimizer: 'sdg' } },
      /training\.optimizer: unknown value 'sdg' \(did you mean sgd\?\); there are sgd/,
    ],
    [
      {
        dataset: { name: 'mnits' },
        model: { name: 'cnn4', options: { widht: 1 } },
        objective: { name: 'mimae-at', options: { lamda: 1 } },
        training: { steps: 1, epochs: 2 },
      },
      new RegExp(
        [
          "dataset\\.name: unknown value 'mnits' \\(did you mean mnist\\?\\)",
          "objective: unknown option of mimae-at 'lamda' \\(did you mean lambda\\?\\)",
          "model: unknown option of cnn4 'widht' \\(did you mean width\\?\\)",
          'training: has both steps and epochs; give one of them',
        ].join('.*; '),
      ),
    ],
    [
      { training: { schedule: { minLr: 0, drops: [1] } } },
      /training\.schedule\.minLr: is not of the same kind as the settings beside it; give its name$/,
    ],
    [{ objective: { name: 5 } }, /json: objective\.name: [^;]*$/],
    [{ objective: { name: 'trade' } }, /objective: unknown objective 'trade' \(did you mean trades\?\)/],
  ])('%j is refused, with all that is wrong with it', async (contents, message) => {
    await writeFile('settings.json', typeof contents === 'string' ? contents : JSON.stringify(contents));
    await expect(readConfigFile('settings.json')).rejects.toThrow(FormatError);
    await expect(readConfigFile('settings.json')).rejects.toThrow(message);
  });

  it('that are not there are told', async () => {
    await expect(readConfigFile('none.json')).rejects.toThrow(/cannot read none\.json: there is no such file/);
  });
});
