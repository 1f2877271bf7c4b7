import { mkdir, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { presetNamed } from '../../adversarial/preset-named.js';
import { PRESETS } from '../../adversarial/presets.js';
import { ignoredOptions, resolveConfig, type TrainOptions } from '../../cli/config.js';
import { UsageError } from '../../cli/errors.js';
import { numberOption, settingOption } from '../../cli/options.js';
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
    expect(without.map((text) => /--[a-z-]+/.exec(text)?.[0])).toEqual(['--force', '--debug', '--help']);
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
  const nothing = { dataset: 'mnist', model: 'cnn4', seed: 0 } as const;

  it("is the preset's settings where the command line sets none", () => {
    const config = resolveConfig(PRESETS.mnist.recommended, nothing);
    expect(config.objective).toMatchObject({ name: 'mimae-at', options: { lambda: 0.4, beta: 0.1 } });
    expect(config.attack).toEqual({ eps: 0.2, steps: 5, stepSize: null, rampFraction: 0.6, start: 'normal' });
    expect(config.training).toMatchObject({ steps: 400, epochs: null, batchSize: 64, lr: 0.03 });
    expect(config.training.schedule).toEqual({ name: 'trapezoid', warmup: 0.5, decay: 0.3 });
    expect(config.model).toMatchObject({ name: 'cnn4', width: 0.5, classes: 10, dropout: 0 });
    const paper = resolveConfig(PRESETS.mnist.paper, nothing);
    expect(paper.training).toMatchObject({ steps: null, epochs: 100, lr: 0.01 });
    expect(paper.training.schedule).toEqual({ name: 'step', drops: [55, 75, 90], gamma: 0.1, warmup: 0 });
    expect(paper.attack).toEqual({ eps: 0.3, steps: 10, stepSize: 0.01, rampFraction: 0, start: 'normal' });
  });

  it('puts what the command line sets in its place', () => {
    const options = { ...nothing, lambda: 0.6, epochs: 2, lr: 0.1, eps: 0, width: 1, subset: 100 };
    const config = resolveConfig(PRESETS.mnist.paper, options);
    expect(config.objective.options).toMatchObject({ lambda: 0.6, beta: 1 });
    expect(config.training).toMatchObject({ steps: null, epochs: 2, lr: 0.1, schedule: { drops: [55, 75, 90] } });
    expect(config.attack.eps).toBe(0);
    expect(config.model.width).toBe(1);
    expect(config.dataset.subset).toBe(100);
    expect(resolveConfig(PRESETS.mnist.paper, { ...nothing, steps: 3 }).training).toMatchObject({
      steps: 3,
      epochs: null,
    });
  });

  it('takes options of the objective by name: numbers, fractions, true and false, texts', () => {
    const set = ['lambda=1/4', 'symmetrize=false', 'pairing=mse'].reduce<Record<string, number | string | boolean>>(
      (before, text) => settingOption('--set')(text, before),
      {},
    );
    expect(set).toEqual({ lambda: 0.25, symmetrize: false, pairing: 'mse' });
    const { objective } = resolveConfig(PRESETS.mnist.paper, { ...nothing, beta: 0.5, set });
    expect(objective.options).toMatchObject({ lambda: 0.25, beta: 0.5, symmetrize: false, pairing: 'mse' });
  });

  it.each<[row: string, settings: string[], options: object]>([
    ['BCE - lambda MI', ['beta=0'], { classification: 'bce', lambda: 0.4, beta: 0 }],
    ['BCE + MAE', ['lambda=0'], { classification: 'bce', lambda: 0, beta: 1, pairing: 'l1' }],
    ['BCE - lambda MI + MAE', [], { classification: 'bce', lambda: 0.4, beta: 1, pairing: 'l1' }],
    ['BCE - lambda MI + MSE', ['pairing=mse'], { classification: 'bce', lambda: 0.4, beta: 1, pairing: 'mse' }],
    ['CE - lambda MI + MAE', ['classification=ce'], { classification: 'ce', lambda: 0.4, beta: 1, pairing: 'l1' }],
  ])("has the row %s of the paper's ablation of terms", (_, settings, expected) => {
    const set = settings.reduce<TrainOptions['set']>((before, text) => settingOption('--set')(text, before), undefined);
    const { objective } = resolveConfig(PRESETS.mnist.paper, { ...nothing, ...(set && { set }) });
    expect(objective).toMatchObject({ name: 'mimae-at', options: expected });
  });

  it("takes an objective's own settings from its original publication", () => {
    const trades = resolveConfig(presetNamed('original', { objective: 'trades' }), { ...nothing, objective: 'trades' });
    expect(trades).toMatchObject({
      preset: 'original',
      objective: { name: 'trades', options: { lambda: 1, passes: 'original' } },
      attack: { eps: 0.3, steps: 40, stepSize: 0.01, start: 'normal', rampFraction: 0 },
      training: { epochs: 100, batchSize: 128, optimizer: 'sgd', lr: 0.01, momentum: 0.9, weightDecay: 0 },
    });
    expect(trades.training.schedule).toEqual({ name: 'step', drops: [55, 75, 90], gamma: 0.1, warmup: 0 });
    const madry = resolveConfig(presetNamed('original', { objective: 'standard-at' }), {
      ...nothing,
      objective: 'standard-at',
    });
    expect(madry.attack.start).toBe('uniform');
    expect(madry.training).toMatchObject({ steps: 100_000, batchSize: 50, optimizer: 'adam', lr: 1e-4 });
    const sgd = { ...nothing, objective: 'standard-at', optimizer: 'sgd' } as const;
    expect(resolveConfig(presetNamed('original', { objective: 'standard-at' }), sgd).training.optimizer).toBe('sgd');
  });

  it.each([
    ['fast-at', { attackSteps: 5 }, ['--attack-steps changes nothing: fast-at has an attack of its own (see --set)']],
    ['fast-at', { stepSize: 0.1 }, ['--step-size changes nothing: fast-at has an attack of its own (see --set)']],
    ['mma', { attackSteps: 5 }, ['--attack-steps changes nothing: mma has an attack of its own (see --set)']],
    ['plain', { stepSize: 0.1 }, ['--step-size changes nothing: plain trains without an attack']],
    ['trades', { attackSteps: 5, stepSize: 0.1 }, []],
    ['mma', {}, []],
  ])('says what %s does not look at of %j', (objective, change, said) => {
    const config = resolveConfig(presetNamed('recommended', { objective }), { ...nothing, objective, ...change });
    expect(ignoredOptions(config.objective, change)).toEqual(said);
  });

  it("gives another objective none of the preset's options", () => {
    const config = resolveConfig(PRESETS.mnist.recommended, { ...nothing, objective: 'standard-at' });
    expect(config.objective).toEqual({ name: 'standard-at', options: { labelSmoothing: 0 } });
  });
});
