import type { Dataset } from '../data/dataset.js';
import { noGrad } from '../engine/autograd.js';
import type { Device } from '../engine/device.js';
import { arange, tensor } from '../engine/ops/create.js';
import { abs, add, div, mul, sub } from '../engine/ops/elementwise.js';
import { concat, reshape, slice } from '../engine/ops/movement.js';
import { randn } from '../engine/ops/random.js';
import { max, sum } from '../engine/ops/reduce.js';
import { norm } from '../engine/ops/statistics.js';
import { Generator, type Seed } from '../engine/random.js';
import type { Tensor } from '../engine/tensor.js';
import { BatchNorm2d } from '../nn/layers/batch-norm.js';
import { Dropout } from '../nn/layers/dropout.js';
import { Module } from '../nn/module.js';
import { inputGradient, sampleCrossEntropy, type AttackLoss } from './attacks/input-gradient.js';
import { marginLoss } from './attacks/losses.js';
import { perSample, rowsOf } from './attacks/rows.js';
import { inEvalMode, logitsOf, type Model } from './model.js';

/** What was seen of a model around some images; lists have an entry for each image. */
export interface Probes {
  /** The largest difference of a logit between two passes over the same batch. */
  readonly repeated: readonly number[];
  /** The largest difference of a logit between passes over the whole batch and over each image alone; of the first images. */
  readonly alone: readonly number[];
  /** The smallest and the largest logit. */
  readonly range: readonly [least: number, most: number];
  /** The largest element of the input gradient of the cross-entropy, and of the margin. */
  readonly crossEntropyGradient: readonly number[];
  readonly marginGradient: readonly number[];
  /** How the margin changes where the image moves along the margin's gradient. */
  readonly uphill: readonly Slope[];
  /** The same in some random directions. */
  readonly sideways: readonly (readonly Slope[])[];
  /** Layers that are in training mode and behave differently in it, by name: those of the model as it was given. */
  readonly training: readonly string[];
}

/** How fast the margin changes in a direction, in logits for each unit of L2. */
export interface Slope {
  /** By its gradient. */
  readonly said: number;
  /** By the difference of its values on both sides. */
  readonly seen: number;
}

/** Images that are passed one by one. */
const ALONE = 8;

/** Random directions: their slopes are small in turn, but hardly all of four. */
const DIRECTIONS = 4;

/**
 * How far images are moved to either side. Along the gradient by L2: about a step of an 8-bit pixel for a part of a small image. In random
 * directions by the root mean square of an element, so that the change stands as far above rounding in large images as in small ones.
 */
const UPHILL_LENGTH = 0.01;
const SIDEWAYS_ELEMENT = 1e-3;

/** Looks at a model around a few images; reads back a few times. */
export async function probe(model: Model, dataset: Dataset, device: Device, seed: Seed): Promise<Probes> {
  const { images, labels } = dataset.gather(Array.from({ length: dataset.size }, (_, i) => i));
  const x = tensor(images, { device, shape: [dataset.size, ...dataset.exampleShape] });
  const classes = tensor(labels, { device });
  const random = { generator: new Generator(seed), samples: arange(0, dataset.size, { device, dtype: 'i32' }) };
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
  const marginAt = (way: Tensor, side: 1 | -1): Tensor =>
    marginLoss(logitsAt(add(x, reshape(mul(way, side), x.shape))), classes);
  const slope = (gradient: Tensor, direction: Tensor, length: number): Tensor => {
    const unit = div(direction, add(norm(direction, { axes: [1], keepDim: true }), 1e-30));
    const way = mul(unit, length);
    return concat([sum(mul(gradient, unit), [1]), div(sub(marginAt(way, 1), marginAt(way, -1)), 2 * length)]);
  };
  try {
    const some = Math.min(ALONE, dataset.size);
    const logits = await evaluated(() => logitsAt(x));
    const slopes = slopesOf(
      dataset.size,
      await evaluated(() => {
        const gradient = rowsOf(gradientOf(marginLoss));
        const far = SIDEWAYS_ELEMENT * Math.sqrt(dataset.exampleSize);
        const others = Array.from({ length: DIRECTIONS }, () =>
          slope(gradient, perSample(x, gradient.shape, random, randn), far),
        );
        return concat([slope(gradient, gradient, UPHILL_LENGTH), ...others]);
      }),
    );
    return {
      repeated: await evaluated(() => largest(sub(logitsAt(x), logitsAt(x)))),
      alone: await evaluated(() => {
        const each = Array.from({ length: some }, (_, i) => logitsAt(slice(x, [{ start: i, end: i + 1 }])));
        return largest(sub(concat(each), slice(logitsAt(x), [{ end: some }])));
      }),
      range: [
        logits.reduce((least, value) => Math.min(least, value), Infinity),
        logits.reduce((most, value) => Math.max(most, value), -Infinity),
      ],
      crossEntropyGradient: await evaluated(() => largest(gradientOf(sampleCrossEntropy))),
      marginGradient: await evaluated(() => largest(gradientOf(marginLoss))),
      uphill: slopes.map(([first]) => first ?? { said: 0, seen: 0 }),
      sideways: slopes.map(([, ...others]) => others),
      training: trainingLayers(model),
    };
  } finally {
    x.dispose();
    classes.dispose();
    random.samples.dispose();
  }
}

/** For each image its slopes, from all that was said of all images, then all that was seen, direction by direction. */
function slopesOf(m: number, values: readonly number[]): Slope[][] {
  return Array.from({ length: m }, (_, image) =>
    Array.from({ length: values.length / (2 * m) }, (_direction, number) => ({
      said: values[2 * m * number + image] ?? 0,
      seen: values[2 * m * number + m + image] ?? 0,
    })),
  );
}

function trainingLayers(model: Model): string[] {
  if (!(model instanceof Module)) return [];
  return [...model.namedModules()]
    .filter(
      ([, layer]) => layer.training && (layer instanceof BatchNorm2d || (layer instanceof Dropout && layer.p > 0)),
    )
    .map(([name, layer]) => name || layer.constructor.name);
}
