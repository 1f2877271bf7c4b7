import type { Dataset } from '../data/dataset.js';
import type { Device } from '../engine/device.js';
import { ArgumentError } from '../engine/errors.js';
import { Generator, type Seed } from '../engine/random.js';
import { Module } from '../nn/module.js';
import { accuracyCurve } from './accuracy-curve.js';
import type { Attack } from './attacks/attack.js';
import { checkBall, partOf } from './attacks/ball.js';
import { fgsmAttack } from './attacks/fgsm.js';
import { dlrLoss, marginLoss } from './attacks/losses.js';
import { noiseAttack } from './attacks/noise.js';
import { pgdAttack } from './attacks/pgd.js';
import { squareAttack } from './attacks/square.js';
import { transferAttack } from './attacks/transfer.js';
import { evaluate, type EvaluationProgress } from './evaluation.js';
import { BatchMeasurement, NATURAL } from './evaluation-batch.js';
import type { WorstExample } from './evaluation-tally.js';
import type { Model } from './model.js';
import {
  BLACK_BOX,
  WHITE_BOX,
  blackBoxes,
  gradients,
  independence,
  iterations,
  logits,
  losses,
  modes,
  natural,
  radius,
  repeatability,
  slopes,
  steps,
} from './sanity-checks.js';
import { Comparison } from './sanity-comparison.js';
import { probe } from './sanity-probes.js';
import type { SanityOptions, SanityReport } from './sanity.js';

/** Overlooked examples that are returned with their images, for each attack. */
const SHOWN = 10;

/** Steps of PGD besides those that the checks need, for the curve. */
const FEWER_STEPS = [5, 10];

/** The work of `sanity`, which loads it when it is called. */
export async function sanityReport(model: Model, dataset: Dataset, options: SanityOptions): Promise<SanityReport> {
  const { eps, substitute, queries = 500, batchSize = 100, seed = 0, signal, onProgress } = options;
  checkBall('sanity', eps, {});
  if (!(eps > 0)) throw new ArgumentError(`sanity: eps is ${eps}; expected a number above 0`);
  if (dataset.classes < 2) throw new ArgumentError(`sanity: ${dataset.name} has ${dataset.classes} classes; needs 2`);
  if (dataset.size === 0) throw new ArgumentError(`sanity: ${dataset.name} has no examples`);
  const device = options.device ?? (model instanceof Module ? model.device : undefined);
  if (!device) throw new ArgumentError('sanity: the model is a function; say where it lives by the option device');
  const probes = await probe(model, dataset.take(Math.min(batchSize, dataset.size)), device, seed);
  const attacks = attacksFor(dataset, eps, queries, substitute);
  const values = [...new Set([0, eps / 2, eps, Math.min(1, 2 * eps), 0.5, 1])].sort((a, b) => a - b);
  const progress = new Progress(onProgress);
  const call = { device, batchSize, seed, signal };
  // Each evaluation begins with the natural images, which are those of eps 0 too.
  const sizes = [attacks, values.slice(1), FEWER_STEPS].map((of) => (1 + Object.keys(of).length) * dataset.size);
  const [first, second, third] = sizes.map((_, number) => progress.part(sizes, number));
  let probabilities = true;
  const evaluation = await evaluate(model, dataset, {
    ...call,
    attacks,
    examples: 0,
    onBatch: (batch) => {
      if (batch.version === NATURAL) probabilities &&= batch.probabilities ?? false;
    },
    onProgress: first,
  });
  const along = { ...call, onProgress: second };
  const curve = await accuracyCurve(model, dataset, { ...along, setting: 'eps', values, attackAt: (at) => pgd20(at) });
  const fewer = await accuracyCurve(model, dataset, {
    ...{ ...call, onProgress: third, setting: 'steps', values: FEWER_STEPS },
    attackAt: (at) => pgdAttack({ eps, stepSize: partOf(eps, Math.min(1, 2 / at)), steps: at }),
  });
  const seen = new Comparison(dataset, evaluation);
  const stepsCurve = {
    ...fewer,
    points: [
      ...fewer.points,
      { value: 20, accuracy: seen.accuracy('pgd-20') },
      { value: 100, accuracy: seen.accuracy('pgd-100') },
    ],
  };
  const checks = [
    natural(seen),
    modes(probes),
    repeatability(probes),
    independence(probes),
    logits(probes, probabilities),
    gradients(probes, seen),
    slopes(probes),
    iterations(seen),
    steps(seen),
    losses(seen),
    radius(curve, seen),
    ...blackBoxes(seen),
  ];
  const verdict = (['fail', 'look', 'pass'] as const).find((each) => checks.some((check) => check.verdict === each));
  const overlooked: Record<string, readonly WorstExample[]> = {};
  for (const name of Object.keys(BLACK_BOX).filter((each) => seen.has(each))) {
    const attack = attacks[name];
    const indices = seen.only([name], WHITE_BOX).slice(0, SHOWN);
    if (attack && indices.length > 0) {
      overlooked[name] = await fooled(indices, { model, dataset, device, attack, version: name, seed, signal });
    }
  }
  return { verdict: verdict ?? 'pass', checks, evaluation, curve, stepsCurve, overlooked };
}

