import { join } from 'node:path';
import type { Command } from 'commander';
import type { Evaluation } from '../../adversarial/evaluation-tally.js';
import type { AdapterOptions } from '../../node/adapter.js';
import { epsOf, loadModel, modelConfigOf, readCheckpoint, type Checkpoint } from '../checkpoint.js';
import { DATASETS, MODELS, type DatasetName, type ModelConfig, type ModelName } from '../config.js';
import type { Context, RunCommand } from '../context.js';
import { loadDataset } from '../datasets.js';
import { openComputingDevice, type OpenedDevice } from '../device.js';
import { EXIT, InterruptedError, UsageError } from '../errors.js';
import { ATTACK_NAMES, accuracyTable, attacksNamed, runEvaluation } from '../evaluating.js';
import { RUN_FILES, chooseFolder, inRunFolder } from '../folders.js';
import { accuraciesOf, evaluationLines, readHistory, type HistoryStep } from '../history.js';
import {
  COUNT,
  EPS,
  WIDTH,
  addCommonOptions,
  addPlaceOptions,
  dataOption,
  named,
  numeric,
  seedOption,
} from '../options.js';
import type { ReportData } from '../report/data.js';
import { environmentOf, modelSettings, writeReport } from '../reporting.js';

interface Options {
  readonly dataset: DatasetName;
  readonly data?: string;
  readonly model?: ModelName;
  readonly width?: number;
  readonly attacks: string;
  readonly eps?: number;
  readonly samples: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly json?: boolean;
  readonly out?: string;
  readonly force?: boolean;
  readonly adapter?: AdapterOptions['adapter'];
}

const EXAMPLES = `
Examples:
  bulwark evaluate runs/mimae-at
  bulwark evaluate model.safetensors --model cnn4 --width 0.5 --attacks fgsm,pgd-20,pgd-100 --eps 0.3
  bulwark evaluate runs/mimae-at --samples 10000 --json > accuracies.json

PGD starts at a random point of the ball and takes steps of 2 eps / steps. Checkpoints of PyTorch with the same names work
too; where a checkpoint does not say which model it is of, --model does.`;

/** Adds `bulwark evaluate`. */
export function addEvaluateCommand(program: Command, run: RunCommand): void {
  const dataset = `what to evaluate on: ${DATASETS.join(', ')} (its test images)`;
  const model = `network: ${MODELS.join(', ')} (default: as the checkpoint says)`;
  const width = 'multiplies its channels (default: as the checkpoint says, or 1)';
  const eps = "Linf radius of the attacks, in units of the data, 0 to 1 (default: the checkpoint's, or 0.3)";
  const command = program
    .command('evaluate')
    .description('Measure the accuracy of a checkpoint on natural images and under attacks, with 95 % intervals.')
    .argument('<checkpoint>', `a .safetensors file, or a run's folder that holds ${RUN_FILES.model}`)
    .addOption(named('--dataset <name>', 'dataset', dataset, DATASETS, 'mnist'))
    .addOption(dataOption())
    .addOption(named('--model <name>', 'model', model, MODELS))
    .addOption(numeric('--width <factor>', width, WIDTH))
    .option('--attacks <list>', `what to attack with, of ${ATTACK_NAMES.join(', ')}`, 'natural,fgsm,pgd-20')
    .addOption(numeric('--eps <radius>', eps, EPS))
    .addOption(numeric('--samples <count>', 'the first test images', COUNT, 1000))
    .addOption(numeric('--batch-size <count>', 'images at a time', COUNT, 100))
    .addOption(seedOption())
    .option('--json', 'print the results as JSON')
    .addHelpText('after', EXAMPLES);
  addPlaceOptions(command, 'evaluation');
  addCommonOptions(command).action((path: string, options: Options) =>
    run((context) => evaluate(path, options, context)),
  );
}

/** `bulwark evaluate`; returns the exit code. */
export async function evaluate(path: string, options: Options, context: Context): Promise<number> {
  const place = await chooseFolder(options.out, 'evaluation', options.force);
  const checkpoint = await readCheckpoint(path);
  if (checkpoint.run !== undefined && place.path === checkpoint.run) {
    throw new UsageError(`--out ${place.path}: is the run that is evaluated; name another folder`);
  }
  const model = modelConfigOf(checkpoint, options);
  const eps = options.eps ?? epsOf(checkpoint) ?? 0.3;
  const attacks = attacksNamed(options.attacks, eps);
  const history = checkpoint.run === undefined ? [] : await readHistory(join(checkpoint.run, RUN_FILES.metrics));
  const loading = { folder: options.data, count: options.samples, option: '--samples' };
  const dataset = await loadDataset(options.dataset, 'test', loading);
  const opened = await openComputingDevice(options.adapter);
  try {
    context.err(`adapter ${opened.choice.kind}: ${opened.choice.driver}`);
    const network = loadModel(checkpoint, model, opened.device);
    const { batchSize, seed } = options;
    const config = {
      checkpoint: checkpoint.path,
      dataset: options.dataset,
      model,
      eps,
      attacks: options.attacks,
      seed,
    };
    return await inRunFolder(place, config, async (run) => {
      const call = { context, model: network, dataset, attacks, batchSize, seed, label: 'evaluate' };
      const evaluation = await runEvaluation(call);
      if (!evaluation) throw new InterruptedError('interrupted; nothing was written');
      for (const line of evaluationLines(evaluation)) run.log(line);
      const report = await writeReport(run.path, reportOf({ checkpoint, model, history, evaluation, opened, seed }));
      printResults(context, options, { evaluation, eps, report });
      return EXIT.success;
    });
  } finally {
    opened.device.destroy();
  }
}

interface Evaluated {
  readonly checkpoint: Checkpoint;
  readonly model: ModelConfig;
  readonly history: readonly HistoryStep[];
  readonly evaluation: Evaluation;
  readonly opened: OpenedDevice;
  readonly seed: number;
}

function reportOf({ checkpoint, model, history, evaluation, opened, seed }: Evaluated): ReportData {
  const { path, metadata } = checkpoint;
  const name = metadata['objective'] ?? model.name;
  return {
    title: `Evaluation of ${path}`,
    summary: `A ${model.name} of width ${model.width} on ${evaluation.size} examples of ${evaluation.dataset}.`,
    runs: [
      {
        name,
        history,
        evaluation,
        settings: { checkpoint: path, ...modelSettings(model), seed: String(seed) },
        warnings: evaluation.warnings,
      },
    ],
    environment: environmentOf(opened),
  };
}

function printResults(
  context: Context,
  { json }: Options,
  { evaluation, eps, report }: { evaluation: Evaluation; eps: number; report: string },
): void {
  if (!json) {
    context.out(accuracyTable({ [`eps ${eps}`]: evaluation }));
    context.out(`report: ${report}`);
    return;
  }
  const { dataset, size, seconds, warnings, attacks } = evaluation;
  const results = Object.entries(accuraciesOf(evaluation)).map(([version, accuracy]) => ({
    version,
    ...accuracy,
    ...(attacks[version] && {
      settings: attacks[version].settings,
      mutualInformation: attacks[version].joint.mutualInformation,
    }),
  }));
  context.out(JSON.stringify({ dataset, size, eps, results, warnings, seconds, report }, null, 2));
}
