import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../engine/errors.js';
import {
  CosineSchedule,
  CyclicSchedule,
  StepSchedule,
  TrapezoidSchedule,
  scheduleOf,
  type Schedule,
  type ScheduleConfig,
} from '../../nn/optim/schedule.js';
import { expectGolden, goldenTolerance, loadGolden } from '../support/golden.js';

/** The rates of a run of so many steps. */
const ratesOf = (schedule: Schedule, steps: number, epoch = 1): number[] =>
  Array.from({ length: steps }, (_, index) => schedule.at({ epoch, step: index + 1, steps }));

/** Expects rates to be the expected ones, to the last bits of float64. */
function expectRates(got: readonly number[], expected: readonly number[]): void {
  expect(got).toHaveLength(expected.length);
  got.forEach((rate, i) => expect(Math.abs(rate - (expected[i] ?? NaN)), `step ${i + 1}`).toBeLessThan(1e-15));
}

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

  it('rises over its warmup, in drops too', () => {
    const schedule = new StepSchedule({ baseLr: 8, drops: [2], gamma: 0.5, warmup: 0.4 });
    expect(ratesOf(schedule, 10)).toEqual([2, 4, 6, 8, 8, 8, 8, 8, 8, 8]);
    expect(ratesOf(schedule, 10, 2)).toEqual([1, 2, 3, 4, 4, 4, 4, 4, 4, 4]);
    expect(() => schedule.at({ epoch: 1 })).toThrow(/a warmup goes by steps; give step and steps/);
    expect(() => schedule.at({ epoch: 1, step: 11, steps: 10 })).toThrow(/step 11 of 10; the run is over/);
  });

  it('refuses what is no epoch and no rate', () => {
    expect(() => new StepSchedule({ baseLr: 1, warmup: 1.5 })).toThrow(
      /StepSchedule: warmup is 1.5; expected a part of the run, 0 to 1/,
    );
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

describe('CosineSchedule', () => {
  it("is PyTorch's CosineAnnealingLR, by its recursion", () => {
    const [baseLr, minLr, steps] = [0.3, 0.02, 9];
    // eta_t+1 = min + (eta_t - min) (1 + cos(pi (t + 1) / T)) / (1 + cos(pi t / T))
    const expected = [baseLr];
    for (let t = 1; t < steps; t++) {
      const ratio = (1 + Math.cos((Math.PI * t) / steps)) / (1 + Math.cos((Math.PI * (t - 1)) / steps));
      expected.push(minLr + ((expected.at(-1) ?? NaN) - minLr) * ratio);
    }
    expectRates(ratesOf(new CosineSchedule({ baseLr, minLr }), steps), expected);
  });

  it('rises over its warmup, and falls over the rest', () => {
    const rates = ratesOf(new CosineSchedule({ baseLr: 1, warmup: 0.4 }), 10);
    const fall = [0, 1, 2, 3, 4, 5].map((k) => Math.cos((Math.PI * k) / 12) ** 2);
    expectRates(rates, [0.25, 0.5, 0.75, 1, ...fall]);
    // A warmup that ends between two steps, one that is the whole run, and a run of one step.
    const between = ratesOf(new CosineSchedule({ baseLr: 1, warmup: 0.25 }), 10);
    expectRates(between.slice(0, 3), [0.4, 0.8, 1]);
    expect(between.slice(2)).toEqual(between.slice(2).toSorted((a, b) => b - a));
    expect(ratesOf(new CosineSchedule({ baseLr: 1, warmup: 1 }), 4)).toEqual([0.25, 0.5, 0.75, 1]);
    expect(ratesOf(new CosineSchedule({ baseLr: 0.5 }), 1)).toEqual([0.5]);
  });

  it('refuses what is no rate, no part of a run and no step of it', () => {
    expect(() => new CosineSchedule({ baseLr: NaN })).toThrow(/CosineSchedule: baseLr is NaN/);
    expect(() => new CosineSchedule({ baseLr: 0.1, minLr: 0.2 })).toThrow(/minLr 0.2 is above baseLr 0.1/);
    expect(() => new CosineSchedule({ baseLr: 1, warmup: -1 })).toThrow(/warmup is -1/);
    expect(() => new CosineSchedule({ baseLr: 1 }).at({ step: 3, steps: 2 })).toThrow(/step 3 of 2; the run is over/);
  });
});

describe('CyclicSchedule', () => {
  it('is one triangle, without a step at the ends', () => {
    expect(ratesOf(new CyclicSchedule({ baseLr: 4 }), 8)).toEqual([1, 2, 3, 4, 4, 3, 2, 1]);
    expectRates(ratesOf(new CyclicSchedule({ baseLr: 3, minLr: 1, peak: 0.2 }), 10), [
      ...[2, 3, 3, 1 + (2 * 7) / 8, 1 + (2 * 6) / 8, 1 + (2 * 5) / 8, 1 + (2 * 4) / 8],
      ...[1 + (2 * 3) / 8, 1 + (2 * 2) / 8, 1 + 2 / 8],
    ]);
  });

  it('may have its peak at an end', () => {
    expect(ratesOf(new CyclicSchedule({ baseLr: 4, peak: 0 }), 4)).toEqual([4, 3, 2, 1]);
    expect(ratesOf(new CyclicSchedule({ baseLr: 4, peak: 1 }), 4)).toEqual([1, 2, 3, 4]);
    expect(ratesOf(new CyclicSchedule({ baseLr: 4 }), 1)).toEqual([4]);
  });

  it('refuses what is no rate, no part of a run and no step of it', () => {
    expect(() => new CyclicSchedule({ baseLr: -1 })).toThrow(/CyclicSchedule: baseLr is -1/);
    expect(() => new CyclicSchedule({ baseLr: 0.1, minLr: 0.2 })).toThrow(/minLr 0.2 is above baseLr 0.1/);
    expect(() => new CyclicSchedule({ baseLr: 1, peak: 1.1 })).toThrow(
      /peak is 1.1; expected a part of the run, 0 to 1/,
    );
    expect(() => new CyclicSchedule({ baseLr: 1 }).at({ step: 0, steps: 2 })).toThrow(/step 0; expected an integer/);
  });
});

describe('a schedule as JSON', () => {
  it.each<[Schedule, ScheduleConfig]>([
    [
      new StepSchedule({ baseLr: 0.1, drops: [3, 5], warmup: 0.3 }),
      { name: 'step', baseLr: 0.1, drops: [3, 5], gamma: 0.1, warmup: 0.3 },
    ],
    [new TrapezoidSchedule({ baseLr: 1, decay: 0.5 }), { name: 'trapezoid', baseLr: 1, warmup: 0, decay: 0.5 }],
    [new CosineSchedule({ baseLr: 2, warmup: 0.2 }), { name: 'cosine', baseLr: 2, minLr: 0, warmup: 0.2 }],
    [new CyclicSchedule({ baseLr: 2, minLr: 1 }), { name: 'cyclic', baseLr: 2, minLr: 1, peak: 0.5 }],
  ])('%o comes back from %o', (schedule, config) => {
    expect(schedule.config).toEqual(config);
    const back = scheduleOf(JSON.parse(JSON.stringify(schedule.config)) as ScheduleConfig);
    expect(back).toBeInstanceOf(schedule.constructor);
    expect(back).toEqual(schedule);
    expect(ratesOf(back, 7, 4)).toEqual(ratesOf(schedule, 7, 4));
  });

  it('takes the defaults for what it does not say', () => {
    expect(scheduleOf({ name: 'step', baseLr: 0.5 })).toEqual(new StepSchedule({ baseLr: 0.5 }));
    expect(scheduleOf({ name: 'cyclic', baseLr: 0.5 })).toEqual(new CyclicSchedule({ baseLr: 0.5 }));
  });

  it.each<[string, RegExp]>([
    ['{ "name": "sine", "baseLr": 1 }', /unknown name 'sine'; there are step, trapezoid, cosine, cyclic/],
    ['{ "name": "constructor", "baseLr": 1 }', /unknown name 'constructor'/],
    ['{ "baseLr": 1 }', /unknown name 'undefined'/],
    ['{ "name": "step", "baseLr": 1, "peak": 0.5 }', /schedule step: unknown option 'peak'; there are baseLr, drops/],
    ['{ "name": "cosine" }', /CosineSchedule: baseLr is undefined; expected a finite number/],
    ['{ "name": "cosine", "baseLr": "1" }', /CosineSchedule: baseLr is 1; expected a finite number/],
    ['{ "name": "step", "baseLr": 1, "drops": 5 }', /drops is no list; expected epochs from 1 up/],
    ['{ "name": "step", "baseLr": 1, "drops": ["5"] }', /drops: epoch 5; expected an integer/],
    ['{ "name": "cyclic", "baseLr": 1, "peak": null }', /CyclicSchedule: peak is null; expected a finite number/],
  ])('refuses %s', (json, message) => {
    const make = () => scheduleOf(JSON.parse(json) as ScheduleConfig);
    expect(make).toThrow(ArgumentError);
    expect(make).toThrow(message);
  });
});
