import { readFile } from 'node:fs/promises';
import { objectiveNamed } from '../adversarial/objectives/registry.js';
import { DivergenceError } from '../adversarial/step-metrics.js';
import { Trainer } from '../adversarial/trainer.js';
import type { StepRecord, TrainingProgress, TrainingResult } from '../adversarial/trainer-options.js';
import {
  decodeTrainingCheckpoint,
  encodeTrainingCheckpoint,
  type BestValidation,
  type TrainingCheckpoint,
} from '../adversarial/training-checkpoint.js';
import type { Dataset } from '../data/dataset.js';
import type { Device } from '../engine/device.js';
import type { Module } from '../nn/module.js';
import { fileError } from '../node/file-error.js';
import { writeFileAtomic } from '../node/files.js';
import { pgdOf } from './attack-list.js';
import { buildModel, saveCheckpoint } from './checkpoint.js';
import { makeSchedule, type TrainConfig } from './config.js';
import type { Context } from './context.js';
import type { RunDevice } from './device.js';
import { asUsage } from './errors.js';
import type { OpenRun } from './folders.js';
import { stepLine } from './history.js';
import { startProgress, type ProgressDisplay } from './progress.js';
import { readable } from './readable.js';

/** Where a run writes what it can go on from, and how often. */
export interface Checkpointing {
  readonly path: string;
  /** Steps between two. */
  readonly every: number;
}

/** What a training run needs beside its settings. */
export interface TrainingCall {
  readonly context: Context;
  readonly config: TrainConfig;
  readonly device: RunDevice;
  readonly dataset: Dataset;
  /** What to validate on, where the configuration wants that. */
  readonly validation?: Dataset | undefined;
  /** Where to write the model that is validated best. */
  readonly best?: string;
  readonly run: Pick<OpenRun, 'log' | 'rewind'>;
  /** What the metrics call the run, where they hold several. */
  readonly name?: string;
  /** A run with checkpoints goes on from the one that there is, and survives the loss of its device. */
  readonly checkpoints?: Checkpointing;
}

/** How a training run ended. */
export interface TrainingOutcome {
  /** Of the device that the run ended on. */
  readonly model: Module;
  /** Steps done, and those that were asked for. */
  readonly steps: number;
  readonly total: number;
  readonly best: BestValidation | undefined;
  readonly stoppedEarly: boolean;
  /** Of the steps that were done in this call. */
  readonly records: readonly StepRecord[];
  readonly warnings: readonly string[];
}

/**
 * Trains, with a progress display and a line of metrics for each step. When the user stops it, it ends after a step. Where the device is
 * lost, a run with checkpoints goes on from the last one on a new device.
 *
 * @throws UsageError for settings outside their domain, and what the trainer throws; a `DivergenceError` then names the last checkpoint too
 */
export async function runTraining(call: TrainingCall): Promise<TrainingOutcome> {
  const { context, config, device, name, checkpoints } = call;
  const progress = startProgress(context, (name ?? config.objective.name).padEnd(8), 'steps');
  const warnings: string[] = [];
  const warn = (warning: string): void => {
    // A trainer on a new device has the same doubts.
    if (warnings.includes(warning)) return;
    warnings.push(warning);
    progress.log(`warning: ${readable(warning)}`);
  };
  try {
    if (!checkpoints) return { ...(await trainFrom(undefined, call, { progress, warn })), warnings };
    const { path } = checkpoints;
    const work = async (): Promise<Omit<TrainingOutcome, 'warnings'>> => {
      const from = await readTrainingCheckpoint(path);
      // Steps that were logged and come again; a run with checkpoints has its metrics to itself.
      await call.run.rewind(from?.step ?? 0);
      return trainFrom(from, call, { progress, warn });
    };
    const from = async (): Promise<string> => `after step ${(await readTrainingCheckpoint(path))?.step ?? 0}`;
    return { ...(await device.surviving(work, { from, warn })), warnings };
  } finally {
    progress.stop();
  }
}

interface Display {
  readonly progress: ProgressDisplay;
  readonly warn: (warning: string) => void;
}

