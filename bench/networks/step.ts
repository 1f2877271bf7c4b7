import type { Shape } from '../../engine/shape.js';
import type { Layer } from './layers.js';

/** Everything that a training step of the suite starts from, the same for every library. */
export interface TrainingStep {
  readonly kind: StepKind;
  readonly layers: readonly Layer[];
  readonly parameters: ReadonlyMap<string, { readonly shape: Shape; readonly values: Float32Array<ArrayBuffer> }>;
  /** `[n, c, size, size]`, in [0, 1]. */
  readonly images: Float32Array<ArrayBuffer>;
  /** Where the attack starts, as far from the images as the method has it. */
  readonly start: Float32Array<ArrayBuffer>;
  readonly shape: readonly [number, number, number, number];
  readonly labels: Int32Array<ArrayBuffer>;
}

/** Cross-entropy of the images as they are; of images attacked by PGD-10; the whole of MIMAE-AT on PGD-10. */
export type StepKind = 'plain' | 'pgd-10' | 'mimae-at';

/** The attack of the steps, for images in [0, 1]. */
export const ATTACK = { eps: 0.1, stepSize: 0.025, steps: 10 } as const;

/** The objective of the MIMAE-AT step. */
export const MIMAE = { lambda: 0.4, beta: 1 } as const;

/** The optimiser of the steps. */
export const OPTIMIZER = { lr: 0.01, momentum: 0.9 } as const;

/** Number of classes. */
export const CLASSES = 10;
