import type { Dataset } from '../data/dataset.js';
import { noGrad } from '../engine/autograd.js';
import type { Device } from '../engine/device.js';
import { tensor } from '../engine/ops/create.js';
import { abs, add, div, mul, sub } from '../engine/ops/elementwise.js';
import { concat, reshape, slice } from '../engine/ops/movement.js';
import { max, sum } from '../engine/ops/reduce.js';
import { norm } from '../engine/ops/statistics.js';
import type { Tensor } from '../engine/tensor.js';
import { inputGradient, sampleCrossEntropy, type AttackLoss } from './attacks/input-gradient.js';
import { marginLoss } from './attacks/losses.js';
import { rowsOf } from './attacks/rows.js';
import { inEvalMode, logitsOf, type Model } from './model.js';

/** What was seen of a model around some images, image by image. */
export interface Probes {
  /** The largest difference of a logit between two passes over the same batch. */
  readonly repeated: readonly number[];
  /** The largest difference of a logit between passes over the whole batch and over each image alone; of the first images. */
  readonly alone: readonly number[];
  /** The largest absolute logit. */
  readonly scale: number;
  /** The largest element of the input gradient of the cross-entropy, and of the margin. */
  readonly crossEntropyGradient: readonly number[];
  readonly marginGradient: readonly number[];
  /** The margin's change along its own gradient, over what the gradient says it is; 1 for a function with that gradient, NaN for none. */
  readonly slopeRatio: readonly number[];
}

/** Images that are passed one by one. */
const ALONE = 8;

/** How far images are moved along the gradient, by L2: about a step of an 8-bit pixel for a part of a small image. */
const DISTANCE = 0.01;

/** Looks at a model around a few images; reads back a few times. */
export async function probe(model: Model, dataset: Dataset, device: Device): Promise<Probes> {
  const { images, labels } = dataset.gather(Array.from({ length: dataset.size }, (_, i) => i));
  const x = tensor(images, { device, shape: [dataset.size, ...dataset.exampleShape] });
  const classes = tensor(labels, { device });
  const evaluated = async (work: () => Tensor): Promise<number[]> => {
    const made = device.scope(() => inEvalMode(model, () => noGrad(device, work)));
    try {
      return Array.from(await made.floats());
    } finally {
      made.dispose();
    }
  };
  const logitsAt = (batch: Tensor): Tensor => logitsOf(model, batch);
  const largest = (of: Tensor): Tensor => max(abs(rowsOf(of)), [1]);
  const gradientOf = (loss: AttackLoss): Tensor => inputGradient(model, x, classes, loss);
  try {
    const some = Math.min(ALONE, dataset.size);
    return {
      repeated: await evaluated(() => largest(sub(logitsAt(x), logitsAt(x)))),
      alone: await evaluated(() => {
        const each = Array.from({ length: some }, (_, i) => logitsAt(slice(x, [{ start: i, end: i + 1 }])));
        return largest(sub(concat(each), slice(logitsAt(x), [{ end: some }])));
      }),
      scale: Math.max(...(await evaluated(() => largest(logitsAt(x))))),
      crossEntropyGradient: await evaluated(() => largest(gradientOf(sampleCrossEntropy))),
      marginGradient: await evaluated(() => largest(gradientOf(marginLoss))),
      slopeRatio: await evaluated(() => {
        const gradient = rowsOf(gradientOf(marginLoss));
        const length = norm(gradient, { axes: [1], keepDim: true });
        const way = reshape(mul(div(gradient, add(length, 1e-30)), DISTANCE), x.shape);
        const change = sub(marginLoss(logitsAt(add(x, way)), classes), marginLoss(logitsAt(sub(x, way)), classes));
        return div(change, add(mul(sum(length, [1]), 2 * DISTANCE), 1e-30));
      }),
    };
  } finally {
    x.dispose();
    classes.dispose();
  }
}
