import { ArgumentError } from '../engine/errors.js';
import { checkPgdOptions, type PgdOptions, type PgdStart } from './attacks/pgd.js';
import type { Objective } from './objectives/objective.js';

/** The adversary of training: projected gradient descent, with an eps that may grow during the run. */
export interface TrainingAttack extends Pick<PgdOptions, 'start' | 'loss' | 'clipMin' | 'clipMax'> {
  /** Radius of the Linf ball at its full size, in units of the data: 8 / 255, not 8. */
  readonly eps: number;
  /** Steps of the attack, from 1 up. */
  readonly steps: number;
  /** Length of a step of the attack; unless told a quarter of eps, and of what the ramp has made of eps so far. */
  readonly stepSize?: number;
  /** Part of the run, 0 to 1, over which eps grows linearly to its full size; 0 unless told. */
  readonly rampFraction?: number;
}

/** The attack's settings, with the objective's plan before the run's. */
export interface PlannedAttack {
  readonly start: PgdStart;
  readonly steps: number;
  /** By what eps is at the step. */
  readonly stepSize: (eps: number) => number;
}

/** Whether the run's attack plays a part. */
export function usesAttack({ needs, craft }: Objective): boolean {
  return needs.adversarial && !craft;
}

/** What the attack of a run with this objective comes to. */
export function plannedAttack({ attackPlan: plan = {} }: Objective, attack: TrainingAttack): PlannedAttack {
  const { clipMin = 0, clipMax = 1, start = 'normal', steps, stepSize } = attack;
  const { stepSize: share } = plan;
  return {
    start: plan.start ?? start,
    steps: plan.steps ?? steps,
    stepSize: (eps) => (share === undefined ? (stepSize ?? eps / 4) : Math.min(share * eps, clipMax - clipMin)),
  };
}

/** Throws an `ArgumentError` for an attack outside its domain, or where the objective needs one and there is none. */
export function checkAttack(objective: Objective, attack: TrainingAttack | undefined): void {
  if (!usesAttack(objective)) return;
  if (!attack) {
    throw new ArgumentError(
      `trainer: objective ${objective.name} needs an attack; give one, such as { eps: 0.2, steps: 5 }`,
    );
  }
  const { eps, rampFraction = 0 } = attack;
  const { stepSize, ...planned } = plannedAttack(objective, attack);
  checkPgdOptions('trainer', { ...attack, ...planned, stepSize: eps === 0 ? 1 : stepSize(eps) });
  if (!(rampFraction >= 0 && rampFraction <= 1)) {
    throw new ArgumentError(`trainer: rampFraction is ${rampFraction}; expected a part of the run, 0 to 1`);
  }
}
