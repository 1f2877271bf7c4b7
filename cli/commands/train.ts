import { join } from 'node:path';
import type { Command } from 'commander';
import { presetNamed } from '../../adversarial/preset-named.js';
import { standardAttacks } from '../../adversarial/presets.js';
import type { Evaluation } from '../../adversarial/evaluation-tally.js';
import type { Dataset } from '../../data/dataset.js';
import { buildModel, saveCheckpoint } from '../checkpoint.js';
import { resolveConfig, type TrainConfig } from '../config.js';
import type { Context, RunCommand } from '../context.js';
import { loadDataset } from '../datasets.js';
import { openComputingDevice, type OpenedDevice } from '../device.js';
import { EXIT, asUsage } from '../errors.js';
import { accuracyTable, runEvaluation } from '../evaluating.js';
import { RUN_FILES, chooseFolder, inRunFolder, type OpenRun } from '../folders.js';
import { evaluationLines, historyStep } from '../history.js';
import { addCommonOptions, addPlaceOptions } from '../options.js';
import { environmentOf, settingsOf, writeReport } from '../reporting.js';
import type { ReportData } from '../report/data.js';
import { formatDuration } from '../table.js';
import { runTraining, type TrainingOutcome } from '../training.js';
import { addTrainOptions, type Options } from './train-options.js';

const EXAMPLES = `
Examples:
  bulwark train --dataset mnist --model cnn4 --objective mimae-at --steps 200
  bulwark train --objective standard-at --eps 0.3 --attack-steps 10 --epochs 2 --out runs/standard
  bulwark train --preset paper --width 0.5 --subset 6000 --epochs 5
  bulwark train --preset original --objective trades --epochs 3
  bulwark train --objective mimae-at --set classification=ce --set symmetrize=false

A run's folder holds config.json (every setting, resolved), metrics.jsonl (a line for each step, then the accuracies),
model.safetensors (PyTorch's names) and report.html. Ctrl-C finishes the step, saves and reports, and exits with 130.`;

/** Adds `bulwark train`. */
export function addTrainCommand(program: Command, run: RunCommand): void {
  const command = program
    .command('train')
    .description('Train a classifier, adversarially or not, evaluate it and write a report.')
    .addHelpText('after', EXAMPLES);
  addTrainOptions(command);
  addPlaceOptions(command, '<objective>');
  addCommonOptions(command).action((options: Options) => run((context) => train(options, context)));
}

/** `bulwark train`; returns the exit code. */
export async function train(options: Options, context: Context): Promise<number> {
  const preset = asUsage(() => presetNamed(options.preset, options.objective));
  const resolved = resolveConfig(preset, options);
  const place = await chooseFolder(options.out, resolved.objective.name, options.force);
  const data = await loadData(options);
  const config = { ...resolved, model: { ...resolved.model, classes: data.training.classes } };
  const opened = await openComputingDevice(options.adapter);
  try {
    context.err(`adapter ${opened.choice.kind}: ${opened.choice.driver}`);
    for (const warning of preset.warnings) context.err(`warning: preset ${preset.name}: ${warning}`);
    return await inRunFolder(place, { ...config }, async (run) => {
      context.err(`writing to ${run.path}`);
      const done = await trainAndEvaluate({ context, config, run, opened, ...data });
      const report = await writeReport(run.path, reportOf({ config, opened, ...done }));
      return conclude(context, { ...done, report, name: config.objective.name });
    });
  } finally {
    opened.device.destroy();
  }
}

interface Data {
  readonly training: Dataset;
  /** Undefined where there is to be no evaluation. */
  readonly test: Dataset | undefined;
}

async function loadData({ dataset, data: folder, subset, evalSamples }: Options): Promise<Data> {
  const training = await loadDataset(dataset, 'train', { folder, count: subset, option: '--subset' });
  if (evalSamples === 0) return { training, test: undefined };
  const test = await loadDataset(dataset, 'test', { folder, count: evalSamples, option: '--eval-samples' });
  return { training, test };
}

interface Call extends Data {
  readonly context: Context;
  readonly config: TrainConfig;
  readonly run: OpenRun;
  readonly opened: OpenedDevice;
}

interface Done {
  readonly outcome: TrainingOutcome;
  readonly evaluation: Evaluation | undefined;
}

async function trainAndEvaluate({ context, config, run, opened, training, test }: Call): Promise<Done> {
  const model = buildModel(config.model, opened.device, config.seed);
  const outcome = await runTraining({ context, config, model, dataset: training, log: run.log });
  await saveCheckpoint(join(run.path, RUN_FILES.model), model, config);
  if (!test || context.signal.aborted) return { outcome, evaluation: undefined };
  const attacks = standardAttacks(config.attack.eps);
  const call = { context, model, dataset: test, attacks, seed: config.seed, label: 'evaluate' };
  const evaluation = await runEvaluation(call);
  for (const line of evaluation ? evaluationLines(evaluation) : []) run.log(line);
  return { outcome, evaluation };
}

function reportOf({ config, opened, outcome, evaluation }: Done & Pick<Call, 'config' | 'opened'>): ReportData {
  const { steps, total, seconds } = outcome;
  const length = steps < total ? `${steps} of ${total} steps; then it was stopped` : `${steps} steps`;
  return {
    title: `${config.objective.name} on ${config.dataset.name}`,
    summary: `A ${config.model.name} trained for ${length} (${formatDuration(seconds)}).`,
    runs: [
      {
        name: config.objective.name,
        history: outcome.records.map(historyStep),
        evaluation,
        settings: settingsOf(config),
        warnings: [...outcome.warnings, ...(evaluation?.warnings ?? [])],
      },
    ],
    environment: environmentOf(opened),
  };
}

function conclude(
  context: Context,
  { outcome, evaluation, report, name }: Done & { readonly report: string; readonly name: string },
): number {
  if (evaluation) context.out(accuracyTable({ [name]: evaluation }));
  context.out(`report: ${report}`);
  if (!context.signal.aborted) return EXIT.success;
  context.err(`interrupted after step ${outcome.steps} of ${outcome.total}; the model was saved`);
  return EXIT.interrupted;
}
