/** The attacks of the room, by name, each with the path of its loss. */
import { cwLoss, deepfool, ffgsm, fgsm, pgd, rfgsm, sampleCrossEntropy } from '../../../adversarial/index.js';
import type { AttackLoss } from '../../../adversarial/index.js';
import { Generator, type Tensor } from '../../../engine/index.js';
import type { Module } from '../../../nn/index.js';

/** What each attack is called. */
export const ATTACK_TITLES = {
  pgd: 'PGD',
  bim: 'BIM',
  fgsm: 'FGSM',
  rfgsm: 'R-FGSM',
  ffgsm: 'FFGSM',
  cw: 'CW (margin, in the ball)',
  deepfool: 'DeepFool (the nearest boundary)',
} as const;

/** The name of an attack. */
export type AttackName = keyof typeof ATTACK_TITLES;

/** Attacks that go step by step: the others have no number of steps to choose. */
export const STEPPING: ReadonlySet<AttackName> = new Set(['pgd', 'bim', 'cw']);

/** How an attack is set. */
export interface AttackChoice {
  readonly name: AttackName;
  /** Radius of the ball, in units of the data range; DeepFool has none. */
  readonly eps: number;
  readonly steps: number;
}

/** The same start each time: what changes on the page is the choice alone. */
const SEED = 0;

/**
 * Runs an attack on images `[1, ...]` with their classes i32 `[1]`, on a model in evaluation mode. Gives the points on the way to them, from the image itself on. To be called in a scope.
 */
export async function attackPath(
  model: Module,
  x: Tensor,
  labels: Tensor,
  { name, eps, steps }: AttackChoice,
): Promise<readonly Tensor[]> {
  const generator = new Generator(SEED, { purpose: 'start' });
  const iterate = (from: 'none' | 'uniform', loss: AttackLoss): readonly Tensor[] => {
    const options = { eps, stepSize: Math.max(eps / 4, (2.5 * eps) / steps), loss, generator };
    const points = [x];
    // Each step begins where the one before ended: together they are the attack of so many steps.
    for (let step = 0; step < steps; step++) {
      const start = step === 0 ? from : (points.at(-1) ?? from);
      points.push(pgd(model, x, labels, { ...options, steps: 1, start }));
    }
    return points;
  };
  if (eps === 0 && name !== 'deepfool') return [x];
  switch (name) {
    case 'pgd':
      return iterate('uniform', sampleCrossEntropy);
    case 'bim':
      return iterate('none', sampleCrossEntropy);
    case 'cw':
      return iterate('uniform', cwLoss());
    case 'fgsm':
      return [x, fgsm(model, x, labels, { eps })];
    case 'rfgsm':
      return [x, rfgsm(model, x, labels, { eps, generator })];
    case 'ffgsm':
      return [x, ffgsm(model, x, labels, { eps, generator })];
    case 'deepfool': {
      // The variant that stays in the range of the data.
      const { images } = await deepfool(model, x, labels, { variant: 'torchattacks' });
      return [x, images];
    }
    default:
      return name satisfies never;
  }
}
