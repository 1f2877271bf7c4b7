import { describe, expect, it } from 'vitest';
import {
  MNIST_PAPER,
  MNIST_RECOMMENDED,
  OBJECTIVES,
  PRESETS,
  PRESET_DATASETS,
  PRESET_NAMES,
  presetNamed,
  presets,
  type OptionValues,
  type Preset,
  type PresetName,
} from '../../adversarial/index.js';
import { checkAttack } from '../../adversarial/training-attack.js';
import { DATASETS } from '../../cli/config.js';
import { augmentation } from '../../data/augmentation.js';
import { ArgumentError } from '../../engine/errors.js';
import { MODELS, modelEntry } from '../../nn/models/registry.js';
import { scheduleOf } from '../../nn/optim/schedule.js';

const objectives = OBJECTIVES.map(({ name }) => name);
const models = [...MODELS.map(({ name }) => name), 'wrn-10-2'];

/** The rate of each change of a run with steps as long as epochs, and the epoch of the change. */
function ratesOf({ training: { lr } }: Preset, epochs: number): [epoch: number, rate: number][] {
  const rates: [number, number][] = [];
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const rate = Number(lr.at({ epoch, step: epoch, steps: epochs }).toPrecision(6));
    if (rates.at(-1)?.[1] !== rate) rates.push([epoch, rate]);
  }
  return rates;
}

/** A row of a publication: network, weight of the regulariser, budget of training, length, drops by 10, batch, weight decay. */
type Row = readonly [
  name: PresetName,
  objective: string,
  dataset: string,
  model: string,
  options: OptionValues,
  attack: readonly [eps: number, stepSize: number, steps: number, start: string | undefined],
  epochs: number,
  rates: readonly (readonly [epoch: number, rate: number])[],
  weightDecay: number,
];

const paper01 = [
  [1, 0.1],
  [75, 0.01],
  [90, 0.001],
] as const;
const mnist01 = [
  [1, 0.01],
  [55, 0.001],
  [75, 0.0001],
  [90, 0.00001],
] as const;
const cifar = [0.031, 0.007, 10, 'normal'] as const;
const digits = [0.3, 0.01, 10, undefined] as const;

const FACTS: readonly Row[] = [
  ['paper', 'mimae-at', 'mnist', 'cnn4', { lambda: 0.4, beta: 1 }, digits, 100, mnist01, 2e-4],
  ['paper', 'standard-at', 'mnist', 'cnn4', {}, digits, 100, mnist01, 2e-4],
  ['paper', 'trades', 'mnist', 'cnn4', { lambda: 4 }, digits, 100, mnist01, 2e-4],
  ['paper', 'mart', 'mnist', 'cnn4', { lambda: 5 }, digits, 100, mnist01, 2e-4],
  ['paper', 'mimae-at', 'cifar10', 'resnet18', { lambda: 0.4, beta: 1 }, cifar, 100, paper01, 2e-4],
  ['paper', 'mimae-at', 'cifar10', 'wrn-34-10', { lambda: 0.6, beta: 1 }, cifar, 100, paper01, 5e-4],
  ['paper', 'mimae-at', 'cifar100', 'resnet18', { lambda: 0.4, beta: 1 }, cifar, 100, paper01, 2e-4],
  ['paper', 'standard-at', 'cifar10', 'resnet18', {}, cifar, 100, paper01, 2e-4],
  ['paper', 'trades', 'cifar10', 'resnet18', { lambda: 4, passes: 'common' }, cifar, 100, paper01, 2e-4],
  ['paper', 'trades', 'cifar10', 'wrn-34-10', { lambda: 4 }, cifar, 100, paper01, 5e-4],
  ['paper', 'mart', 'cifar10', 'resnet18', { lambda: 5 }, cifar, 100, paper01, 2e-4],
  ['paper', 'mart', 'cifar10', 'wrn-34-10', { lambda: 5 }, cifar, 100, paper01, 5e-4],
  ['original', 'mimae-at', 'cifar10', 'wrn-34-10', { lambda: 0.6, beta: 1 }, cifar, 100, paper01, 5e-4],
  [
    ...(['original', 'trades', 'cifar10', 'wrn-34-10', { lambda: 6, passes: 'original' }, cifar, 76] as const),
    [
      [1, 0.1],
      [75, 0.01],
    ],
    2e-4,
  ],
  ['original', 'trades', 'mnist', 'cnn4', { lambda: 1 }, [0.3, 0.01, 40, 'normal'], 100, mnist01, 0],
  [
    ...(['original', 'mart', 'cifar10', 'resnet18', { lambda: 5, martCompat: true }, cifar, 120] as const),
    [
      [1, 0.01],
      [75, 0.001],
      [90, 0.0001],
      [100, 0.00001],
    ],
    3.5e-3,
  ],
  ['original', 'mart', 'cifar10', 'wrn-34-10', { lambda: 6, martCompat: true }, cifar, 90, paper01, 7e-4],
  [
    ...(['recommended', 'trades', 'cifar10', 'resnet18', { lambda: 6 }] as const),
    [8 / 255, 2 / 255, 10, 'normal'],
    110,
    [
      [1, 0.1],
      [100, 0.01],
      [105, 0.001],
    ],
    5e-4,
  ],
];

