import type { Tensor } from '../engine/tensor.js';
import type { ClipOptions } from './attacks/ball.js';
import type { Model } from './model.js';

/**
 * Looks at a batch before a model is attacked on it: images `x` `[m, ...]` (f32) with classes `labels` (i32 `[m]`). What makes every number
 * that follows meaningless is an error; what is doubtful comes back as sentences. One pass of the model, in evaluation mode, and one reading.
 *
 * @throws ArgumentError for images outside the range (0 to 1 unless told) or not finite, or labels that are none of the model's classes;
 * BulwarkError for logits that are not finite; ShapeError or DTypeError for a batch that is none, or logits that are not `[m, C]`
 */
export async function checkInputs(
  model: Model,
  x: Tensor,
  labels: Tensor,
  options: ClipOptions = {},
): Promise<string[]> {
  const { lookAtInputs } = await import('./look-at-inputs.js');
  return lookAtInputs(model, x, labels, options);
}
