import { readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { PRESET_NAMES, presetNamed, type PresetName } from '../../adversarial/preset-named.js';
import { standardAttacks } from '../../adversarial/presets.js';
import type { Attack } from '../../adversarial/attacks/attack.js';
import type { Evaluation } from '../../adversarial/evaluation-tally.js';
import type { Dataset } from '../../data/dataset.js';
import { splitDataset } from '../../data/split.js';
import { loadModel, readCheckpoint, saveCheckpoint } from '../checkpoint.js';
import { readConfigFile, readRunConfig } from '../config-file.js';
import { ignoredSettings, withShapeOf, type ConfigPatch, type TrainConfig } from '../config.js';
import type { Context, RunCommand } from '../context.js';
import { loadDataset } from '../datasets.js';
import { DeviceLostError, FormatError } from '../../engine/errors.js';
import { MOST_LOSSES, RunDevice } from '../device.js';
import { EXIT, UsageError, asUsage } from '../errors.js';
import { accuracyTable, runEvaluation, type EvaluationCall } from '../evaluating.js';
import { RUN_FILES, chooseFolder, inRunFolder, type OpenRun, type Place } from '../folders.js';
import { evaluationLines, readHistory, type HistoryStep } from '../history.js';
import { openJournal } from '../journal.js';
import { addCommonOptions, addPlaceOptions, nameOption } from '../options.js';
import { environmentOf, settingsOf, writeReport } from '../reporting.js';
import type { ReportData } from '../report/data.js';
import { readable } from '../readable.js';
import { resolveConfig } from '../resolve-config.js';
import { formatDuration } from '../table.js';
import { checkTraining, runTraining, type TrainingOutcome } from '../training.js';
import { addTrainOptions, patchOf, type Options } from './train-options.js';

const EXAMPLES = `
Examples:
  bulwark train --dataset mnist --model cnn4 --objective mimae-at --steps 200
  bulwark train --objective standard-at --eps 0.3 --attack-steps 10 --epochs 2 --out runs/standard
  bulwark train --preset paper --width 0.5 --subset 6000 --epochs 5
  bulwark train --preset original --objective trades --epochs 3
  bulwark train --objective mimae-at --set classification=ce --set symmetrize=false
  bulwark train --dataset cifar10 --model resnet18 --config settings.json --ema 0.995 --validation 1000
  bulwark train --resume runs/mimae-at

Defaults are those of mimae-at on mnist with cnn4; 'bulwark presets recommended --dataset <name> --objective <name>' says others. The run ends
with the preset's evaluation; with another --eps, with FGSM and PGD-20 at that.

A run's folder holds config.json (every setting, resolved), metrics.jsonl (a line for each step and validation, then the accuracies),
model.safetensors (PyTorch's names), best.safetensors where there is a validation, and report.html; until the run is complete also checkpoint.safetensors, from which --resume goes on, bit
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
      if (options.resume === undefined) return train(options, patchOf(command), context);
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

/** `bulwark train`, with what the command line says of the configuration; returns the exit code. */
async function train(options: Options, given: ConfigPatch, context: Context): Promise<number> {
  const { preset: named, ...file } = options.config === undefined ? {} : await readConfigFile(options.config);
  const nameOf = (part: 'objective' | 'dataset' | 'model'): string | undefined => given[part]?.name ?? file[part]?.name;
  const choice = { objective: nameOf('objective'), dataset: nameOf('dataset'), model: nameOf('model') };
  const preset = asUsage(() => presetNamed(options.preset ?? presetIn(named), choice));
  const config = resolveConfig(preset, file, given);
  const place = await chooseFolder(options.out, config.objective.name, options.force);
  const doubts = preset.warnings.map((warning) => `preset ${preset.name}: ${warning}`);
  const warnings = [...doubts, ...ignoredSettings(config.objective, given.attack)];
  const asked = {
    evaluation: (given.evaluation ?? file.evaluation)?.samples !== undefined,
    validation: (given.validation ?? file.validation)?.samples !== undefined,
  };
  return trainIn(place, config, { ...options, warnings, asked }, context);
}

function presetIn(name = 'recommended'): PresetName {
  return nameOption('preset', PRESET_NAMES)(name);
}

/** `bulwark train --resume`; returns the exit code. */
async function resume(folder: string, options: Options, context: Context): Promise<number> {
  const config = {
    ...(await readRunConfig(folder)),
    ...(options.checkpointEvery && { checkpointEvery: options.checkpointEvery }),
  };
  const names = await readdir(folder);
  if (names.includes(RUN_FILES.report) && !names.includes(RUN_FILES.checkpoint)) {
    throw new UsageError(
      `--resume: the run in ${folder} is complete, or its checkpoint was removed; see ${join(folder, RUN_FILES.report)}`,
    );
  }
  const place = { path: folder, force: false, resume: true };
  return trainIn(place, config, { ...options, warnings: [] }, context).catch((cause: unknown) => {
    if (!(cause instanceof FormatError) || !cause.message.includes(RUN_FILES.checkpoint)) throw cause;
    const anew = `bulwark train --config ${join(folder, RUN_FILES.config)} --out ${folder} --force`;
    throw new FormatError(`${cause.message}; to train it anew: ${anew}`, { cause });
  });
}

interface TrainInOptions extends Pick<Options, 'adapter'> {
  readonly warnings: readonly string[];
  /** What the user asked for; everything unless told. */
  readonly asked?: Asked;
  /** Whether another command does this as a part of its own work, which says how to go on with it. */
  readonly isPart?: boolean;
}

/** Trains in a folder, or goes on there, evaluates and writes the report; returns the exit code. */
export async function trainIn(
  place: Place,
  settings: TrainConfig,
  options: TrainInOptions,
  context: Context,
): Promise<number> {
  const { asked = { evaluation: true, validation: true } } = options;
  const { training, validation, test } = await loadData(settings, asked, context);
  const config = withCounts(withShapeOf(settings, training), { validation, test });
  using device = await RunDevice.open(options.adapter);
  context.err(`adapter ${device.choice.kind}: ${device.choice.driver}`);
  for (const warning of options.warnings) context.err(`warning: ${readable(warning)}`);
  if (validation && validation.size !== settings.validation?.samples) {
    context.err(
      `validation on ${validation.size} of the training images, of which there are few; --validation says how many`,
    );
  }
  // A run that --force replaces is still there if it cannot be.
  checkTraining({ config, dataset: training, validation }, device.device);
  // From wherever the run is taken up again.
  const folder = config.dataset.folder && resolve(config.dataset.folder);
  return await inRunFolder(place, { ...config, dataset: { ...config.dataset, folder } }, async (run) => {
    context.err(`${place.resume ? 'going on in' : 'writing to'} ${run.path}`);
    const inFolder = (name: string): string => join(run.path, name);
    const checkpoints = { path: inFolder(RUN_FILES.checkpoint), every: config.checkpointEvery };
    const data = { dataset: training, validation, best: inFolder(RUN_FILES.best) };
    const work = async (resumed: boolean): Promise<Done> => {
      const outcome = await runTraining({ context, config, device, run, checkpoints, ...data });
      await saveCheckpoint(inFolder(RUN_FILES.model), outcome.model, config);
      return { outcome, evaluations: await evaluated({ context, config, run, outcome, test, resumed }) };
    };
    const done = await work(place.resume ?? false).catch((error: unknown) => workAnew(error, device, work, context));
    const history = await readHistory(inFolder(RUN_FILES.metrics));
    const report = await writeReport(run.path, reportOf({ config, device, history, ...done }));
    if (!context.signal.aborted) await rm(checkpoints.path, { force: true });
    return conclude(context, { ...done, report, folder: options.isPart ? undefined : run.path });
  });
}

/** Goes on with a run whose device was lost while the trained model was saved or evaluated: the last checkpoint is of its last step. */
async function workAnew(
  error: unknown,
  device: RunDevice,
  work: (resumed: boolean) => Promise<Done>,
  context: Context,
): Promise<Done> {
  if (!(error instanceof DeviceLostError)) throw error;
  const loss = await device.renew(error);
  context.err(
    `warning: ${error.message}; going on with the evaluation on a new device (loss ${loss} of ${MOST_LOSSES})`,
  );
  return work(true).catch((again: unknown) => workAnew(again, device, work, context));
}

/** The configuration with the numbers of images that there turned out to be. */
function withCounts(config: TrainConfig, { validation, test }: Pick<Data, 'validation' | 'test'>): TrainConfig {
  return {
    ...config,
    validation: config.validation && { ...config.validation, samples: validation?.size ?? config.validation.samples },
    evaluation: { samples: test?.size ?? config.evaluation.samples },
  };
}

interface Data {
  readonly training: Dataset;
  /** Undefined where there is to be none. */
  readonly validation: Dataset | undefined;
  /** Undefined where there is to be no evaluation. */
  readonly test: Dataset | undefined;
}

/** Whether the user asked for so many images, or a preset or a default does, which is content with fewer. */
interface Asked {
  readonly evaluation: boolean;
  readonly validation: boolean;
}

/** The most of few training images that a preset sets aside to validate on. */
const LARGEST_VALIDATION = 1 / 5;

async function loadData(
  { dataset, validation, evaluation: { samples }, seed }: TrainConfig,
  asked: Asked,
  context: Context,
): Promise<Data> {
  const from = { folder: dataset.folder ?? undefined, imageSize: dataset.imageSize ?? undefined, context };
  const all = await loadDataset(dataset.name, 'train', {
    ...from,
    count: dataset.subset ?? undefined,
    option: '--subset',
  });
  const most = asked.validation ? Infinity : Math.max(1, Math.floor(LARGEST_VALIDATION * all.size));
  if (validation && asked.validation && validation.samples >= all.size) {
    throw new UsageError(
      `--validation: cannot set ${validation.samples} of the ${all.size} training images aside; ask for fewer`,
    );
  }
  const split =
    validation && asUsage(() => splitDataset(all, { validation: Math.min(validation.samples, most), seed }));
  const parts = { training: split?.training ?? all, validation: split?.validation };
  if (samples === 0) return { ...parts, test: undefined };
  return {
    ...parts,
    test: await loadDataset(dataset.name, 'test', {
      ...from,
      count: samples,
      option: '--eval-samples',
      atMost: !asked.evaluation,
      expected: { shape: all.exampleShape, by: 'the training half has' },
    }),
  };
}

interface EvaluatedCall extends Pick<Data, 'test'> {
  readonly context: Context;
  readonly config: TrainConfig;
  readonly run: OpenRun;
  readonly outcome: TrainingOutcome;
  readonly resumed: boolean;
}

/** Evaluations by what was evaluated: the objective's name for the model that the run ended with, and 'best'. */
type Evaluations = Readonly<Record<string, Evaluation>>;

/** What the model that was validated best goes under. */
const BEST = 'best';

/** The accuracies of the trained model, and of the one that was validated best; none where the user stops it. */
async function evaluated(call: EvaluatedCall): Promise<Evaluations> {
  const { context, config, run, outcome, test, resumed } = call;
  if (!test || context.signal.aborted) return {};
  using journal = await openJournal(run.path, resumed);
  const how = { context, dataset: test, attacks: attacksOf(config), seed: config.seed };
  const last = await runEvaluation({ ...how, model: outcome.model, label: 'evaluate', journal });
  if (!last) return {};
  const best = outcome.best && (await evaluateBest(call, how));
  if (outcome.best && !best) return {};
  for (const line of evaluationLines(last)) run.log(line);
  for (const line of best ? evaluationLines(best, BEST) : []) run.log(line);
  await journal.finish();
  return { [config.objective.name]: last, ...(best && { [BEST]: best }) };
}

/** Those of the preset, where the run has kept its radius. */
function attacksOf({ preset: name, attack: { eps }, objective, dataset, model }: TrainConfig): Record<string, Attack> {
  const found = PRESET_NAMES.find((known) => known === name);
  const choice = { objective: objective.name, dataset: dataset.name, model: model.name };
  const preset = found && presetNamed(found, choice);
  return preset?.training.attack.eps === eps ? { ...preset.attacks } : standardAttacks(eps);
}

async function evaluateBest(
  { config, run, outcome }: EvaluatedCall,
  how: Pick<EvaluationCall, 'context' | 'dataset' | 'attacks' | 'seed'>,
): Promise<Evaluation | undefined> {
  const checkpoint = await readCheckpoint(join(run.path, RUN_FILES.best));
  const model = loadModel(checkpoint, config.model, outcome.model.device);
  try {
    return await runEvaluation({ ...how, model, label: 'evaluate best' });
  } finally {
    model.dispose();
  }
}

interface Done {
  readonly outcome: TrainingOutcome;
  readonly evaluations: Evaluations;
}

interface Reported extends Done {
  readonly config: TrainConfig;
  readonly device: RunDevice;
  readonly history: readonly HistoryStep[];
}

function reportOf({ config, device, outcome, history, evaluations }: Reported): ReportData {
  const { steps, total, stoppedEarly } = outcome;
  // Of every call that took a part of them.
  const seconds = history.reduce((sum, { values: { stepsPerSecond } }) => sum + 1 / (stepsPerSecond ?? Infinity), 0);
  const why = stoppedEarly ? 'then validations had stopped getting better' : 'then it was stopped';
  const length = steps < total ? `${steps} of ${total} steps; ${why}` : `${steps} steps`;
  const { name } = config.objective;
  const { [name]: last, [BEST]: best } = evaluations;
  const settings = settingsOf(config);
  return {
    title: `${name} on ${config.dataset.name}`,
    summary: `A ${config.model.name} trained for ${length} (${formatDuration(seconds)}).`,
    runs: [
      {
        name,
        history,
        evaluation: last,
        settings,
        warnings: [...outcome.warnings, ...(last?.warnings ?? [])],
      },
      ...(best
        ? [
            {
              name: BEST,
              history: [],
              evaluation: best,
              settings: { ...settings, 'validated best after': `step ${outcome.best?.step ?? 0}` },
              warnings: best.warnings,
            },
          ]
        : []),
    ],
    environment: environmentOf(device),
  };
}

/** Prints what came of it; where it was interrupted, and how to go on in the folder, if that is for the user to do. */
function conclude(
  context: Context,
  { outcome, evaluations, report, folder }: Done & { readonly report: string; readonly folder: string | undefined },
): number {
  if (Object.keys(evaluations).length > 0) context.out(accuracyTable(evaluations));
  context.out(`report: ${report}`);
  if (!context.signal.aborted) return EXIT.success;
  const goOn = folder === undefined ? '' : `; to go on: bulwark train --resume ${folder}`;
  context.err(`interrupted after step ${outcome.steps} of ${outcome.total}; the model was saved${goOn}`);
  return EXIT.interrupted;
}
