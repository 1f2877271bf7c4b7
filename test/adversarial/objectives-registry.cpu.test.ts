import { describe, expect, it } from 'vitest';
import {
  MNIST_PAPER,
  MNIST_RECOMMENDED,
  OBJECTIVES,
  PRESET_NAMES,
  maximumMutualInformation,
  mimaeAT,
  objectiveNamed,
  presetNamed,
  type OptionValues,
} from '../../adversarial/index.js';
import { ArgumentError } from '../../engine/errors.js';

describe('objectives by name', () => {
  it('are all there, with their defaults', () => {
    expect(OBJECTIVES.map(({ name }) => name)).toEqual([
      ...['plain', 'standard-at', 'fast-at', 'alp', 'trades', 'mma-fixed', 'mma', 'mart', 'mimae-at'],
    ]);
    for (const { name, defaults, summary } of OBJECTIVES) {
      expect(objectiveNamed(name)).toMatchObject({ name, options: defaults });
      expect(summary).toMatch(/\.$/);
    }
    expect(objectiveNamed('mimae-at').options).toEqual({
      lambda: 0.4,
      beta: 1,
      symmetrize: true,
      pairReduction: 'sum',
      martCompat: false,
      pairing: 'l1',
      classification: 'bce',
    });
  });

  it.each<[string, OptionValues, RegExp]>([
    [
      'mimae',
      {},
      /unknown objective 'mimae' \(did you mean mimae-at\?\); there are plain, standard-at, fast-at, alp, trades, mma-fixed, mma, mart, mimae-at/,
    ],
    ['MIMAE_AT', {}, /did you mean mimae-at\?/],
    ['standart-at', {}, /did you mean standard-at\?/],
    [
      'xyzzy-frobnicate',
      {},
      /unknown objective 'xyzzy-frobnicate'; there are plain, standard-at, fast-at, alp, trades/,
    ],
    ['mimae-at', { lamda: 1 }, /unknown option of mimae-at 'lamda' \(did you mean lambda\?\); there are lambda, beta/],
    ['mma-fixed', { lambda: 1 }, /unknown option of mma-fixed 'lambda'; there are none/],
    ['plain', { smoothing: 0.1 }, /unknown option of plain 'smoothing'.*there are labelSmoothing/],
    ['plain', { labelSmoothing: 1 }, /plain: labelSmoothing is 1; expected a number from 0 up, below 1/],
    ['standard-at', { labelSmoothing: NaN }, /standard-at: labelSmoothing is NaN/],
    ['fast-at', { labelSmoothing: -0.1 }, /fast-at: labelSmoothing is -0.1/],
    ['alp', { labelSmoothing: 1.5 }, /alp: labelSmoothing is 1.5/],
    ['trades', { labelSmoothing: 'some' }, /trades: labelSmoothing is string some; expected a number/],
    ['trades', { labelSmoothing: Infinity }, /trades: labelSmoothing is Infinity/],
    ['mimae-at', { lambda: 'high' }, /mimae-at: lambda is string high; expected a number/],
    ['mimae-at', { symmetrize: 1 }, /symmetrize is number 1; expected a boolean/],
    ['mimae-at', { pairReduction: 'max' }, /pairReduction is 'max'; expected sum or mean/],
    ['mimae-at', { pairing: 'l2' }, /pairing is 'l2'; expected l1 or mse/],
    ['trades', { passes: 'both' }, /passes is 'both'; expected common or original/],
    ['trades', { lambda: -1 }, /trades: lambda is -1; expected a finite number from 0 up/],
    ['mart', { lambda: Infinity }, /mart: lambda is Infinity/],
    ['alp', { pairReduction: 'none' }, /alp: pairReduction is 'none'; expected sum or mean/],
    ['mma-fix', {}, /did you mean mma-fixed\?/],
    ['mimae-at', { beta: -1 }, /beta is -1; expected a finite number from 0 up/],
    ['mimae-at', { lambda: NaN }, /lambda is NaN/],
  ])('%s with %o is refused', (name, options, message) => {
    expect(() => objectiveNamed(name, options)).toThrow(ArgumentError);
    expect(() => objectiveNamed(name, options)).toThrow(message);
  });

  it('do not share their options', () => {
    const objective = mimaeAT();
    Object.assign(objective.options, { beta: 7 });
    expect(mimaeAT().options['beta']).toBe(1);
  });
});

