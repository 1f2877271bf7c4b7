import { compile } from '../engine/compile.js';
import type { Dataset } from '../data/dataset.js';
import { noGrad } from '../engine/autograd.js';
import type { Device } from '../engine/device.js';
import { ArgumentError, BulwarkError, ShapeError } from '../engine/errors.js';
import { tensor } from '../engine/ops/create.js';
import { concat, reshape } from '../engine/ops/movement.js';
import { mutualInformationParts } from '../engine/ops/mutual-information.js';
import { Generator, type Seed } from '../engine/random.js';
import { formatShape } from '../engine/shape.js';
import { tuneAtFirstUse } from '../engine/tune.js';
import type { Tensor } from '../engine/tensor.js';
import { Module } from '../nn/module.js';
import type { Attack, RecordedAttack } from './attacks/attack.js';
import { EvaluationTally, type BatchOutcome, type Evaluation } from './evaluation-tally.js';
import { inEvalMode, logitsOf, type Model } from './model.js';

/** How far an evaluation has come. */
export interface EvaluationProgress {
  /** Examples done. */
  readonly done: number;
  readonly total: number;
  readonly examplesPerSecond: number;
  readonly secondsElapsed: number;
  readonly secondsLeft: number;
}

/** Options of {@link evaluate}. */
export interface EvaluateOptions {
  /** What to attack with, by the names that the results go under; the natural images are evaluated in any case. */
  readonly attacks?: Readonly<Record<string, Attack>>;
  /** 100 unless told. The results hardly depend on it: each example has random numbers of its own. */
  readonly batchSize?: number;
  /** Fixes the attacks' random starts; 0 unless told. */
  readonly seed?: Seed;
  /** How many examples to return with their images, taken evenly from the classes; 10 unless told. */
  readonly examples?: number;
  /** Where the model lives; needed where it is a function. */
  readonly device?: Device | undefined;
  /** Called after each batch. */
  readonly onProgress?: ((progress: EvaluationProgress) => void | Promise<void>) | undefined;
  /** Ends the evaluation between two batches; `evaluate` then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Measures a classifier on a dataset: its accuracy on the natural images, under each attack, and in the worst case over all of
 * them, example by example; with 95 % intervals, the predictions, and the joint distribution of the classes that the natural and
 * the adversarial images are given. The model runs in evaluation mode and gets its modes back. Model and attacks are captured (see
 * `compile`), so neither may look at values.
 *
 * @throws ArgumentError for options outside their domain, ShapeError where the model has fewer logits than the dataset has
 * classes, BulwarkError where logits are NaN or infinite, and the signal's reason
 */
export async function evaluate(model: Model, dataset: Dataset, options: EvaluateOptions = {}): Promise<Evaluation> {
  const { attacks = {}, batchSize = 100, seed = 0, examples = 10, signal } = options;
  checkOptions(dataset, attacks, batchSize, examples);
  const device = options.device ?? (model instanceof Module ? model.device : undefined);
  if (!device) throw new ArgumentError('evaluate: the model is a function; say where it lives by the option device');
  const started = performance.now();
  const tally = new EvaluationTally(dataset, attacks, examples);
  // Every attack starts the same stream, so that adding one changes nothing for the others.
  const sources = Object.values(attacks).map((attack) => {
    if (attack.hosted) throw new ArgumentError('evaluate: takes recorded attacks alone');
    return { attack, generator: new Generator(seed, { purpose: 'start' }) };
  });
  const [measure, measureWithImages] = [false, true].map((withImages) =>
    compile((x: Tensor, classes: Tensor) => measureBatch({ model, dataset, sources, withImages }, x, classes)),
  );
  try {
    for (let start = 0; start < dataset.size; start += batchSize) {
      signal?.throwIfAborted();
      const end = Math.min(start + batchSize, dataset.size);
      const indices = Array.from({ length: end - start }, (_, i) => start + i);
      const withImages = tally.shows(indices);
      const measured = withImages ? measureWithImages : measure;
      await tuneAtFirstUse(device);
      if (measured) tally.add(indices, await evaluateBatch(measured, { device, dataset, indices, withImages }));
      const secondsElapsed = (performance.now() - started) / 1000;
      const examplesPerSecond = end / Math.max(secondsElapsed, 1e-6);
      const secondsLeft = (dataset.size - end) / examplesPerSecond;
      await options.onProgress?.({ done: end, total: dataset.size, examplesPerSecond, secondsElapsed, secondsLeft });
    }
  } finally {
    measure?.dispose();
    measureWithImages?.dispose();
  }
  return tally.result((performance.now() - started) / 1000);
}

/** What is done with every batch. */
interface Measurement {
  readonly model: Model;
  readonly dataset: Dataset;
  readonly sources: readonly { readonly attack: RecordedAttack; readonly generator: Generator }[];
  /** Whether to read the adversarial images back. */
  readonly withImages: boolean;
}

/** Natural and adversarial logits, the joint distributions, and the images if wanted, one after another. */
interface Measured {
  readonly packed: Tensor;
  readonly lengths: readonly number[];
}

function measureBatch({ model, dataset, sources, withImages }: Measurement, x: Tensor, classes: Tensor): Measured {
  const { device } = x;
  const natural = evalLogits(model, x, dataset);
  const parts = [natural];
  for (const { attack, generator } of sources) {
    const adversarial = attack.run(model, x, classes, { generator });
    const logits = evalLogits(model, adversarial, dataset);
    const { joint } = noGrad(device, () => mutualInformationParts(natural, logits, { symmetrize: false }));
    parts.push(logits, joint, ...(withImages ? [adversarial] : []));
  }
  const packed = noGrad(device, () => concat(parts.map((part) => reshape(part, [part.size]))));
  return { packed, lengths: parts.map((part) => part.size) };
}

interface BatchCall {
  readonly device: Device;
  readonly dataset: Dataset;
  readonly indices: readonly number[];
  readonly withImages: boolean;
}

/** A batch measured: one read-back. */
async function evaluateBatch(
  measure: (x: Tensor, classes: Tensor) => Measured,
  { device, dataset, indices, withImages }: BatchCall,
): Promise<BatchOutcome> {
  const { images, labels } = dataset.gather(indices);
  const { packed, lengths } = device.scope(() => {
    const x = tensor(images, { device, shape: [indices.length, ...dataset.exampleShape] });
    return measure(x, tensor(labels, { device }));
  });
  try {
    return unpack(await packed.floats(), lengths, images, withImages);
  } finally {
    packed.dispose();
  }
}

function evalLogits(model: Model, x: Tensor, dataset: Dataset): Tensor {
  const logits = noGrad(x.device, () => inEvalMode(model, () => logitsOf(model, x)));
  const [rows, classes = 0] = logits.shape;
  if (logits.rank !== 2 || rows !== x.shape[0] || classes < dataset.classes) {
    throw new ShapeError(
      `evaluate: the model gives ${formatShape(logits.shape)} for images ${formatShape(x.shape)}; ` +
        `${dataset.name} needs [${x.shape[0]}, ${dataset.classes}]`,
    );
  }
  return logits;
}

function unpack(
  values: Float32Array,
  lengths: readonly number[],
  natural: Float32Array,
  withImages: boolean,
): BatchOutcome {
  let at = 0;
  const parts = lengths.map((length) => values.subarray(at, (at += length)));
  const next = (): Float32Array => parts.shift() ?? new Float32Array();
  const naturalLogits = finite(next());
  const attacks = [];
  while (parts.length > 0) {
    const [logits, joint] = [finite(next()), next()];
    attacks.push({ logits, joint, images: withImages ? next() : undefined });
  }
  return { natural: { logits: naturalLogits, images: natural }, attacks };
}

function finite(logits: Float32Array): Float32Array {
  const broken = logits.findIndex((value) => !Number.isFinite(value));
  if (broken < 0) return logits;
  throw new BulwarkError(`evaluate: the model gives logits that are ${logits[broken]}; its weights are not usable`);
}

function checkOptions(
  dataset: Dataset,
  attacks: Readonly<Record<string, Attack>>,
  batchSize: number,
  examples: number,
): void {
  for (const [name, value, least] of [
    ['batchSize', batchSize, 1],
    ['examples', examples, 0],
  ] as const) {
    if (!Number.isInteger(value) || value < least) {
      throw new ArgumentError(`evaluate: ${name} is ${value}; expected an integer from ${least} up`);
    }
  }
  if ('natural' in attacks) {
    throw new ArgumentError("evaluate: 'natural' names the results without an attack; give the attack another name");
  }
  if (dataset.size === 0) throw new ArgumentError(`evaluate: ${dataset.name} has no examples`);
}