/** The epoch that begins nearest to the end of a step, where 50,000 images in batches of 128 make 391 steps to an epoch. */
function epochFrom(step: number): number {
  return 1 + Math.round(step / 391);
}

describe('facts of the publications', () => {
  it.each(FACTS)(
    '%s %s on %s with %s',
    (name, objective, dataset, model, options, [eps, stepSize, steps, start], epochs, rates, weightDecay) => {
      const preset = presetNamed(name, { objective, dataset, model });
      expect(preset.objective.options).toMatchObject(options);
      expect(preset.model).toEqual({ name: model, options: preset.model.options });
      expect(preset.training.attack).toMatchObject({ eps, stepSize, steps });
      expect(preset.training.attack.start).toBe(start);
      expect(preset.training).toMatchObject({ batchSize: 128, epochs, weightDecay, momentum: 0.9 });
      expect(preset.training.optimizer ?? 'sgd').toBe('sgd');
      expect(preset.training.nesterov ?? false).toBe(false);
      expect(ratesOf(preset, epochs)).toEqual(rates);
      const crop = dataset === 'mnist' ? undefined : { padCropFlip: { padding: 4, flip: true } };
      expect(preset.augmentation).toEqual(crop);
    },
  );

  it('has the steps of those that count steps', () => {
    const madry = presetNamed('original', { objective: 'standard-at', dataset: 'cifar10' });
    expect(madry.model.name).toBe('wrn-34-10');
    expect(madry.training).toMatchObject({ steps: 80_000, batchSize: 128, weightDecay: 2e-4, momentum: 0.9 });
    expect(madry.training.attack).toEqual({ eps: 8 / 255, stepSize: 2 / 255, steps: 7, start: 'uniform' });
    expect(ratesOf(madry, 204)).toEqual([
      [1, 0.1],
      [epochFrom(40_000), 0.01],
      [epochFrom(60_000), 0.001],
    ]);

    const mma = presetNamed('original', { objective: 'mma', dataset: 'cifar10' });
    expect(mma.model.name).toBe('wrn-28-4');
    expect(mma.objective.options).toEqual({
      dMax: 0.1255,
      minEps: 0.005,
      steps: 10,
      searchSteps: 10,
      cleanWeight: 1 / 3,
    });
    expect(mma.training).toMatchObject({ steps: 50_000, batchSize: 128, weightDecay: 2e-4, momentum: 0.9 });
    const rates = ratesOf(mma, 128);
    expect(rates.map(([epoch]) => epoch)).toEqual([0, 20_000, 30_000, 40_000].map(epochFrom));
    // The published 0.03 and 0.009 are no powers of one factor: the warnings say so.
    expect(rates.map(([, rate]) => rate)).toEqual([0.3, 0.09, 0.027, 0.0081]);
    expect(mma.warnings.join()).toContain('0.3, 0.09, 0.03 and 0.009');
  });

  it('has the one triangle of fast training', () => {
    const fast = presetNamed('original', { objective: 'fast-at', dataset: 'cifar10' });
    expect(fast.model.name).toBe('preact-resnet18');
    expect(fast.training).toMatchObject({ epochs: 15, batchSize: 128, weightDecay: 5e-4, momentum: 0.9 });
    expect(fast.training.lr.config).toEqual({ name: 'cyclic', baseLr: 0.2, minLr: 0, peak: 0.5 });
    expect(fast.objective.attackPlan).toEqual({ start: 'uniform', steps: 1, stepSize: 1.25, craftIn: 'train' });
    expect(fast.training.attack).toMatchObject({ eps: 8 / 255, steps: 1, stepSize: (1.25 * 8) / 255 });
  });

  it('has Adam on MNIST where the publication has', () => {
    for (const objective of ['standard-at', 'alp', 'mma', 'mma-fixed']) {
      const { training } = presetNamed('original', { objective });
      expect(training).toMatchObject({ optimizer: 'adam', steps: 100_000, batchSize: 50, weightDecay: 0 });
      expect(training.lr.config).toMatchObject({ baseLr: 1e-4, drops: [] });
      expect(training.attack).toEqual({ eps: 0.3, stepSize: 0.01, steps: 40, start: 'uniform' });
    }
    const { objective } = presetNamed('original', { objective: 'mma' });
    expect(objective.options).toMatchObject({ dMax: 0.45, minEps: 0.1, steps: 40 });
  });
});

