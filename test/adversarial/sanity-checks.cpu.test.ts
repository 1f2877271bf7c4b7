import { describe, expect, it } from 'vitest';
import type { AccuracyCurve } from '../../adversarial/accuracy-curve.js';
import type { AttackResult, VersionResult } from '../../adversarial/evaluation-tally.js';
import {
  blackBoxes,
  gradients,
  independence,
  iterations,
  logits,
  losses,
  natural,
  radius,
  repeatability,
  slopes,
  steps,
  type Verdict,
} from '../../adversarial/sanity-checks.js';
import { Comparison } from '../../adversarial/sanity-comparison.js';
import type { Probes } from '../../adversarial/sanity-probes.js';
import { wilson } from '../../adversarial/statistics.js';
import { Dataset } from '../../data/dataset.js';

const SIZE = 200;
const NAMES = ['fgsm', 'pgd-20', 'pgd-100', 'pgd-20x5', 'pgd-20 margin', 'noise', 'square', 'transfer'];

const dataset = new Dataset({
  name: 'numbers',
  images: new Float32Array(SIZE),
  labels: Int32Array.from({ length: SIZE }, (_, i) => i % 10),
  shape: [SIZE, 1],
  classes: 10,
});

/** The first of some numbers from `start` on. */
const from = (start: number, count: number): number[] => Array.from({ length: count }, (_, i) => start + i);

/** A comparison in which each attack fools the examples of these numbers, and `wrong` are so without an attack. */
function comparison(fooled: Readonly<Record<string, readonly number[]>>, wrong: readonly number[] = []): Comparison {
  const version = (examples: readonly number[]): VersionResult => {
    const off = new Set([...wrong, ...examples]);
    const predictions = Int32Array.from(dataset.labels, (label, i) => (off.has(i) ? (label + 1) % 10 : label));
    return { accuracy: wilson(SIZE - off.size, SIZE), predictions, confusion: [], classAccuracies: [] };
  };
  const zeros = new Array<number>(SIZE).fill(0);
  const rest = {
    settings: {},
    attacked: SIZE,
    joint: { distribution: [], mutualInformation: 0, symmetrizedMutualInformation: 0, maximum: 0 },
    perturbation: { linf: zeros, l2: zeros, l1: zeros, l0: zeros },
    worst: [],
  };
  const attacks = NAMES.map((name): [string, AttackResult] => [name, { ...version(fooled[name] ?? []), ...rest }]);
  return new Comparison(dataset, { natural: version([]), attacks: Object.fromEntries(attacks) });
}

/** Probes of a model with nothing wrong, but for what is given. */
function probes(changes: Partial<Probes> = {}): Probes {
  const ones = new Array<number>(SIZE).fill(1);
  return {
    repeated: [0],
    alone: [1e-6],
    range: [-10, 12],
    crossEntropyGradient: ones,
    marginGradient: ones,
    uphill: ones.map(() => ({ said: 2, seen: 2.01 })),
    sideways: ones.map(() => from(0, 4).map(() => ({ said: 0.1, seen: 0.101 }))),
    training: [],
    ...changes,
  };
}

const curve = (accuracies: Readonly<Record<number, number>>): AccuracyCurve => ({
  setting: 'eps',
  points: Object.entries(accuracies)
    .map(([value, count]) => ({ value: Number(value), accuracy: wilson(count, SIZE) }))
    .sort((a, b) => a.value - b.value),
});

describe('iterations', () => {
  it.each<[string, readonly number[], readonly number[], Verdict]>([
    ['PGD fools all that FGSM does, and more', from(0, 20), from(0, 40), 'pass'],
    ['both fool the same', from(0, 20), from(0, 20), 'pass'],
    // A tie of two noisy attacks may fall either way: no reason to doubt anything.
    ['FGSM fools one more, by chance', from(0, 21), from(0, 20), 'pass'],
    ['they fool others', from(0, 20), from(10, 20), 'look'],
    ['FGSM fools six more', from(0, 26), from(0, 20), 'fail'],
    ['PGD fools nothing', from(0, 60), [], 'fail'],
  ])('%s', (_, fgsm, pgd, verdict) => {
    const check = iterations(comparison({ fgsm, 'pgd-20': pgd }));
    expect(check.verdict).toBe(verdict);
    const alone = fgsm.filter((index) => !pgd.includes(index));
    expect(check.examples).toEqual(alone);
    expect(check.numbers).toMatchObject({ fgsm: 1 - fgsm.length / SIZE, fgsmAlone: alone.length });
  });
});

describe('steps', () => {
  it.each([
    ['one or two more by 100 steps', { 'pgd-20': from(0, 9), 'pgd-100': from(0, 11) }, 'pass'],
    ['others by 100 steps, as many in all', { 'pgd-20': from(0, 9), 'pgd-100': from(5, 9) }, 'look'],
    ['twenty more by restarts', { 'pgd-20': from(0, 9), 'pgd-20x5': from(0, 29) }, 'look'],
    ['fewer by more steps', { 'pgd-20': from(0, 9) }, 'pass'],
  ] as const)('%s', (_, fooled, verdict) => {
    expect(steps(comparison(fooled)).verdict).toBe(verdict);
  });
});

describe('losses', () => {
  it.each([
    [2, 'pass'],
    [3, 'look'],
    [20, 'look'],
    [21, 'fail'],
  ] as const)('%i examples by the margin alone', (count, verdict) => {
    const check = losses(comparison({ 'pgd-20 margin': from(0, 50 + count), 'pgd-100': from(0, 50) }));
    expect(check.verdict).toBe(verdict);
    expect(check.numbers['marginAlone']).toBe(count);
  });
});

