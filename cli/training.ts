import { objectiveNamed } from '../adversarial/objectives/registry.js';
import { Trainer, type StepRecord, type TrainingProgress } from '../adversarial/trainer.js';
import type { Dataset } from '../data/dataset.js';
import type { Device } from '../engine/device.js';
import type { Module } from '../nn/module.js';
import { makeSchedule, type TrainConfig } from './config.js';
import type { Context } from './context.js';
import { asUsage } from './errors.js';
import type { OpenRun } from './folders.js';
import { stepLine } from './history.js';
import { startProgress } from './progress.js';

/** What a training run needs beside its settings. */
export interface TrainingCall {
  readonly context: Context;
  readonly config: TrainConfig;
  readonly model: Module;
  readonly dataset: Dataset;
  readonly log: OpenRun['log'];
  /** What the metrics call the run, where they hold several. */
  readonly run?: string;
}

/** How a training run ended. */
export interface TrainingOutcome {
  /** Steps done, and those that were asked for. */
  readonly steps: number;
  readonly total: number;
  readonly records: readonly StepRecord[];
  readonly warnings: readonly string[];
  readonly seconds: number;
}

/** The trainer of a configuration. Throws a `UsageError` for settings outside their domain. */
function makeTrainer({ config, model, dataset }: TrainingCall): Trainer {
  const { steps, epochs, batchSize, optimizer, momentum, weightDecay } = config.training;
  const { stepSize, ...attack } = config.attack;
  return asUsage(
    () =>
      new Trainer({
        model,
        dataset,
        objective: objectiveNamed(config.objective.name, config.objective.options),
        attack: { ...attack, ...(stepSize !== null && { stepSize }) },
        batchSize,
        optimizer,
        lr: makeSchedule(config.training),
        momentum,
        weightDecay,
        steps: steps ?? undefined,
        epochs: epochs ?? undefined,
        seed: config.seed,
        logEvery: logEvery(model.device),
      }),
  );
}

/** Where a step takes seconds, people want to see each few. */
function logEvery(device: Device): number {
  return device.caps.software ? 5 : 20;
}

/**
 * Trains, with a progress display and a line of metrics for each step. When the user stops it, it ends after a step.
 *
 * @throws UsageError for settings outside their domain, and what the trainer throws
 */
export async function runTraining(call: TrainingCall): Promise<TrainingOutcome> {
  const { context, config, log, run } = call;
  const trainer = makeTrainer(call);
  const progress = startProgress(context, (run ?? config.objective.name).padEnd(8), 'steps');
  const records: StepRecord[] = [];
  const warnings: string[] = [];
  const started = performance.now();
  try {
    await trainer.run({
      signal: context.signal,
      onProgress: (now) => {
        for (const record of now.records) log(stepLine(record, now.stepsPerSecond, run));
        records.push(...now.records);
        progress.show({
          ...now,
          done: now.step,
          total: now.steps,
          rate: now.stepsPerSecond,
          note: noteOf(now),
        });
      },
      onWarning: (warning) => {
        warnings.push(warning);
        progress.log(`warning: ${warning}`);
      },
    });
  } catch (error) {
    if (!context.signal.aborted) throw error;
  } finally {
    progress.stop();
    trainer.dispose();
  }
  const seconds = (performance.now() - started) / 1000;
  return { steps: trainer.step, total: trainer.steps, records, warnings, seconds };
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
