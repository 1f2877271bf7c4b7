import { describe, expect, it } from 'vitest';
import {
  OBJECTIVES,
  maximumMutualInformation,
  mimaeAT,
  objectiveNamed,
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

describe('the largest value of a term', () => {
  it('is ln min(C, m) nats for mutual information', () => {
    expect(maximumMutualInformation(10, 128)).toBeCloseTo(2.302585, 6);
    expect(maximumMutualInformation(100, 80)).toBeCloseTo(Math.log(80), 12);
    expect(Object.keys(mimaeAT().maxima ?? {})).toEqual(['mi']);
  });
});