describe('the evaluation of the paper', () => {
  const settingsOf = ({ attacks }: Preset): unknown =>
    Object.fromEntries(Object.entries(attacks).map(([name, { settings }]) => [name, settings]));
  const l2 = { attack: 'pgd', norm: 'l2', eps: 0.5, stepSize: 0.003, steps: 20, start: 'uniform' };

  it('is that of CIFAR-10, and says which attack cannot reach its ball', () => {
    const preset = presetNamed('paper', { dataset: 'cifar10' });
    const ball = { norm: 'linf', eps: 0.031, stepSize: 0.003, start: 'uniform' };
    expect(settingsOf(preset)).toEqual({
      fgsm: { attack: 'fgsm', norm: 'linf', eps: 0.031 },
      'pgd-20': { attack: 'pgd', ...ball, steps: 20 },
      'pgd-50': { attack: 'pgd', ...ball, steps: 50 },
      cw: { attack: 'cw-linf', ...ball, steps: 30, kappa: 50 },
      'pgd-l2': l2,
    });
    expect(preset.attacks['pgd-l2']?.warnings).toEqual([
      expect.stringMatching(/20 steps of 0.003 move 0.06 at most, less than eps 0.5/),
    ]);
    for (const name of ['fgsm', 'pgd-20', 'pgd-50', 'cw']) expect(preset.attacks[name]?.warnings).toEqual([]);
    expect(preset.warnings).toEqual(['evaluation: attacks that cannot reach the edges of their balls: pgd-l2']);
  });

  it('is that of MNIST, whose attacks and training cannot reach theirs', () => {
    const ball = { norm: 'linf', eps: 0.3, stepSize: 0.005, start: 'uniform' };
    expect(settingsOf(MNIST_PAPER)).toEqual({
      fgsm: { attack: 'fgsm', norm: 'linf', eps: 0.3 },
      'pgd-20': { attack: 'pgd', ...ball, steps: 20 },
      'pgd-40': { attack: 'pgd', ...ball, steps: 40 },
      cw: { attack: 'cw-linf', ...ball, steps: 30, kappa: 50 },
      'pgd-l2': l2,
    });
    expect(MNIST_PAPER.attacks['pgd-20']?.warnings).toEqual([
      expect.stringMatching(/20 steps of 0.005 move 0.1 at most/),
    ]);
    const [training, evaluation] = MNIST_PAPER.warnings;
    expect(training).toMatch(/^training: 10 steps of 0.01 move 0.1 at most, less than eps 0.3/);
    expect(evaluation).toMatch(/balls: pgd-20, pgd-40, cw, pgd-l2$/);
    // None of these takes the run's steps.
    for (const objective of ['plain', 'fast-at', 'mma']) {
      expect(presetNamed('paper', { objective }).warnings.join()).not.toMatch(/10 steps/);
    }
    for (const objective of ['standard-at', 'trades', 'mart', 'alp']) {
      expect(presetNamed('paper', { objective }).warnings[0]).toBe(training);
    }
  });
});