describe('presets', () => {
  it('the recommended one is in order', () => {
    expect(MNIST_RECOMMENDED.warnings).toEqual([]);
    expect(MNIST_RECOMMENDED.objective.options).toMatchObject({ lambda: 0.4, beta: 0.1, pairReduction: 'sum' });
    for (const { warnings } of Object.values(MNIST_RECOMMENDED.attacks)) expect(warnings).toEqual([]);
  });

  it("the paper's says that its adversary cannot reach its ball", () => {
    expect(MNIST_PAPER.warnings.join('\n')).toMatch(/10 steps of 0.01 move 0.1 at most, less than eps 0.3/);
    const { attacks } = MNIST_PAPER;
    expect(attacks['pgd-20']?.warnings).toEqual([expect.stringMatching(/20 steps of 0.005 move 0.1 at most/)]);
    expect(Object.values(attacks).map(({ settings }) => settings)).toEqual([
      { attack: 'fgsm', norm: 'linf', eps: 0.3 },
      { attack: 'pgd', norm: 'linf', eps: 0.3, stepSize: 0.005, steps: 20, start: 'uniform' },
      { attack: 'pgd', norm: 'linf', eps: 0.3, stepSize: 0.005, steps: 40, start: 'uniform' },
    ]);
  });

  it.each(OBJECTIVES.map(({ name }) => name))('there are for %s, with its own options', (name) => {
    for (const preset of PRESET_NAMES) {
      if (preset === 'original' && name === 'plain') {
        expect(() => presetNamed(preset, name)).toThrow(/plain has no settings of its own/);
        continue;
      }
      const found = presetNamed(preset, name);
      expect(found).toMatchObject({ name: preset, objective: { name } });
      expect(found.summary).toMatch(/\.$/);
      const { steps, epochs } = found.training;
      expect([steps, epochs].filter((length) => length === undefined)).toHaveLength(1);
    }
  });

  it("the paper's gives the methods that it compares their weights, and says of others that it has none", () => {
    expect(presetNamed('paper', 'trades').objective.options).toMatchObject({ lambda: 4 });
    expect(presetNamed('paper', 'mart').objective.options).toMatchObject({ lambda: 5 });
    expect(presetNamed('paper', 'trades').training).toBe(MNIST_PAPER.training);
    const warningsOf = (name: string): string => presetNamed('paper', name).warnings.join('\n');
    for (const name of ['standard-at', 'trades', 'mart', 'mimae-at']) {
      expect(warningsOf(name)).toMatch(/10 steps of 0.01 move 0.1 at most, less than eps 0.3/);
      expect(warningsOf(name)).not.toMatch(/no results/);
    }
    expect(warningsOf('alp')).toMatch(/no results of alp on MNIST/);
    // None of them takes the run's steps.
    for (const name of ['plain', 'fast-at', 'mma']) expect(warningsOf(name)).not.toMatch(/10 steps/);
  });

  it('the original ones can reach their balls, and say where they are not the publication', () => {
    for (const { name } of OBJECTIVES.filter((entry) => !['plain', 'mimae-at'].includes(entry.name))) {
      const { warnings, training, attacks } = presetNamed('original', name);
      const { eps, steps, stepSize = 0 } = training.attack;
      expect(steps * stepSize).toBeGreaterThanOrEqual(eps);
      expect(warnings.length > 0, name).toBe(name !== 'trades');
      for (const attack of Object.values(attacks)) expect(attack.warnings).toEqual([]);
    }
    expect(presetNamed('original').objective).toBe(MNIST_PAPER.objective);
    expect(() => presetNamed('original', 'tradse')).toThrow(/did you mean trades\?/);
  });
});

describe('the largest value of a term', () => {
  it('is ln min(C, m) nats for mutual information', () => {
    expect(maximumMutualInformation(10, 128)).toBeCloseTo(2.302585, 6);
    expect(maximumMutualInformation(100, 80)).toBeCloseTo(Math.log(80), 12);
    expect(Object.keys(mimaeAT().maxima ?? {})).toEqual(['mi']);
  });
});