describe('blackBoxes', () => {
  it.each([
    [0, 'pass'],
    [1, 'look'],
    [4, 'look'],
    [5, 'fail'],
  ] as const)('%i examples by Square alone', (count, verdict) => {
    const fooled = { 'pgd-20': from(0, 50), square: from(40, 10 + count), noise: from(0, 5), transfer: from(0, 9) };
    const [noise, square, transfer] = blackBoxes(comparison(fooled));
    expect([noise?.verdict, transfer?.verdict]).toEqual(['pass', 'pass']);
    expect(square?.verdict).toBe(verdict);
    expect(square?.examples).toEqual(from(50, count));
  });

  it('do not count what is wrong without an attack', () => {
    const wrong = from(0, 30);
    for (const { verdict, examples } of blackBoxes(comparison({ square: wrong, noise: wrong }, wrong))) {
      expect([verdict, examples]).toEqual(['pass', []]);
    }
  });
});

describe('radius', () => {
  const seen = comparison({});
  it.each([
    ['to nothing', { 0: 200, 0.1: 150, 0.2: 60, 0.5: 0, 1: 0 }, 'pass', ''],
    ['to chance', { 0: 200, 0.1: 150, 0.5: 25, 1: 22 }, 'pass', ''],
    ['up by chance', { 0: 198, 0.05: 200, 0.5: 0, 1: 0 }, 'pass', ''],
    ['up', { 0: 200, 0.1: 100, 0.2: 120, 0.5: 0, 1: 0 }, 'look', 'wider ball'],
    ['to nothing, but late', { 0: 200, 0.1: 150, 0.5: 80, 1: 0 }, 'look', 'plain grey'],
    ['not enough', { 0: 200, 0.1: 190, 0.5: 80, 1: 60 }, 'fail', 'may be anything'],
  ] as const)('falls %s', (_, counts, verdict, advice) => {
    const check = radius(curve(counts), seen);
    expect(check.verdict).toBe(verdict);
    if (verdict !== 'pass') expect(check.advice).toContain(advice);
  });

  it('counts the largest class as chance', () => {
    const skewed = new Dataset({
      ...{ name: 'skewed', images: new Float32Array(SIZE), shape: [SIZE, 1], classes: 2 },
      labels: Int32Array.from({ length: SIZE }, (_, i) => (i < 150 ? 0 : 1)),
    });
    const version = { accuracy: wilson(190, SIZE), predictions: skewed.labels, confusion: [], classAccuracies: [] };
    const of = new Comparison(skewed, { natural: version, attacks: {} });
    expect(of.constantAnswer).toBe(0.75);
    expect(radius(curve({ 0: 190, 0.5: 150, 1: 150 }), of).verdict).toBe('pass');
    expect(natural(of).verdict).toBe('pass');
    const constant = { ...version, accuracy: wilson(155, SIZE) };
    expect(natural(new Comparison(skewed, { natural: constant, attacks: {} })).verdict).toBe('fail');
  });
});

describe('gradients', () => {
  const vanishing = (count: number): number[] => Array.from({ length: SIZE }, (_, i) => (i < count ? 0 : 1e-20));
  it.each([
    ['tiny, but not zero', 0, 0, 'pass', ''],
    ['some of the loss', 3, 0, 'look', 'large logits'],
    ['many of the loss', 150, 0, 'fail', 'large logits'],
    ['all', SIZE, SIZE, 'fail', 'rounding'],
  ] as const)('%s', (_, loss, margin, verdict, advice) => {
    const of = probes({ crossEntropyGradient: vanishing(loss), marginGradient: vanishing(margin) });
    const check = gradients(of, comparison({}));
    expect(check.verdict).toBe(verdict);
    if (verdict !== 'pass') expect(check.advice).toContain(advice);
    expect(check.numbers).toEqual({
      images: SIZE,
      withoutCrossEntropyGradient: loss,
      withoutMarginGradient: margin,
    });
  });

  it('are looked at where the image is classified rightly', () => {
    const wrong = from(0, 60);
    expect(gradients(probes({ crossEntropyGradient: vanishing(60) }), comparison({}, wrong)).verdict).toBe('pass');
  });
});

describe('slopes', () => {
  const off = (count: number): Probes['uphill'] =>
    Array.from({ length: SIZE }, (_, i) => ({ said: 2, seen: i < count ? 1 : 2 }));

  it('may be off for some images', () => {
    expect(slopes(probes()).verdict).toBe('pass');
    expect(slopes(probes({ uphill: off(60) })).verdict).toBe('pass');
    expect(slopes(probes({ uphill: off(61) }))).toMatchObject({ verdict: 'look', numbers: { imagesOff: 61 } });
  });

  it('say nothing where there are none', () => {
    const check = slopes(probes({ marginGradient: new Array<number>(SIZE).fill(0) }));
    expect(check).toMatchObject({ verdict: 'look', finding: 'there are no gradients to compare' });
  });
});

describe('outputs', () => {
  it('may differ by rounding', () => {
    expect(repeatability(probes({ repeated: [0, 1e-4] })).verdict).toBe('pass');
    expect(repeatability(probes({ repeated: [0, 0.01] })).verdict).toBe('fail');
    expect(independence(probes({ alone: [1e-4] })).verdict).toBe('pass');
    expect(independence(probes({ alone: [0.01] })).verdict).toBe('fail');
    expect(independence(probes({ alone: [0.01], repeated: [0.01] })).verdict).toBe('look');
  });

  it('are logits', () => {
    expect(logits(probes(), false).verdict).toBe('pass');
    expect(logits(probes({ range: [0, 1] }), true).verdict).toBe('fail');
    expect(logits(probes({ range: [0.01, 0.99] }), false).verdict).toBe('look');
    // An untrained model, whose logits tie.
    expect(logits(probes({ range: [0, 0] }), false).verdict).toBe('pass');
  });
});
