import { noGrad } from '../../engine/autograd.js';
import { ArgumentError } from '../../engine/errors.js';
import { logicalAnd, where } from '../../engine/ops/elementwise.js';
import { keep, type Tensor } from '../../engine/tensor.js';
import { checkCount } from '../check-count.js';
import { inEvalMode, logitsOf, type Model } from '../model.js';
import { Climb, checkOptions, type ApgdOptions, type ApgdResult, type ClimbSettings } from './apgd-climb.js';
import type { AttackRandom, HostedAttack, HostedRun } from './attack.js';
import { release } from './carried.js';
import { checkBatch } from './input-gradient.js';
import { targetedDlrLoss } from './losses.js';
import { rankedOthers } from './ranked-others.js';
import { perImage } from './rows.js';

/**
 * Auto-PGD (Croce and Hein 2020, algorithm 1; see apgd-climb.ts): adversarial versions of images `x` `[m, ...]` (f32, in the range of the
 * data) with classes `labels` (i32 `[m]`). Only records work, and captures its iteration by itself. The model runs in evaluation mode and
 * gets its modes back; parameters, gradients and running statistics stay as they are.
 *
 * @throws ArgumentError for options outside their domain, or a loss 'dlr' and fewer than 3 classes; ShapeError or DTypeError for a batch
 * that is none
 */
export function apgd(model: Model, x: Tensor, labels: Tensor, options: ApgdOptions): ApgdResult {
  const settings = checkOptions('apgd', options);
  checkBatch('apgd', x, labels);
  const climb = new Climb(model, x, labels, settings, options);
  try {
    while (climb.advance());
    return climb.result();
  } finally {
    climb.dispose();
  }
}

/** {@link apgd} with settings, which are checked at once; throws as it does. */
export function apgdAttack(options: Omit<ApgdOptions, keyof AttackRandom>): HostedAttack {
  const { norm, eps, steps } = checkOptions('apgd', options);
  const { loss = 'ce' } = options;
  const attack = typeof loss === 'string' ? `apgd-${loss}` : 'apgd';
  return {
    hosted: true,
    settings: { attack, norm, eps, steps },
    warnings: [],
    run: async (model, x, labels, run) => {
      checkBatch('apgd', x, labels);
      return imagesOf(
        await climbed(new Climb(model, x, labels, checkOptions('apgd', options), { ...options, ...run }), run),
      );
    },
  };
}

/** Options of {@link apgdTargeted}. */
export interface ApgdTargetedOptions extends Omit<ApgdOptions, 'loss' | 'start'> {
  /** How many classes to aim at, those with the largest logits but for the true one; 9 unless told, and at most C - 1. */
  readonly targets?: number;
}

/** What {@link apgdTargeted} gives: the members of {@link ApgdResult} that classes have in common. */
export type ApgdTargetedResult = Pick<ApgdResult, 'images' | 'robust'>;

/**
 * APGD-T: {@link apgd} that raises the targeted difference of logits ratio, once for each of several classes: those that rank second and
 * after by the logits of the images themselves. What was found for an earlier class stays; where nothing is found, the images are those of
 * highest loss of the last class.
 *
 * @throws as apgd does, and ArgumentError for fewer than 4 classes
 */
export function apgdTargeted(
  model: Model,
  x: Tensor,
  labels: Tensor,
  options: ApgdTargetedOptions,
): ApgdTargetedResult {
  const { targets = 9, ...rest } = options;
  const settings = checkOptions('apgdTargeted', options);
  checkCount('apgdTargeted', 'targets', targets);
  checkBatch('apgdTargeted', x, labels);
  return x.device.scope(() => {
    const [first, ...others] = targetsOf(model, x, targets);
    const aim = (target: Tensor | undefined): ApgdTargetedResult => {
      const climb = aimed(model, x, labels, target, settings, rest);
      try {
        while (climb.advance());
        return climb.result();
      } finally {
        climb.dispose();
      }
    };
    const { images, robust } = others.reduce((found, target) => merged(found, aim(target)), aim(first));
    return { images, robust };
  });
}

/** {@link apgdTargeted} with settings, which are checked at once; throws as it does. */
export function apgdTargetedAttack(options: Omit<ApgdTargetedOptions, keyof AttackRandom>): HostedAttack {
  const { norm, eps, steps } = checkOptions('apgdTargeted', options);
  const { targets = 9 } = options;
  checkCount('apgdTargeted', 'targets', targets);
  return {
    hosted: true,
    settings: { attack: 'apgd-t', norm, eps, steps, targets },
    warnings: [],
    run: async (model, x, labels, run) => {
      checkBatch('apgdTargeted', x, labels);
      const [first, ...others] = targetsOf(model, x, targets).map(keep);
      const settings = checkOptions('apgdTargeted', options);
      const aim = (target: Tensor | undefined): Promise<ApgdResult> =>
        climbed(aimed(model, x, labels, target, settings, { ...options, ...run }), run);
      try {
        let found: ApgdTargetedResult = await aim(first);
        for (const target of others) {
          const [before, next] = [found, await aim(target)];
          found = merged(before, next);
          for (const each of [before, next]) release(each);
        }
        return imagesOf(found);
      } finally {
        for (const target of [first, ...others]) target?.dispose();
      }
    },
  };
}

/** The ascent towards one class. */
function aimed(
  model: Model,
  x: Tensor,
  labels: Tensor,
  target: Tensor | undefined,
  settings: ClimbSettings,
  random: Partial<AttackRandom>,
): Climb {
  if (!target) throw new ArgumentError('apgdTargeted: the model has a single class; needs at least 4');
  return new Climb(model, x, labels, { ...settings, loss: targetedDlrLoss(target) }, random);
}

/** The classes to aim at, by what the model says of the images. */
function targetsOf(model: Model, x: Tensor, count: number): Tensor[] {
  const { device } = x;
  const logits = (): Tensor => inEvalMode(model, () => logitsOf(model, x));
  return device.scope(() => noGrad(device, () => rankedOthers(logits(), count)));
}

function merged(before: ApgdTargetedResult, next: ApgdTargetedResult): ApgdTargetedResult {
  const { device, shape } = before.images;
  return device.scope(() =>
    noGrad(device, () => ({
      images: where(perImage(before.robust, shape), next.images, before.images),
      robust: logicalAnd(before.robust, next.robust),
    })),
  );
}

/** Iterations between two waits for the GPU. */
const ITERATIONS_AHEAD = 10;

/** Climbs to the end, but for an abort, without running far ahead of the GPU. */
async function climbed(climb: Climb, { signal }: HostedRun): Promise<ApgdResult> {
  try {
    for (let done = 1; climb.advance(); done++) {
      if (done % ITERATIONS_AHEAD !== 0) continue;
      await climb.device.sync();
      signal?.throwIfAborted();
    }
    return climb.result();
  } finally {
    climb.dispose();
  }
}

/** The images alone. */
function imagesOf({ images, ...others }: ApgdTargetedResult): Tensor {
  release(others);
  return images;
}
