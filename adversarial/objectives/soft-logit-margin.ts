import { ArgumentError, ShapeError } from '../../engine/errors.js';
import { arange, full } from '../../engine/ops/create.js';
import { eq, sub, where } from '../../engine/ops/elementwise.js';
import { gather } from '../../engine/ops/indexing.js';
import { reshape, unsqueeze } from '../../engine/ops/movement.js';
import { logSumExp } from '../../engine/ops/softmax.js';
import { formatShape } from '../../engine/shape.js';
import type { Tensor } from '../../engine/tensor.js';

/** Below every logit: a number, since a GPU need not know infinities. */
const LOWEST = -3.4e38;

/**
 * The soft logit margin ln sum_{k != y} exp(z_k) - z_y of logits `[m, C]` and i32 labels `[m]`, `[m]`, differentiable: Ding et al., "MMA
 * training", ICLR 2020, section 2.3. Below 0 the sample is recognised (a little more strictly than by its largest logit, for C > 2); with
 * two classes it is the difference of the logits.
 *
 * @throws ShapeError for shapes that do not fit, ArgumentError for a single class
 */
export function softLogitMargin(logits: Tensor, labels: Tensor): Tensor {
  const [m = 0, classes = 0] = logits.shape;
  if (logits.rank !== 2 || labels.rank !== 1 || labels.size !== m) {
    throw new ShapeError(
      `softLogitMargin: logits ${formatShape(logits.shape)} with labels ${formatShape(labels.shape)}; expected [m, C] and [m]`,
    );
  }
  if (classes < 2) throw new ArgumentError(`softLogitMargin: the model has ${classes} classes; expected 2 or more`);
  const { device } = logits;
  const column = unsqueeze(labels, -1);
  const own = eq(column, arange(0, classes, { device }));
  const others = logSumExp(where(own, full([], LOWEST, { device }), logits));
  return sub(others, reshape(gather(logits, 1, column), [m]));
}
