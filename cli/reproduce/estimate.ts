import { pgdAttack } from '../../adversarial/attacks/pgd.js';
import { evaluate } from '../../adversarial/evaluation.js';
import { NATURAL } from '../../adversarial/evaluation-batch.js';
import type { Dataset } from '../../data/dataset.js';
import type { Device } from '../../engine/device.js';
import type { Module } from '../../nn/module.js';
import { buildModel } from '../checkpoint.js';
import { makeTrainer } from '../training.js';
import { COLUMN_GRADIENTS } from './columns.js';
import { hashOf } from './hash.js';
import type { Plan, PlannedColumn, PlannedRun } from './plan.js';
import { asCurrent, type TrainConfig } from './planned-config.js';

/** Images in the first measurement on a software adapter, where a whole batch of a large network takes minutes. */
const FEW_IMAGES = 2;
/** A step that is expected to take less than this is measured with its whole batch, in seconds. */
const SHORT = 10;

/** What a run costs. */
export interface RunCost {
  readonly secondsPerStep: number;
  /** Of an attack, for each image. */
  readonly secondsPerGradient: number;
}

/** A part of a plan that is still to be done. */
export interface PendingWork {
  readonly run: PlannedRun;
  /** False where the network is trained already. */
  readonly train: boolean;
  readonly columns: readonly PlannedColumn[];
}

/** How long a part of a plan will take, in seconds. */
export interface Estimate {
  readonly run: PlannedRun;
  readonly training: number;
  readonly evaluation: number;
}

/** Training steps of a run on so many images. */
export function stepsOf(
  { training: { steps, epochs, batchSize }, dataset: { subset } }: TrainConfig,
  images: number,
): number {
  return steps ?? (epochs ?? 0) * Math.ceil((subset ?? images) / batchSize);
}

/**
 * Measures a few real steps of each distinct kind of run (network, batch, method), and the attack on it, and multiplies. The drift of an
 * adapter that becomes hot, or that others use too, is not in it.
 */
export async function estimate(
  { samples }: Pick<Plan, 'samples'>,
  work: readonly PendingWork[],
  { device, training }: { readonly device: Device; readonly training: Dataset },
): Promise<Estimate[]> {
  const costs = new Map<string, RunCost>();
  const estimates: Estimate[] = [];
  for (const { run, train, columns } of work) {
    const kind = kindOf(run.config);
    const cost = costs.get(kind) ?? (await measure(run.config, device, training));
    costs.set(kind, cost);
    const gradients = columns.reduce((sum, { column }) => sum + COLUMN_GRADIENTS[column], 0);
    estimates.push({
      run,
      training: train ? stepsOf(run.config, training.size) * cost.secondsPerStep : 0,
      evaluation: samples * gradients * cost.secondsPerGradient,
    });
  }
  return estimates;
}

/** What the time of a step depends on; weights of terms, unless they are 0, and seeds change nothing. */
function kindOf({ model, objective, attack, training, augmentation }: TrainConfig): string {
  const options = Object.entries(objective.options).map(([name, value]) => [
    name,
    typeof value === 'number' ? value !== 0 : value,
  ]);
  return hashOf({ model, name: objective.name, options, attack, batchSize: training.batchSize, augmentation });
}

async function measure(config: TrainConfig, device: Device, dataset: Dataset): Promise<RunCost> {
  const whole = Math.min(config.training.batchSize, dataset.size);
  let images = device.caps.software ? Math.min(FEW_IMAGES, whole) : whole;
  let seconds = await timeSteps(config, device, dataset.take(images));
  if (images < whole && (seconds * whole) / images < SHORT) {
    images = whole;
    seconds = await timeSteps(config, device, dataset.take(whole));
  }
  const secondsPerGradient = await timeGradient(config, device, dataset.take(images));
  return { secondsPerStep: (seconds * whole) / images, secondsPerGradient };
}

/** Seconds of a step on all of the dataset at once: the mean of two, after one in which kernels are compiled. */
async function timeSteps(config: TrainConfig, device: Device, dataset: Dataset): Promise<number> {
  const settings = { ...config.training, steps: 3, epochs: null, batchSize: dataset.size };
  return withModel(config, device, async (model) => {
    const trainer = makeTrainer(asCurrent({ ...config, training: settings }), model, dataset);
    try {
      await trainer.run({ until: 1 });
      const started = performance.now();
      await trainer.run();
      return (performance.now() - started) / 2000;
    } finally {
      trainer.dispose();
    }
  });
}

/** Seconds that an attack takes for one gradient of one image: the second of two batches that are the same. */
async function timeGradient(config: TrainConfig, device: Device, dataset: Dataset): Promise<number> {
  const steps = 4;
  const attack = pgdAttack({ eps: config.attack.eps, stepSize: config.attack.eps / steps, steps });
  const twice = dataset.subset(Array.from({ length: 2 * dataset.size }, (_, index) => index % dataset.size));
  const times: number[] = [];
  await withModel(config, device, async (model) => {
    await evaluate(model, twice, {
      attacks: { attack },
      batchSize: dataset.size,
      examples: 0,
      worst: 0,
      onBatch: ({ version }) => {
        if (version !== NATURAL) times.push(performance.now());
      },
    });
  });
  const [before = 0, after = 0] = times;
  return (after - before) / 1000 / (steps * dataset.size);
}

async function withModel<T>(
  { model, seed }: TrainConfig,
  device: Device,
  work: (model: Module) => Promise<T>,
): Promise<T> {
  const built = buildModel(asCurrent({ model, seed } as TrainConfig).model, device, seed);
  try {
    return await work(built);
  } finally {
    built.dispose();
  }
}