describe('warnings', () => {
  const warningsOf = (...call: Parameters<typeof presetNamed>): string => presetNamed(...call).warnings.join('\n');

  it('say what the paper has nothing of', () => {
    for (const objective of ['standard-at', 'trades', 'mart', 'mimae-at']) {
      for (const dataset of ['mnist', 'cifar10', 'cifar100']) {
        expect(warningsOf('paper', { objective, dataset })).not.toMatch(/the paper has no/);
      }
    }
    expect(warningsOf('paper', { objective: 'alp' })).toMatch(/no results of alp on MNIST/);
    expect(warningsOf('paper', { dataset: 'fashion-mnist' })).toMatch(/nothing on Fashion-MNIST; .* for MNIST/);
    expect(warningsOf('paper', { dataset: 'shapes32' })).toMatch(/nothing on shapes32; .* for CIFAR-10/);
    expect(warningsOf('paper', { dataset: 'folder' })).toMatch(/nothing on a folder of images; .* for CIFAR-10/);
    expect(warningsOf('paper', { dataset: 'cifar10', model: 'preact-resnet18' })).toMatch(
      /no preact-resnet18 on CIFAR-10; these are its settings for resnet18/,
    );
    expect(warningsOf('paper', { dataset: 'cifar100', model: 'wrn-34-10' })).toMatch(
      /no wrn-34-10 on CIFAR-100; these are its settings for wrn-34-10 on CIFAR-10/,
    );
    expect(presetNamed('paper', { dataset: 'cifar10', model: 'wrn-28-4' }).training.weightDecay).toBe(5e-4);
    expect(warningsOf('paper', { model: 'resnet18' })).toMatch(/no resnet18 on MNIST; these are its settings for cnn4/);
  });

  it('say where original settings are for another network', () => {
    expect(warningsOf('original', { objective: 'trades' })).toBe('');
    expect(warningsOf('original', { objective: 'trades', dataset: 'cifar10' })).toBe('');
    const preact = { objective: 'mart', dataset: 'cifar10', model: 'preact-resnet18' };
    expect(warningsOf('original', preact)).toMatch(/those for resnet18, not for preact-resnet18/);
    expect(presetNamed('original', preact).training.weightDecay).toBe(3.5e-3);
    const wide = { ...preact, model: 'wrn-28-10' };
    expect(warningsOf('original', wide)).toMatch(/those for wrn-34-10, not for wrn-28-10/);
    expect(presetNamed('original', wide).training.weightDecay).toBe(7e-4);
    const other = { objective: 'mma', dataset: 'cifar10', model: 'resnet18' };
    expect(warningsOf('original', other)).toMatch(/those for wrn-28-4, not for resnet18/);
    for (const objective of ['standard-at', 'fast-at', 'alp', 'mma', 'mma-fixed', 'mart']) {
      expect(warningsOf('original', { objective }), objective).not.toBe('');
    }
  });

  it('say that recommended settings were chosen elsewhere', () => {
    expect(MNIST_RECOMMENDED.warnings).toEqual([]);
    expect(warningsOf('recommended', { dataset: 'fashion-mnist' })).toMatch(/chosen on MNIST, not on Fashion-MNIST/);
    expect(warningsOf('recommended', { model: 'resnet18' })).toMatch(/chosen for cnn4, not for resnet18/);
    expect(warningsOf('recommended', { dataset: 'cifar10' })).toMatch(
      /no whole run of them together has been measured/,
    );
    expect(warningsOf('recommended', { dataset: 'folder' })).toMatch(/50,000 images/);
    const fast = (dataset: string): string => warningsOf('recommended', { dataset, objective: 'fast-at' });
    expect(fast('cifar10')).toMatch(/long run; the validations choose a model from before/);
    expect(fast('folder')).toMatch(/long run; without a validation nothing chooses a model from before/);
  });
});

