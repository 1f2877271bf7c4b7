import { describe, expect, it } from 'vitest';
import { NO_CURVES, upTo, withSteps, type Logged } from '../../app/rooms/train/curves.js';

const LOGGED: readonly Logged[] = [
  { step: 1, metrics: { total: 3, naturalAccuracy: 0.25 }, maxima: {} },
  { step: 2, metrics: { total: 2, mi: 1, naturalAccuracy: 0.5, adversarialAccuracy: 0 }, maxima: { mi: 2.3 } },
  { step: 3, metrics: { total: 1, mi: 2, naturalAccuracy: 1, adversarialAccuracy: 0.75 }, maxima: { mi: 2.3 } },
];

const ALL = {
  steps: [1, 2, 3],
  terms: { total: [3, 2, 1], mi: [null, 1, 2] },
  batches: { natural: [25, 50, 100], attacked: [null, 0, 75] },
  measured: [],
  maximum: 2.3,
};

describe('the curves of a run', () => {
  it('grow the same all at once and step by step, and names that come late begin with nothing', () => {
    expect(withSteps(NO_CURVES, LOGGED)).toEqual(ALL);
    expect(LOGGED.reduce((curves, step) => withSteps(curves, [step]), NO_CURVES)).toEqual(ALL);
    expect(withSteps(withSteps(NO_CURVES, LOGGED.slice(0, 1)), LOGGED.slice(1))).toEqual(ALL);
    expect(withSteps(NO_CURVES, [])).toEqual(NO_CURVES);
  });

  it('are taken back to a step with what was measured until then', () => {
    const at = (step: number) => ({ step, images: 1, natural: 1, robust: 0, joint: [], mutualInformation: 0 });
    const curves = { ...withSteps(NO_CURVES, LOGGED), measured: [at(0), at(2), at(3)] };
    expect(upTo(curves, 2)).toEqual({ ...withSteps(NO_CURVES, LOGGED.slice(0, 2)), measured: [at(0), at(2)] });
    expect(upTo(curves, 0).steps).toEqual([]);
  });
});