/** The images that an attack makes of some examples: those of the evaluation, since random numbers go by the examples' own. */
async function fooled(
  indices: readonly number[],
  { seed, signal, ...call }: FooledCall,
): Promise<readonly WorstExample[]> {
  const generator = new Generator(seed, { purpose: 'start' });
  const measurement = new BatchMeasurement({ ...call, generator, showing: () => indices });
  try {
    const { predictions, margins, images = {} } = await measurement.run(indices, signal);
    return indices.flatMap((index, row) => {
      const label = call.dataset.labels[index] ?? 0;
      const prediction = predictions[row] ?? label;
      // A model that draws random numbers may be right this time.
      if (prediction === label) return [];
      const natural = call.dataset.gather([index]).images;
      const adversarial = Float32Array.from(images[index] ?? []);
      return [{ index, label, prediction, margin: margins[row] ?? 0, natural, adversarial }];
    });
  } finally {
    measurement.dispose();
  }
}

/** What it takes to attack some examples once more. */
interface FooledCall {
  readonly model: Model;
  readonly dataset: Dataset;
  readonly device: Device;
  readonly attack: Attack;
  readonly version: string;
  readonly seed: Seed;
  readonly signal: AbortSignal | undefined;
}

/** Evaluations one after another as one. */
class Progress {
  readonly #onProgress: SanityOptions['onProgress'];
  readonly #started = performance.now();

  constructor(onProgress: SanityOptions['onProgress']) {
    this.#onProgress = onProgress;
  }

  /** Takes the progress of one of several evaluations of these numbers of images. */
  part(sizes: readonly number[], number: number): (progress: EvaluationProgress) => Promise<void> {
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const before = sizes.slice(0, number).reduce((sum, size) => sum + size, 0);
    return async ({ version, done: here }) => {
      const done = before + here;
      const secondsElapsed = (performance.now() - this.#started) / 1000;
      const examplesPerSecond = done / Math.max(secondsElapsed, 1e-6);
      const secondsLeft = (total - done) / examplesPerSecond;
      await this.#onProgress?.({ version, done, total, examplesPerSecond, secondsElapsed, secondsLeft });
    };
  }
}

function pgd20(eps: number): Attack {
  return pgdAttack({ eps, stepSize: partOf(eps, 1 / 10), steps: 20 });
}

function attacksFor(
  dataset: Dataset,
  eps: number,
  queries: number,
  substitute: Model | undefined,
): Record<string, Attack> {
  const loss = dataset.classes > 2 ? dlrLoss : marginLoss;
  const images = dataset.exampleShape.length === 3;
  const whiteBox: Record<(typeof WHITE_BOX)[number], Attack> = {
    fgsm: fgsmAttack({ eps }),
    'pgd-20': pgd20(eps),
    'pgd-100': pgdAttack({ eps, stepSize: eps / 20, steps: 100 }),
    'pgd-20x5': pgdAttack({ eps, stepSize: eps / 10, steps: 20, restarts: 5 }),
    'pgd-20 margin': pgdAttack({ eps, stepSize: eps / 10, steps: 20, loss }),
  };
  return {
    ...whiteBox,
    noise: noiseAttack({ eps, repeats: 20 }),
    // It looks for squares.
    ...(images && { square: squareAttack({ eps, queries }) }),
    ...(substitute && { transfer: transferAttack(substitute, pgd20(eps)) }),
  };
}