describe('recommended settings', () => {
  it('are on MNIST what they were', () => {
    expect(presetNamed('recommended')).toEqual({ ...MNIST_RECOMMENDED, objective: expect.anything() as unknown });
    expect(MNIST_RECOMMENDED.objective.options).toMatchObject({ lambda: 0.4, beta: 0.1, pairReduction: 'sum' });
    expect(MNIST_RECOMMENDED.model.options).toMatchObject({ width: 0.5, init: 'kaimingNormal', dropout: 0 });
    expect(PRESETS.mnist.recommended).toBe(MNIST_RECOMMENDED);
    expect(presetNamed('recommended', { objective: 'trades' }).training).toBe(MNIST_RECOMMENDED.training);
  });

  it('keep images apart and average elsewhere', () => {
    const preset = presetNamed('recommended', { dataset: 'cifar10' });
    expect(preset.validation).toEqual({ samples: 1000, every: 1, steps: 10, patience: null });
    expect(preset.training.average).toEqual({ kind: 'ema', decay: 0.995 });
    expect(preset.training.attack.rampFraction).toBe(0.2);
    expect(preset.training.perturbation).toBeUndefined();
    expect(preset.objective.options).toMatchObject({ lambda: 0.4, beta: 1, pairReduction: 'mean' });
    expect(Object.keys(preset.attacks)).toEqual(['fgsm', 'pgd-20', 'cw']);
    const wide = { dataset: 'cifar10', model: 'wrn-34-10' };
    expect(presetNamed('recommended', wide).objective.options).toMatchObject({ lambda: 0.6 });
    expect(presetNamed('recommended', { ...wide, objective: 'mart' }).objective.options).toMatchObject({ lambda: 6 });
    for (const none of [{ dataset: 'cifar10', objective: 'plain' }, { dataset: 'folder' }]) {
      expect(presetNamed('recommended', none).validation).toBeUndefined();
      expect(presetNamed('recommended', none).summary).not.toMatch(/kept apart/);
    }
  });

  it('are short and small on shapes32, and slower without batch norm', () => {
    const shapes = presetNamed('recommended', { dataset: 'shapes32' });
    expect(shapes.training.epochs).toBe(30);
    expect(shapes.model).toMatchObject({ name: 'resnet18', options: { width: 0.25 } });
    const cnn = presetNamed('recommended', { dataset: 'cifar10', model: 'cnn4' });
    expect(cnn.training.lr.config.baseLr).toBe(0.01);
    expect(cnn.warnings.join()).toMatch(/no batch norm/);
  });
});