/** Trains on the device that there is until the end, an interruption, or an error. */
async function trainFrom(
  from: TrainingCheckpoint | undefined,
  call: TrainingCall,
  { progress, warn }: Display,
): Promise<Omit<TrainingOutcome, 'warnings'>> {
  const { context, config, device, run, name, checkpoints } = call;
  const model = buildModel(config.model, device.device, config.seed);
  const trainer = makeTrainer(model, call);
  const records: StepRecord[] = [];
  let saved = from?.step;
  let result: TrainingResult | undefined;
  try {
    if (from) {
      trainer.restore(from);
      for (const warning of from.warnings ?? []) warn(warning);
    }
    result = await trainer.run({
      signal: context.signal,
      checkpointEvery: checkpoints?.every,
      onProgress: (now) => {
        for (const record of now.records) run.log(stepLine(record, now.stepsPerSecond, name));
        records.push(...now.records);
        const { step: done, steps: total, stepsPerSecond: rate, secondsLeft } = now;
        progress.show({ done, total, rate, secondsLeft, note: noteOf(now) });
      },
      onCheckpoint: async ({ step }) => {
        if (!checkpoints) return;
        await writeFileAtomic(checkpoints.path, encodeTrainingCheckpoint(await trainer.checkpoint()));
        saved = step;
      },
      onValidation: async ({ epoch, step, natural, robust, best }) => {
        run.log({ validation: epoch, step, validationNatural: natural, validationRobust: robust });
        progress.log(`validation after epoch ${epoch}: natural ${percent(natural)}, robust ${percent(robust)}`);
        if (best && call.best !== undefined) await saveCheckpoint(call.best, model, config);
      },
      onWarning: warn,
    });
    await trainer.adoptAverage();
  } catch (error) {
    if (error instanceof DivergenceError && checkpoints) throw withCheckpoint(error, saved, checkpoints.path);
    // Whatever else went wrong after the user asked to stop, such as a full disk, is told.
    if (error !== context.signal.reason) throw error;
    await trainer.adoptAverage();
  } finally {
    trainer.dispose();
  }
  const { best, stoppedEarly = false } = result ?? {};
  return { model, steps: trainer.step, total: trainer.steps, records, best, stoppedEarly };
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}

/** A divergence that says what is left of the run. */
function withCheckpoint({ message, step, term }: DivergenceError, saved: number | undefined, path: string): Error {
  const left =
    saved === undefined ? 'there is no checkpoint yet' : `the last good checkpoint, ${path}, is of step ${saved}`;
  return new DivergenceError(`${message}; ${left}`, step, term);
}

/** The checkpoint of an unfinished run; undefined where there is none. Throws a `FormatError` where it is broken. */
export async function readTrainingCheckpoint(path: string): Promise<TrainingCheckpoint | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw fileError('read', path, cause);
  }
  return decodeTrainingCheckpoint(bytes, path);
}

/** Makes the model and the trainer of a configuration and frees them: throws a `UsageError` for settings that cannot be, before anything is written. */
export function checkTraining(call: Pick<TrainingCall, 'config' | 'dataset' | 'validation'>, device: Device): void {
  const model = buildModel(call.config.model, device, call.config.seed);
  try {
    makeTrainer(model, call).dispose();
  } finally {
    model.dispose();
  }
}

/** The trainer of a configuration. Throws a `UsageError` for settings outside their domain. */
export function makeTrainer(
  model: Module,
  { config, dataset, validation: images }: Pick<TrainingCall, 'config' | 'dataset' | 'validation'>,
): Trainer {
  const { steps, epochs, batchSize, accumulate, optimizer, momentum, nesterov, weightDecay } = config.training;
  const { maxNorm, average, perturbation } = config.training;
  const { stepSize, ...attack } = config.attack;
  const { validation } = config;
  return asUsage(
    () =>
      new Trainer({
        ...{ model, batchSize, accumulate, optimizer, momentum, nesterov, weightDecay },
        dataset,
        objective: objectiveNamed(config.objective.name, config.objective.options),
        attack: { ...attack, ...(stepSize !== null && { stepSize }) },
        augmentation: config.augmentation ?? undefined,
        lr: makeSchedule(config.training),
        steps: steps ?? undefined,
        epochs: epochs ?? undefined,
        maxNorm: maxNorm ?? undefined,
        average: average ?? undefined,
        perturbation: perturbation ?? undefined,
        validation:
          validation && images
            ? {
                dataset: images,
                attack: pgdOf({ eps: attack.eps, norm: 'linf', steps: validation.steps, restarts: 1 }),
                every: validation.every,
                patience: validation.patience,
              }
            : undefined,
        seed: config.seed,
        logEvery: logEvery(model.device),
      }),
  );
}

/** Where a step takes seconds, people want to see each few. */
function logEvery(device: Device): number {
  return device.caps.software ? 5 : 20;
}

/** The latest step's loss and accuracies in a few words. */
function noteOf({ records }: TrainingProgress): string {
  const { metrics = {}, maxima = {} } = records.at(-1) ?? {};
  const { naturalAccuracy, adversarialAccuracy, ...terms } = metrics;
  const losses = Object.entries(terms).map(([name, value]) => {
    const most = maxima[name];
    return `${name} ${value.toFixed(3)}${most === undefined ? '' : ` of ${most.toFixed(3)}`}`;
  });
  const accuracies = Object.entries({ natural: naturalAccuracy, adversarial: adversarialAccuracy }).flatMap(
    ([name, value]) => (value === undefined ? [] : [`${name} ${(100 * value).toFixed(0)} %`]),
  );
  return [...losses, ...accuracies].join('  ');
}
