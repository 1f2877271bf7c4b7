import { join } from 'node:path';
import type { Command } from 'commander';
import type { Evaluation } from '../../adversarial/evaluation-tally.js';
import { MNIST_RECOMMENDED, standardAttacks } from '../../adversarial/presets.js';
import type { Dataset } from '../../data/dataset.js';
import type { AdapterOptions } from '../../node/adapter.js';
import { saveCheckpoint } from '../checkpoint.js';
import type { TrainConfig } from '../config.js';
import { resolveConfig } from '../resolve-config.js';
import type { Context, RunCommand } from '../context.js';
import { loadDataset } from '../datasets.js';
import { RunDevice, type OpenedDevice } from '../device.js';
import { EXIT, InterruptedError } from '../errors.js';
import { accuracyTable, runEvaluation } from '../evaluating.js';
import { chooseFolder, inRunFolder, type OpenRun } from '../folders.js';
import { evaluationLines, historyStep } from '../history.js';
import { COUNT, WIDTH, addCommonOptions, addPlaceOptions, dataOption, numeric, seedOption } from '../options.js';
import type { ReportData } from '../report/data.js';
import { environmentOf, settingsOf, writeReport } from '../reporting.js';
import { formatDuration, percent } from '../table.js';
import { runTraining, type TrainingOutcome } from '../training.js';

interface Options {
  readonly steps?: number;
  readonly width?: number;
  readonly samples: number;
  readonly data?: string;
  readonly seed: number;
  readonly out?: string;
  readonly force?: boolean;
  readonly adapter?: AdapterOptions['adapter'];
}

const EXAMPLES = `
Examples:
  bulwark demo
  bulwark demo --adapter lavapipe --out runs/mine --force

Trains a small network on MNIST twice from the same seed, plainly and by MIMAE-AT, then evaluates both on natural images, by
FGSM and by PGD-20 at eps 0.2. Its folder holds both checkpoints, metrics.jsonl, config.json and report.html.`;

/** Adds `bulwark demo`. */
export function addDemoCommand(program: Command, run: RunCommand): void {
  const width = `multiplies the channels 32, 64 (default: ${String(MNIST_RECOMMENDED.model.options['width'])})`;
  const command = program
    .command('demo')
    .description('Train plainly and by MIMAE-AT side by side on MNIST, and compare: a few minutes on two cores.')
    .addOption(
      numeric('--steps <count>', `training steps of each (default: ${MNIST_RECOMMENDED.training.steps ?? '-'})`, COUNT),
    )
    .addOption(numeric('--width <factor>', width, WIDTH))
    .addOption(numeric('--samples <count>', 'test images to evaluate on', COUNT, 1000))
    .addOption(dataOption())
    .addOption(seedOption())
    .addHelpText('after', EXAMPLES);
  addPlaceOptions(command, 'demo');
  addCommonOptions(command).action((options: Options) => run((context) => demo(options, context)));
}

/** `bulwark demo`; returns the exit code. */
export async function demo(options: Options, context: Context): Promise<number> {
  const place = await chooseFolder(options.out, 'demo', options.force);
  const training = await loadDataset('mnist', 'train', { folder: options.data, option: '--subset', context });
  const loading = { folder: options.data, count: options.samples, option: '--samples', context };
  const test = await loadDataset('mnist', 'test', loading);
  using device = await RunDevice.open(options.adapter);
  const { choice } = device;
  context.err(`adapter ${choice.kind}: ${choice.driver}`);
  if (choice.faster !== undefined) context.err(`faster would be ${choice.faster}`);
  const configs = configsFor(options);
  return await inRunFolder(place, configs, async (run) => {
    context.err(`writing to ${run.path}`);
    const call = { context, run, device, training, test };
    const started = performance.now();
    const plain = await trainOne('plain', configs.plain, call);
    const robust = await trainOne('mimae-at', configs['mimae-at'], call);
    const seconds = (performance.now() - started) / 1000;
    return await conclude(context, { run, opened: device, seconds, models: [plain, robust] });
  });
}

