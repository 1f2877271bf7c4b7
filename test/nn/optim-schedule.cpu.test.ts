import { describe, expect, it } from 'vitest';
import { StepSchedule } from '../../nn/optim/schedule.js';
import { expectGolden, goldenTolerance, loadGolden } from '../support/golden.js';

describe('StepSchedule', () => {
  const cases = loadGolden('optim').cases.filter(({ op }) => op === 'step_schedule');

  it.each(cases)('gives the reference rates of $id', (golden) => {
    const schedule = new StepSchedule({
      baseLr: golden.number('base_lr'),
      drops: golden.numbers('drops'),
      gamma: golden.number('gamma'),
    });
    const rates = Array.from({ length: golden.number('epochs') }, (_, index) => schedule.at(index + 1));
    expectGolden(rates, golden.output('lr'), goldenTolerance.optim);
  });

  it('drops with the first step of the listed epoch', () => {
    const schedule = new StepSchedule({ baseLr: 1, drops: [3, 2], gamma: 0.5 });
    expect([1, 2, 3, 100].map((epoch) => schedule.at(epoch))).toEqual([1, 0.5, 0.25, 0.25]);
    expect(new StepSchedule({ baseLr: 0.02 }).at(7)).toBe(0.02);
  });

  it('refuses what is no epoch and no rate', () => {
    expect(() => new StepSchedule({ baseLr: 1, drops: [0] })).toThrow(/drops: epoch 0; expected an integer from 1 up/);
    expect(() => new StepSchedule({ baseLr: -1 })).toThrow(/baseLr is -1/);
    expect(() => new StepSchedule({ baseLr: 1 }).at(1.5)).toThrow(/at: epoch 1.5/);
  });
});