describe('all combinations', () => {
  it.each(PRESET_NAMES)('of %s are in order', (name) => {
    for (const dataset of PRESET_DATASETS) {
      for (const objective of objectives) {
        if (name === 'original' && !presets().some((each) => isOf(each, name, dataset, objective))) {
          expect(() => presetNamed(name, { objective, dataset })).toThrow(/has no settings of its own/);
          continue;
        }
        for (const model of [undefined, ...models]) expectInOrder(presetNamed(name, { objective, dataset, model }));
      }
    }
  });

  it('that are listed have settings for their model', () => {
    const all = presets();
    expect(new Set(all.map((each) => Object.values(each).slice(0, 4).join(' '))).size).toBe(all.length);
    for (const { name, dataset, model, objective, summary } of all) {
      const preset = presetNamed(name, { dataset, model, objective });
      expect(preset).toMatchObject({ name, dataset, summary, model: { name: model }, objective: { name: objective } });
      expect(preset.warnings.join()).not.toMatch(/the settings are those for|the paper has no/);
    }
    const originals = all.filter(({ name, dataset }) => name === 'original' && dataset === 'cifar10');
    expect(originals.map(({ objective, model }) => `${objective} ${model}`)).toEqual([
      'standard-at wrn-34-10',
      'fast-at preact-resnet18',
      'trades wrn-34-10',
      'trades resnet18',
      'mma-fixed wrn-28-4',
      'mma wrn-28-4',
      'mart resnet18',
      'mart wrn-34-10',
      'mimae-at resnet18',
      'mimae-at wrn-34-10',
    ]);
  });

  it('are of the datasets that the command knows', () => {
    expect(PRESET_DATASETS).toEqual(DATASETS);
  });
});

function isOf(each: Record<'name' | 'dataset' | 'objective', string>, ...is: readonly string[]): boolean {
  return [each.name, each.dataset, each.objective].join() === is.join();
}

function expectInOrder(preset: Preset): void {
  const { model, objective, training, validation } = preset;
  expect(preset.summary).toMatch(/\.$/);
  expect(Object.keys(model.options)).toEqual(Object.keys(modelEntry(model.name).options));
  expect([training.steps, training.epochs].filter((length) => length !== undefined)).toHaveLength(1);
  expect(scheduleOf(training.lr.config)).toEqual(training.lr);
  checkAttack(objective, training.attack);
  if (preset.augmentation) augmentation(preset.augmentation);
  if (validation) expect(validation.samples).toBeGreaterThan(0);
  const { rampFraction = 0, eps } = training.attack;
  expect(rampFraction).toBeLessThan(1);
  expect(eps).toBeLessThanOrEqual(0.3);
  if (preset.name !== 'paper' && objective.name !== 'mimae-at') {
    for (const attack of Object.values(preset.attacks)) expect(attack.warnings).toEqual([]);
    const { steps, stepSize = eps / 4 } = training.attack;
    expect(steps * stepSize).toBeGreaterThanOrEqual(eps);
  }
}

describe('unknown names', () => {
  it.each<[string, Parameters<typeof presetNamed>[1], RegExp]>([
    ['papr', {}, /unknown preset 'papr' \(did you mean paper\?\); there are recommended, paper, original/],
    ['paper', { dataset: 'cifar-10' }, /unknown dataset 'cifar-10' \(did you mean cifar10\?\); there are mnist/],
    ['paper', { model: 'resnet-18' }, /unknown model 'resnet-18' \(did you mean resnet18\?\)/],
    ['paper', { objective: 'tradse' }, /unknown objective 'tradse' \(did you mean trades\?\)/],
    ['original', { objective: 'tradse' }, /did you mean trades\?/],
    [
      'original',
      { objective: 'plain' },
      /original: plain has no settings of its own; those that have on MNIST are stan/,
    ],
    [
      'original',
      { objective: 'alp', dataset: 'cifar10' },
      /alp has no settings of its own on CIFAR-10, but on mnist; those that have on CIFAR-10 are standard-at, .*mimae-at/,
    ],
    [
      'original',
      { objective: 'trades', dataset: 'cifar100' },
      /trades has no .* on CIFAR-100, but on mnist, cifar10; those that have on CIFAR-100 are mimae-at$/,
    ],
    [
      'original',
      { dataset: 'shapes32' },
      /mimae-at .* on shapes32, but on mnist, cifar10, cifar100; no objective has on shapes32/,
    ],
  ])('%s %o', (name, options, message) => {
    const call = (): Preset => presetNamed(name as PresetName, options);
    expect(call).toThrow(ArgumentError);
    expect(call).toThrow(message);
  });
});
