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
import type { TrainConfig } from '../config.js';

/** Images in the first measurement on a software adapter, where a whole batch of a large network takes minutes. */
const FEW_IMAGES = 2;
/** A step that is expected to take less than this is measured with its whole batch, in seconds. */
const SHORT = 10;

/** A part of a plan that is still to be done. */
export interface PendingWork {
  readonly run: PlannedRun;
  /** Training steps that are still to be done; undefined where the network is trained already. */
  readonly steps: number | undefined;
  readonly columns: readonly PlannedColumn[];
}

/** How long a part of a plan will take, in seconds. */
export interface Estimate {
  readonly run: PlannedRun;
  readonly training: number;
  readonly evaluation: number;
}

/**
 * Measures a few real steps of each distinct kind of run (network, batch, method), and an attack on each network that is attacked, and
 * multiplies. That an adapter becomes hot, or is shared with others, is not in it.
 */
export async function estimate(
  { samples, substitute }: Pick<Plan, 'samples' | 'substitute'>,
  work: readonly PendingWork[],
  { device, training }: { readonly device: Device; readonly training: Dataset },
): Promise<Estimate[]> {
  const times = new Map<string, Promise<StepTime>>();
  const gradients = new Map<string, Promise<number>>();
  const estimates: Estimate[] = [];
  for (const { run, steps = 0, columns } of work) {
    const { config } = run;
    const { seconds, images } = await remembered(times, kindOf(config), () => timeStep(config, device, training));
    let perImage = 0;
    for (const { column, attack } of columns) {
      const { config: attacked } = (attack && substitute) ?? run;
      const gradient = await remembered(gradients, hashOf(attacked.model), () =>
        timeGradient(attacked, device, training.take(images)),
      );
      perImage += COLUMN_GRADIENTS[column] * gradient;
    }
    estimates.push({ run, training: steps * seconds, evaluation: samples * perImage });
  }
  return estimates;
}

async function remembered<T>(known: Map<string, Promise<T>>, key: string, measure: () => Promise<T>): Promise<T> {
  const found = known.get(key) ?? measure();
  known.set(key, found);
  return found;
}

/** What the time of a step depends on; weights of terms, unless they are 0, and seeds change nothing. */
function kindOf({ model, objective, attack, training, augmentation }: TrainConfig): string {
  const options = Object.entries(objective.options).map(([name, value]) => [
    name,
    typeof value === 'number' ? value !== 0 : value,
  ]);
  return hashOf({ model, name: objective.name, options, attack, batchSize: training.batchSize, augmentation });
}

/** How long a whole step takes, and on how many images that was measured. */
interface StepTime {
  readonly seconds: number;
  readonly images: number;
}

async function timeStep(config: TrainConfig, device: Device, dataset: Dataset): Promise<StepTime> {
  const whole = Math.min(config.training.batchSize, dataset.size);
  const few = device.caps.software ? Math.min(FEW_IMAGES, whole) : whole;
  const first = await timeSteps(config, device, dataset.take(few));
  const guess = (first * whole) / few;
  if (few === whole || guess >= SHORT) return { seconds: guess, images: few };
  return { seconds: await timeSteps(config, device, dataset.take(whole)), images: whole };
}

/** Seconds of a step on all of the dataset at once: the faster of two, after one in which kernels are compiled. */
async function timeSteps(config: TrainConfig, device: Device, dataset: Dataset): Promise<number> {
  const settings = { ...config.training, steps: 3, epochs: null, batchSize: dataset.size };
  return withModel(config, device, async (model) => {
    const trainer = makeTrainer(model, { config: { ...config, training: settings }, dataset });
    try {
      await trainer.run({ until: 1 });
      const times: number[] = [];
      for (const until of [2, 3]) {
        const started = performance.now();
        await trainer.run({ until });
        times.push((performance.now() - started) / 1000);
      }
      return Math.min(...times);
    } finally {
      trainer.dispose();
    }
  });
}

/** Seconds that an attack takes for one gradient of one image: the faster of two batches, after one in which kernels are compiled. */
async function timeGradient(config: TrainConfig, device: Device, dataset: Dataset): Promise<number> {
  const steps = 4;
  const attack = pgdAttack({ eps: config.attack.eps, stepSize: config.attack.eps / steps, steps });
  const thrice = dataset.subset(Array.from({ length: 3 * dataset.size }, (_, index) => index % dataset.size));
  const times: number[] = [];
  await withModel(config, device, async (model) => {
    await evaluate(model, thrice, {
      attacks: { attack },
      batchSize: dataset.size,
      examples: 0,
      worst: 0,
      onBatch: ({ version }) => {
        if (version !== NATURAL) times.push(performance.now());
      },
    });
  });
  const [first = 0, second = 0, third = 0] = times;
  return Math.min(second - first, third - second) / 1000 / (steps * dataset.size);
}

async function withModel<T>(config: TrainConfig, device: Device, work: (model: Module) => Promise<T>): Promise<T> {
  const model = buildModel(config.model, device, config.seed);
  try {
    return await work(model);
  } finally {
    model.dispose();
  }
}
