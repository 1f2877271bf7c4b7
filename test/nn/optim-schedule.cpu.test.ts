import { describe, expect, it } from 'vitest';
import { StepSchedule, TrapezoidSchedule } from '../../nn/optim/schedule.js';
import { expectGolden, goldenTolerance, loadGolden } from '../support/golden.js';

describe('StepSchedule', () => {
  const cases = loadGolden('optim').cases.filter(({ op }) => op === 'step_schedule');

  it.each(cases)('gives the reference rates of $id', (golden) => {
    const schedule = new StepSchedule({
      baseLr: golden.number('base_lr'),
      drops: golden.numbers('drops'),
      gamma: golden.number('gamma'),
    });
    const rates = Array.from({ length: golden.number('epochs') }, (_, index) => schedule.at({ epoch: index + 1 }));
    expectGolden(rates, golden.output('lr'), goldenTolerance.optim);
  });

  it('drops with the first step of the listed epoch', () => {
    const schedule = new StepSchedule({ baseLr: 1, drops: [3, 2], gamma: 0.5 });
    expect([1, 2, 3, 100].map((epoch) => schedule.at({ epoch }))).toEqual([1, 0.5, 0.25, 0.25]);
    expect(new StepSchedule({ baseLr: 0.02 }).at({ epoch: 7 })).toBe(0.02);
  });

  it('refuses what is no epoch and no rate', () => {
    expect(() => new StepSchedule({ baseLr: 1, drops: [0] })).toThrow(/drops: epoch 0; expected an integer from 1 up/);
    expect(() => new StepSchedule({ baseLr: -1 })).toThrow(/baseLr is -1/);
    expect(() => new StepSchedule({ baseLr: 1 }).at({ epoch: 1.5 })).toThrow(/at: epoch 1.5/);
  });
});

describe('TrapezoidSchedule', () => {
  it('rises, stays and falls, without a step at rate 0', () => {
    const schedule = new TrapezoidSchedule({ baseLr: 8, warmup: 0.4, decay: 0.2 });
    const rates = Array.from({ length: 10 }, (_, index) => schedule.at({ step: index + 1, steps: 10 }));
    expect(rates).toEqual([2, 4, 6, 8, 8, 8, 8, 8, 8, 4]);
  });

  it('is constant without slopes, and a triangle where they meet', () => {
    const flat = new TrapezoidSchedule({ baseLr: 0.5 });
    expect([1, 5].map((step) => flat.at({ step, steps: 5 }))).toEqual([0.5, 0.5]);
    const triangle = new TrapezoidSchedule({ baseLr: 1, warmup: 0.5, decay: 0.5 });
    expect([1, 2, 3, 4].map((step) => triangle.at({ step, steps: 4 }))).toEqual([0.5, 1, 1, 0.5]);
    expect(triangle.at({ step: 1, steps: 1 })).toBe(1);
  });

  it('refuses what is no rate, no part of a run and no step of it', () => {
    expect(() => new TrapezoidSchedule({ baseLr: -1 })).toThrow(/baseLr is -1; expected a finite number from 0 up/);
    expect(() => new TrapezoidSchedule({ baseLr: 1, warmup: -0.1 })).toThrow(/warmup is -0.1/);
    expect(() => new TrapezoidSchedule({ baseLr: 1, warmup: 0.6, decay: 0.5 })).toThrow(
      /together they are more than 1/,
    );
    const schedule = new TrapezoidSchedule({ baseLr: 1 });
    expect(() => schedule.at({ step: 0, steps: 3 })).toThrow(/at: step 0; expected an integer from 1 up/);
    expect(() => schedule.at({ step: 4, steps: 3 })).toThrow(/step 4 of 3; the run is over/);
  });
});
