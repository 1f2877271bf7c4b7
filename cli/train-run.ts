import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Attack } from '../adversarial/attacks/attack.js';
import type { Evaluation } from '../adversarial/evaluation-tally.js';
import { PRESET_NAMES, presetNamed } from '../adversarial/preset-named.js';
import { standardAttacks } from '../adversarial/presets.js';
import type { AdapterOptions } from '../node/adapter.js';
import { loadModel, readCheckpoint, saveCheckpoint } from './checkpoint.js';
import { withShapeOf, type TrainConfig } from './config.js';
import type { Context } from './context.js';
import { RunDevice } from './device.js';
import { EXIT } from './errors.js';
import { accuracyTable, runEvaluation, type EvaluationCall } from './evaluating.js';
import { RUN_FILES, inRunFolder, type OpenRun, type Place } from './folders.js';
import { evaluationLines, readHistory, type HistoryStep } from './history.js';
import { openJournal } from './journal.js';
import { readable } from './readable.js';
import { environmentOf, settingsOf, writeReport } from './reporting.js';
import type { ReportData } from './report/data.js';
import { formatDuration } from './table.js';
import { loadTrainingData, withCounts, type Asked, type TrainingData } from './train-data.js';
import { checkTraining, runTraining, type TrainingOutcome } from './training.js';

/** How a run is trained in its folder, besides its settings. */
export interface TrainInOptions {
  readonly adapter?: AdapterOptions['adapter'] | undefined;
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
  const { training, validation, test } = await loadTrainingData(settings, asked, context);
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
    const resume = place.resume ?? false;
    const work = async (again: boolean): Promise<Done> => {
      const outcome = await runTraining({ context, config, device, run, checkpoints, ...data });
      await saveCheckpoint(inFolder(RUN_FILES.model), outcome.model, config);
      return {
        outcome,
        evaluations: await evaluated({ context, config, run, outcome, test, resumed: resume || again }),
      };
    };
    // Training survives by itself; where the trained model is saved or evaluated, the last checkpoint is of the last step.
    const done = await device.surviving(work, {
      from: () => 'with the evaluation',
      warn: (warning) => context.err(`warning: ${warning}`),
    });
    const history = await readHistory(inFolder(RUN_FILES.metrics));
    const report = await writeReport(run.path, reportOf({ config, device, history, ...done }));
    if (!context.signal.aborted) await rm(checkpoints.path, { force: true });
    return conclude(context, { ...done, report, folder: options.isPart ? undefined : run.path });
  });
}

interface EvaluatedCall extends Pick<TrainingData, 'test'> {
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
