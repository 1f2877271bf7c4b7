import { join } from 'node:path';
import { Option, type Command } from 'commander';
import { OBJECTIVES } from '../../adversarial/objectives/registry.js';
import { PRESETS, standardAttacks } from '../../adversarial/presets.js';
import type { Evaluation } from '../../adversarial/evaluation-tally.js';
import type { Dataset } from '../../data/dataset.js';
import type { AdapterOptions } from '../../node/adapter.js';
import { buildModel, saveCheckpoint } from '../checkpoint.js';
import { DATASETS, MODELS, resolveConfig, type TrainConfig, type TrainOptions } from '../config.js';
import type { Context, RunCommand } from '../context.js';
import { loadDataset } from '../datasets.js';
import { openComputingDevice, type OpenedDevice } from '../device.js';
import { EXIT } from '../errors.js';
import { accuracyTable, runEvaluation } from '../evaluating.js';
import { RUN_FILES, chooseFolder, inRunFolder, type OpenRun } from '../folders.js';
import { evaluationLines, historyStep } from '../history.js';
import {
  EPS,
  addCommonOptions,
  dataOption,
  nameOption,
  numberOption,
  seedOption,
  type NumberDomain,
} from '../options.js';
import { environmentOf, settingsOf, writeReport } from '../reporting.js';
import type { ReportData } from '../report/data.js';
import { formatDuration } from '../table.js';
import { runTraining, type TrainingOutcome } from '../training.js';

interface Options extends TrainOptions {
  readonly preset: keyof typeof PRESETS.mnist;
  readonly evalSamples: number;
  readonly out?: string;
  readonly force?: boolean;
  readonly adapter?: AdapterOptions['adapter'];
}

const PRESET_NAMES = Object.keys(PRESETS.mnist);
const COUNT: NumberDomain = { least: 1, integer: true };
const RATE: NumberDomain = { least: 0 };

const EXAMPLES = `
Examples:
  bulwark train --dataset mnist --model cnn4 --objective mimae-at --steps 200
  bulwark train --objective standard-at --eps 0.3 --attack-steps 10 --epochs 2 --out runs/standard
  bulwark train --preset paper --width 0.5 --subset 6000 --epochs 5

A run's folder holds config.json (every setting, resolved), metrics.jsonl (a line for each step, then the accuracies),
model.safetensors (PyTorch's names) and report.html. Ctrl-C finishes the step, saves and reports, and exits with 130.`;

/** What an option is in each preset, for its help. */
function presets(value: (preset: (typeof PRESETS.mnist)[keyof typeof PRESETS.mnist]) => string | number): string {
  const { recommended, paper } = PRESETS.mnist;
  return `(default: ${value(recommended)}; paper: ${value(paper)})`;
}

/** Adds `bulwark train`. */
export function addTrainCommand(program: Command, run: RunCommand): void {
  const command = program
    .command('train')
    .description('Train a classifier, adversarially or not, evaluate it and write a report.')
    .addHelpText('after', EXAMPLES);
  addSettings(command);
  addCommonOptions(command).action((options: Options) => run((context) => train(options, context)));
}

function addSettings(command: Command): void {
  const number = (flag: string, text: string, domain: NumberDomain): void => {
    const name = flag.split(' ')[0] ?? flag;
    command.addOption(new Option(flag, text).argParser(numberOption(name, domain)));
  };
  const name = (flag: string, what: string, text: string, known: readonly string[], usual?: string): void => {
    command.addOption(new Option(flag, text).argParser(nameOption(what, known)).default(usual));
  };
  const objectives = OBJECTIVES.map((objective) => objective.name);
  name(
    '--preset <name>',
    'preset',
    `settings to start from: ${PRESET_NAMES.join(' or ')}`,
    PRESET_NAMES,
    'recommended',
  );
  name('--dataset <name>', 'dataset', `what to learn: ${DATASETS.join(', ')}`, DATASETS, 'mnist');
  command.addOption(dataOption());
  number('--subset <count>', 'train on the first images only (default: all)', COUNT);
  name('--model <name>', 'model', `network: ${MODELS.join(', ')}, 4 convolutions and 3 linear layers`, MODELS, 'cnn4');
  number('--width <factor>', `multiplies the channels 32, 64 ${presets((p) => p.model.width)}`, {
    least: 0,
    above: true,
  });
  name('--objective <name>', 'objective', `what to minimise: ${objectives.join(', ')} (default: mimae-at)`, objectives);
  number(
    '--lambda <weight>',
    `mimae-at: weight of the mutual information ${presets((p) => Number(p.objective.options['lambda']))}`,
    RATE,
  );
  number(
    '--beta <weight>',
    `mimae-at: weight of the L1 term ${presets((p) => Number(p.objective.options['beta']))}`,
    RATE,
  );
  command.option(
    '--pair-reduction <sum|mean>',
    'mimae-at: over the classes, the L1 term is a sum or a mean (default: sum)',
  );
  number('--steps <count>', `training steps, instead of --epochs ${presets((p) => p.training.steps ?? '-')}`, COUNT);
  number(
    '--epochs <count>',
    `passes over the data, instead of --steps ${presets((p) => p.training.epochs ?? '-')}`,
    COUNT,
  );
  number('--batch-size <count>', `images in a step ${presets((p) => p.training.batchSize)}`, COUNT);
  number('--lr <rate>', `learning rate of SGD ${presets((p) => resolveConfig(p, NO_OPTIONS).training.lr)}`, RATE);
  number('--momentum <factor>', `momentum of SGD ${presets((p) => p.training.momentum)}`, { least: 0, most: 1 });
  number('--weight-decay <factor>', `L2 penalty of SGD ${presets((p) => p.training.weightDecay)}`, RATE);
  number(
    '--eps <radius>',
    `Linf radius of the attack, in units of the data, 0 to 1 ${presets((p) => p.training.attack.eps)}`,
    EPS,
  );
  number(
    '--attack-steps <count>',
    `PGD steps of the training attack ${presets((p) => p.training.attack.steps)}`,
    COUNT,
  );
  number(
    '--step-size <length>',
    `length of such a step, as eps ${presets((p) => p.training.attack.stepSize ?? 'eps / 4')}`,
    { ...EPS, above: true },
  );
  number(
    '--ramp <part>',
    `part of the run over which eps grows from 0 ${presets((p) => p.training.attack.rampFraction ?? 0)}`,
    { least: 0, most: 1 },
  );
  command.addOption(seedOption());
  command.addOption(
    new Option('--eval-samples <count>', 'test images to evaluate on afterwards; 0 for none')
      .argParser(numberOption('--eval-samples', { least: 0, integer: true }))
      .default(1000),
  );
  command.option('--out <folder>', "the run's folder (default: a new one, runs/<objective>)");
  command.option('--force', 'replace the run that the folder of --out holds');
}

/** A command line that sets nothing. */
const NO_OPTIONS: TrainOptions = { dataset: 'mnist', model: 'cnn4', seed: 0 };

/** `bulwark train`; returns the exit code. */
export async function train(options: Options, context: Context): Promise<number> {
  const preset = PRESETS[options.dataset][options.preset];
  const config = resolveConfig(preset, options);
  const place = await chooseFolder(options.out, config.objective.name, options.force);
  const data = await loadData(options);
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
