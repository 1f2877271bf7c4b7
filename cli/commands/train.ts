import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { presetNamed } from '../../adversarial/preset-named.js';
import { standardAttacks } from '../../adversarial/presets.js';
import type { Evaluation } from '../../adversarial/evaluation-tally.js';
import type { Dataset } from '../../data/dataset.js';
import { saveCheckpoint } from '../checkpoint.js';
import { readRunConfig } from '../config-file.js';
import { ignoredOptions, resolveConfig, type TrainConfig } from '../config.js';
import type { Context, RunCommand } from '../context.js';
import { loadDataset } from '../datasets.js';
import { RunDevice } from '../device.js';
import { EXIT, UsageError, asUsage } from '../errors.js';
import { accuracyTable, runEvaluation } from '../evaluating.js';
import { RUN_FILES, chooseFolder, inRunFolder, type OpenRun, type Place } from '../folders.js';
import { evaluationLines, readHistory, type HistoryStep } from '../history.js';
import { openJournal } from '../journal.js';
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
  bulwark train --resume runs/mimae-at

A run's folder holds config.json (every setting, resolved), metrics.jsonl (a line for each step, then the accuracies),
model.safetensors (PyTorch's names) and report.html; until the run is complete also checkpoint.safetensors, from which --resume goes on, bit
for bit, after Ctrl-C (which finishes the step, saves and exits with 130), a crash or a loss of power.`;

/** Adds `bulwark train`. */
export function addTrainCommand(program: Command, run: RunCommand): void {
  const command = program
    .command('train')
    .description('Train a classifier, adversarially or not, evaluate it and write a report.')
    .option('--resume <folder>', 'go on with the interrupted run in this folder, with its settings')
    .addHelpText('after', EXAMPLES);
  addTrainOptions(command);
  addPlaceOptions(command, '<objective>');
  addCommonOptions(command).action((options: Options) =>
    run((context) => {
      if (options.resume === undefined) return train(options, context);
      checkAlone(command);
      return resume(options.resume, options, context);
    }),
  );
}

/** Options that say how a run goes on, not what it is. */
const WITH_RESUME: ReadonlySet<string> = new Set(['resume', 'adapter', 'debug', 'checkpointEvery']);

/** Throws a `UsageError` where `--resume` is given with an option that the run has already. */
function checkAlone(command: Command): void {
  const other = command.options.find((option) => {
    const name = option.attributeName();
    return command.getOptionValueSource(name) === 'cli' && !WITH_RESUME.has(name);
  });
  if (other) throw new UsageError(`--resume takes every setting from the run; leave ${other.long} out`);
}

/** `bulwark train`; returns the exit code. */
export async function train(options: Options, context: Context): Promise<number> {
  const preset = asUsage(() => presetNamed(options.preset, options.objective));
  const config = resolveConfig(preset, options);
  const place = await chooseFolder(options.out, config.objective.name, options.force);
  const doubts = preset.warnings.map((warning) => `preset ${preset.name}: ${warning}`);
  const warnings = [...doubts, ...ignoredOptions(config.objective, options)];
  return trainIn(place, config, { ...options, warnings }, context);
}

/** `bulwark train --resume`; returns the exit code. */
async function resume(folder: string, options: Options, context: Context): Promise<number> {
  const config = await readRunConfig(folder);
  const names = await readdir(folder);
  if (names.includes(RUN_FILES.report) && !names.includes(RUN_FILES.checkpoint)) {
    throw new UsageError(`--resume: the run in ${folder} is complete; see ${join(folder, RUN_FILES.report)}`);
  }
  const place = { path: folder, force: false, resume: true };
  return trainIn(place, config, { ...options, warnings: [] }, context);
}

/** Trains in a folder, or goes on there, evaluates and writes the report; returns the exit code. */
export async function trainIn(
  place: Place,
  config: TrainConfig,
  options: Pick<Options, 'adapter' | 'checkpointEvery'> & { readonly warnings: readonly string[] },
  context: Context,
): Promise<number> {
  const data = await loadData(config);
  using device = await RunDevice.open(options.adapter);
  context.err(`adapter ${device.choice.kind}: ${device.choice.driver}`);
  for (const warning of options.warnings) context.err(`warning: ${warning}`);
  return await inRunFolder(place, { ...config }, async (run) => {
    context.err(`${place.resume ? 'going on in' : 'writing to'} ${run.path}`);
    const checkpoints = { path: join(run.path, RUN_FILES.checkpoint), every: options.checkpointEvery };
    const outcome = await runTraining({ context, config, device, dataset: data.training, run, checkpoints });
    await saveCheckpoint(join(run.path, RUN_FILES.model), outcome.model, config);
    const evaluation = await evaluated({
      context,
      config,
      run,
      outcome,
      test: data.test,
      resumed: place.resume ?? false,
    });
    const history = await readHistory(join(run.path, RUN_FILES.metrics));
    const report = await writeReport(run.path, reportOf({ config, device, outcome, history, evaluation }));
    if (!context.signal.aborted) await rm(checkpoints.path, { force: true });
    return conclude(context, { outcome, evaluation, report, name: config.objective.name, folder: run.path });
  });
}

interface Data {
  readonly training: Dataset;
  /** Undefined where there is to be no evaluation. */
  readonly test: Dataset | undefined;
}

async function loadData({ dataset: { name, folder, subset }, evaluation: { samples } }: TrainConfig): Promise<Data> {
  const from = { folder: folder ?? undefined };
  const training = await loadDataset(name, 'train', { ...from, count: subset ?? undefined, option: '--subset' });
  if (samples === 0) return { training, test: undefined };
  const test = await loadDataset(name, 'test', { ...from, count: samples, option: '--eval-samples' });
  return { training, test };
}

interface EvaluatedCall extends Pick<Data, 'test'> {
  readonly context: Context;
  readonly config: TrainConfig;
  readonly run: OpenRun;
  readonly outcome: TrainingOutcome;
  readonly resumed: boolean;
}

/** The accuracies of the trained model, also in the metrics; undefined where there are to be none, or the user stops it. */
async function evaluated(call: EvaluatedCall): Promise<Evaluation | undefined> {
  const { context, config, run, outcome, test, resumed } = call;
  if (!test || context.signal.aborted) return undefined;
  using journal = await openJournal(run.path, resumed);
  const attacks = standardAttacks(config.attack.eps);
  const how = { attacks, seed: config.seed, label: 'evaluate', journal };
  const evaluation = await runEvaluation({ context, model: outcome.model, dataset: test, ...how });
  if (!evaluation) return undefined;
  for (const line of evaluationLines(evaluation)) run.log(line);
  await journal.finish();
  return evaluation;
}

interface Done {
  readonly outcome: TrainingOutcome;
  readonly evaluation: Evaluation | undefined;
}

interface Reported extends Done {
  readonly config: TrainConfig;
  readonly device: RunDevice;
  readonly history: readonly HistoryStep[];
}

function reportOf({ config, device, outcome, history, evaluation }: Reported): ReportData {
  const { steps, total, seconds } = outcome;
  const length = steps < total ? `${steps} of ${total} steps; then it was stopped` : `${steps} steps`;
  return {
    title: `${config.objective.name} on ${config.dataset.name}`,
    summary: `A ${config.model.name} trained for ${length} (${formatDuration(seconds)}).`,
    runs: [
      {
        name: config.objective.name,
        history,
        evaluation,
        settings: settingsOf(config),
        warnings: [...outcome.warnings, ...(evaluation?.warnings ?? [])],
      },
    ],
    environment: environmentOf(device),
  };
}

function conclude(
  context: Context,
  { outcome, evaluation, report, name, folder }: Done & Readonly<Record<'report' | 'name' | 'folder', string>>,
): number {
  if (evaluation) context.out(accuracyTable({ [name]: evaluation }));
  context.out(`report: ${report}`);
  if (!context.signal.aborted) return EXIT.success;
  context.err(
    `interrupted after step ${outcome.steps} of ${outcome.total}; the model was saved; ` +
      `to go on: bulwark train --resume ${folder}`,
  );
  return EXIT.interrupted;
}
