import { ArgumentError } from '../../engine/errors.js';
import { CosineSchedule, type CosineScheduleOptions } from './cosine-schedule.js';
import { CyclicSchedule, type CyclicScheduleOptions } from './cyclic-schedule.js';
import { StepSchedule, type StepScheduleOptions } from './step-schedule.js';
import { TrapezoidSchedule, type TrapezoidScheduleOptions } from './trapezoid-schedule.js';

export { CosineSchedule, CyclicSchedule, StepSchedule, TrapezoidSchedule };
export type { CosineScheduleOptions, CyclicScheduleOptions, StepScheduleOptions, TrapezoidScheduleOptions };

/** Where a run stands as it takes a step. */
export interface SchedulePlace {
  /** From 1. */
  readonly epoch: number;
  /** The step about to be taken, from 1. */
  readonly step: number;
  /** Steps of the whole run. */
  readonly steps: number;
}

/** A learning rate that changes during a run. */
export interface Schedule {
  /** Its plain form, which {@link scheduleOf} takes back; schedules of one's own have none. */
  readonly config?: ScheduleConfig;
  /** The rate of a step. */
  at(place: SchedulePlace): number;
}

/** A schedule as plain JSON: its name and its options. */
export type ScheduleConfig =
  | ({ readonly name: 'step' } & StepScheduleOptions)
  | ({ readonly name: 'trapezoid' } & TrapezoidScheduleOptions)
  | ({ readonly name: 'cosine' } & CosineScheduleOptions)
  | ({ readonly name: 'cyclic' } & CyclicScheduleOptions);

/** The options of each schedule by its name. */
const OPTIONS: Readonly<Record<ScheduleConfig['name'], readonly string[]>> = {
  step: ['baseLr', 'drops', 'gamma', 'warmup'],
  trapezoid: ['baseLr', 'warmup', 'decay'],
  cosine: ['baseLr', 'minLr', 'warmup'],
  cyclic: ['baseLr', 'minLr', 'peak'],
};

/**
 * The schedule of a plain configuration, such as a file holds.
 *
 * @throws ArgumentError for an unknown name or option, which lists what there is, and for values that the schedule refuses
 */
export function scheduleOf(config: ScheduleConfig): Schedule {
  const { name } = config;
  const known = new Map<string, readonly string[]>(Object.entries(OPTIONS)).get(name);
  if (!known) {
    throw new ArgumentError(`schedule: unknown name '${name}'; there are ${Object.keys(OPTIONS).join(', ')}`);
  }
  const unknown = Object.keys(config).find((option) => option !== 'name' && !known.includes(option));
  if (unknown !== undefined) {
    throw new ArgumentError(`schedule ${name}: unknown option '${unknown}'; there are ${known.join(', ')}`);
  }
  switch (name) {
    case 'step':
      return new StepSchedule(config);
    case 'trapezoid':
      return new TrapezoidSchedule(config);
    case 'cosine':
      return new CosineSchedule(config);
    case 'cyclic':
      return new CyclicSchedule(config);
    default:
      return name satisfies never;
  }
}
