import { readFile, readdir, stat } from 'node:fs/promises';
import { basename, join, normalize } from 'node:path';
import { wilson, type Proportion } from '../../adversarial/statistics.js';
import { ArgumentError, FormatError } from '../../engine/errors.js';
import { readMetrics, type MetricsRecord } from '../../node/metrics.js';
import { UsageError } from '../errors.js';
import { RUN_FILES } from '../folders.js';
import { stepsIn, type HistoryStep } from '../history.js';

/** A run as far as its folder tells. */
export interface ComparedRun {
  /** Names it among the others. */
  readonly name: string;
  readonly folder: string;
  readonly kind: 'training' | 'evaluation';
  /** Every setting, by its place in the configuration of a training run, such as `training.lr`; what only evaluations have by its name there. */
  readonly settings: Readonly<Record<string, string>>;
  readonly history: readonly HistoryStep[];
  /** By version of the images: natural, each attack, worst case; none of a run that was not evaluated. */
  readonly accuracies: Readonly<Record<string, Proportion>>;
  /** The settings of each attack as JSON, by the same names. */
  readonly attacks: Readonly<Record<string, string>>;
  /** What there is to say of how far it has come, in a few words. */
  readonly state: string;
}

/**
 * The runs that a folder holds: one, but for those whose metrics tell several apart by name, as the demo's do, or name some, as those of a
 * validated run do the best model's. Any folder with a configuration and metrics will do: of training, finished or not, or of an evaluation.
 *
 * @throws UsageError naming the folder and what it lacks; FormatError naming the file that is broken
 */
export async function readRunFolder(path: string): Promise<ComparedRun[]> {
  const folder = normalize(`${path}/`).slice(0, -1);
  await checkFolder(folder);
  const config = await readConfig(join(folder, RUN_FILES.config));
  const file = join(folder, RUN_FILES.metrics);
  const records = await readMetrics(file);
  const unfinished = (await readdir(folder)).some(
    (name) => name === RUN_FILES.checkpoint || name === RUN_FILES.batches,
  );
  const names = [...new Set(records.map(({ run }) => run).filter((run) => typeof run === 'string'))];
  const own = basename(folder) || folder;
  const nameless = records.filter(({ run }) => typeof run !== 'string');
  const shared = { folder, file, unfinished };
  return [
    ...(nameless.length > 0 || names.length === 0 ? [runOf({ name: own, config, records: nameless, ...shared })] : []),
    ...names.map((name) =>
      runOf({
        name: `${own}/${name}`,
        config: Object(config[name] ?? config) as Config,
        records: records.filter(({ run }) => run === name),
        ...shared,
      }),
    ),
  ];
}

type Config = Readonly<Record<string, unknown>>;

async function checkFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (!found) throw new UsageError(`${folder}: there is no such folder; name folders of runs, such as runs/mimae-at`);
  if (!found.isDirectory()) throw new UsageError(`${folder}: is a file; name the folder of the run`);
  const names = await readdir(folder);
  const missing = [RUN_FILES.config, RUN_FILES.metrics].filter((name) => !names.includes(name));
  if (missing.length > 0) {
    throw new UsageError(`${folder}: holds no ${missing.join(' and no ')}, so it is no run that bulwark made`);
  }
}

async function readConfig(path: string): Promise<Config> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new FormatError(`${path}: is no JSON (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FormatError(`${path}: is no JSON object, as the configuration of a run is`);
  }
  return value as Config;
}

function runOf({
  name,
  folder,
  config,
  records,
  file,
  unfinished,
}: Pick<ComparedRun, 'name' | 'folder'> & {
  config: Config;
  records: readonly MetricsRecord[];
  file: string;
  unfinished: boolean;
}): ComparedRun {
  const kind = 'checkpoint' in config ? 'evaluation' : 'training';
  const history = stepsIn(records);
  const accuracies = Object.fromEntries(
    records.flatMap((record, index) => accuracyIn(record, `${file}: record ${index + 1}`)),
  );
  return {
    name,
    folder,
    kind,
    settings: kind === 'evaluation' ? settingsOfEvaluation(config) : { ...flattened(config), ...AFTER_TRAINING },
    history,
    accuracies,
    attacks: Object.fromEntries(records.flatMap(attackIn)),
    state: stateOf(history, accuracies, unfinished),
  };
}

function accuracyIn(record: MetricsRecord, where: string): [string, Proportion][] {
  const { evaluation, count, total } = record;
  if (typeof evaluation !== 'string') return [];
  try {
    return [[evaluation, wilson(Number(count), Number(total))]];
  } catch (cause) {
    if (!(cause instanceof ArgumentError)) throw cause;
    throw new FormatError(`${where} is no accuracy: it has count ${String(count)} and total ${String(total)}`, {
      cause,
    });
  }
}

/** What a line of an evaluation says of the accuracy, and not of the attack. */
const OF_ACCURACY: ReadonlySet<string> = new Set([
  'run',
  'evaluation',
  'accuracy',
  'value',
  'low',
  'high',
  'count',
  'total',
]);

/** An attack of an evaluation, and its settings as JSON. */
function attackIn(record: MetricsRecord): [string, string][] {
  const { evaluation } = record;
  if (typeof evaluation !== 'string') return [];
  return [[evaluation, JSON.stringify(Object.entries(record).filter(([name]) => !OF_ACCURACY.has(name)))]];
}

function stateOf(history: readonly HistoryStep[], accuracies: ComparedRun['accuracies'], unfinished: boolean): string {
  const steps = history.length === 0 ? [] : [`${history.at(-1)?.step ?? 0} steps`];
  const evaluated = Object.keys(accuracies).length > 0;
  return (
    [...steps, ...(unfinished ? ['unfinished'] : []), ...(evaluated ? [] : ['not evaluated'])].join(', ') || 'evaluated'
  );
}

/** How the accuracies after training are measured, by what evaluations call it; the norm is that of the radius. */
const AFTER_TRAINING = { norm: 'linf', attackOn: 'all', quantize: 'null', substitute: 'null' };

/** Where training runs have the settings that evaluations have too; a run is evaluated at the radius that it was trained with. */
const PLACES: Readonly<Record<string, string>> = {
  dataset: 'dataset.name',
  eps: 'attack.eps',
  samples: 'evaluation.samples',
};

function settingsOfEvaluation(config: Config): Record<string, string> {
  return Object.fromEntries(Object.entries(flattened(config)).map(([name, value]) => [PLACES[name] ?? name, value]));
}

/** The leaves of a configuration by their places; lists and nothing are leaves. */
export function flattened(value: object, place = ''): Record<string, string> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
      const at = place === '' ? key : `${place}.${key}`;
      if (typeof inner === 'object' && inner !== null && !Array.isArray(inner))
        return Object.entries(flattened(inner, at));
      return [[at, typeof inner === 'string' ? inner : JSON.stringify(inner)]];
    }),
  );
}