type DemoConfigs = Readonly<Record<'plain' | 'mimae-at', TrainConfig>>;

/** The settings of both runs: the recommended ones, but for the objective of the plain run. */
function configsFor({ seed, data, steps, width }: Options): DemoConfigs {
  const both = {
    seed,
    ...(data !== undefined && { dataset: { folder: data } }),
    ...(steps !== undefined && { training: { steps } }),
    ...(width !== undefined && { model: { options: { width } } }),
  };
  return {
    plain: resolveConfig(MNIST_RECOMMENDED, both, { objective: { name: 'plain' } }),
    'mimae-at': resolveConfig(MNIST_RECOMMENDED, both),
  };
}

interface Call {
  readonly context: Context;
  readonly run: OpenRun;
  readonly device: RunDevice;
  readonly training: Dataset;
  readonly test: Dataset;
}

interface TrainedModel {
  readonly name: string;
  readonly config: TrainConfig;
  readonly outcome: TrainingOutcome;
  readonly evaluation: Evaluation;
}

async function trainOne(
  name: string,
  config: TrainConfig,
  { context, run, device, training, test }: Call,
): Promise<TrainedModel> {
  const outcome = await runTraining({ context, config, device, dataset: training, run, name });
  const { model } = outcome;
  await saveCheckpoint(join(run.path, `${name}.safetensors`), model, config);
  const attacks = standardAttacks(config.attack.eps);
  const call = { context, model, dataset: test, attacks, seed: config.seed, label: name.padEnd(8) };
  const evaluation = context.signal.aborted ? undefined : await runEvaluation(call);
  if (!evaluation) throw new InterruptedError(`interrupted; the models trained so far are in ${run.path}`);
  for (const line of evaluationLines(evaluation, name)) run.log(line);
  model.dispose();
  return { name, config, outcome, evaluation };
}

interface Comparison {
  readonly run: OpenRun;
  readonly opened: OpenedDevice;
  readonly seconds: number;
  readonly models: readonly [plain: TrainedModel, robust: TrainedModel];
}

async function conclude(context: Context, comparison: Comparison): Promise<number> {
  const data = reportOf(comparison);
  const report = await writeReport(comparison.run.path, data);
  context.out(accuracyTable(Object.fromEntries(comparison.models.map(({ name, evaluation }) => [name, evaluation]))));
  for (const { text, met } of data.findings ?? []) context.out(`${text}: ${met ? 'met' : 'NOT met'}`);
  context.out(`report: ${report}`);
  return EXIT.success;
}

function reportOf({ opened, seconds, models }: Comparison): ReportData {
  const [plain, robust] = models;
  return {
    title: 'Plain training and MIMAE-AT on MNIST',
    summary:
      'The same small network, data and seed, trained once plainly and once by MIMAE-AT ' +
      `(${formatDuration(seconds)} in all), then attacked within eps ${robust.config.attack.eps}.`,
    findings: findingsOf(plain.evaluation, robust.evaluation),
    runs: models.map(({ name, config, outcome, evaluation }) => ({
      name,
      history: outcome.records.map(historyStep),
      evaluation,
      settings: settingsOf(config),
      warnings: [...outcome.warnings, ...evaluation.warnings],
    })),
    environment: environmentOf(opened),
  };
}

/** What the demo is expected to show. */
function findingsOf(plain: Evaluation, robust: Evaluation): { text: string; met: boolean }[] {
  const pgd = (evaluation: Evaluation): number => evaluation.attacks['pgd-20']?.accuracy.value ?? 0;
  const natural = robust.natural.accuracy.value;
  const gain = pgd(robust) - pgd(plain);
  return [
    { text: `MIMAE-AT is right on at least 95 % of the natural images (${percent(natural)} %)`, met: natural >= 0.95 },
    { text: `and on at least 80 % under PGD-20 (${percent(pgd(robust))} %)`, met: pgd(robust) >= 0.8 },
    { text: `which is at least 40 points more than plain training (${percent(gain)} more)`, met: gain >= 0.4 },
  ];
}
