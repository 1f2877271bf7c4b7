import { UsageError } from '../errors.js';
import { formatProportion } from '../table.js';
import { readableSettings } from '../readable.js';
import { readRunFolder, type ComparedRun } from './run-folder.js';

/** Runs to lay side by side, each under a name of its own. */
export async function readRuns(folders: readonly string[]): Promise<ComparedRun[]> {
  const runs: ComparedRun[] = [];
  for (const folder of folders) runs.push(...(await readRunFolder(folder)));
  if (runs.length < 2) throw new UsageError('compare: name two runs or more, such as runs/trades runs/mimae-at');
  // Where two folders end alike, their whole paths tell them apart.
  const named = runs.map((run) => (runs.some((other) => other !== run && other.name === run.name) ? whole(run) : run));
  const twice = named.find((run, index) => named.findIndex(({ name }) => name === run.name) !== index);
  if (twice) throw new UsageError(`compare: ${twice.folder} is named twice`);
  return named;
}

function whole(run: ComparedRun): ComparedRun {
  const [, inner] = run.name.split('/');
  return { ...run, name: inner === undefined ? run.folder : `${run.folder}/${inner}` };
}

/** What stands for a setting or an accuracy that a run does not have. */
const NONE = '-';

/**
 * The settings in which the runs differ, a row for each, a column for each run; the first row is the head. That a training run has other
 * settings than an evaluation is no difference.
 */
export function differingSettings(runs: readonly ComparedRun[]): string[][] {
  const names = [...new Set(runs.flatMap(({ settings }) => Object.keys(settings)))];
  const differing = names.filter((name) => {
    const kinds = new Set(runs.filter(({ settings }) => name in settings).map(({ kind }) => kind));
    return new Set(runs.filter(({ kind }) => kinds.has(kind)).map(({ settings }) => settings[name])).size > 1;
  });
  return [
    ['setting', ...runs.map(({ name }) => name)],
    ...differing.map((name) => [name, ...readableSettings(runs.map(({ settings }) => settings[name] ?? NONE))]),
  ];
}

/** The versions of the images that any of the runs was evaluated on: natural first, the worst case last. */
export function versionsOf(runs: readonly ComparedRun[]): string[] {
  const all = [...new Set(runs.flatMap(({ accuracies }) => Object.keys(accuracies)))];
  const rank = (version: string): number => (version === 'natural' ? 0 : version === 'worst case' ? 2 : 1);
  return all.sort((a, b) => rank(a) - rank(b));
}

/** The accuracies with their intervals, a row for each run; the first row is the head. */
export function accuracyRows(runs: readonly ComparedRun[]): string[][] {
  const versions = versionsOf(runs);
  return [
    ['run', ...versions, 'state'],
    ...runs.map(({ name, accuracies, state }) => [
      name,
      ...versions.map((version) => {
        const accuracy = accuracies[version];
        return accuracy ? formatProportion(accuracy) : NONE;
      }),
      state,
    ]),
  ];
}

/** What keeps the accuracies from being compared as they are, in sentences. */
export function doubtsOf(runs: readonly ComparedRun[]): string[] {
  const totals = new Set(runs.flatMap(({ accuracies }) => Object.values(accuracies).map(({ total }) => total)));
  const data = new Set(runs.flatMap(({ settings }) => settings['dataset.name'] ?? []));
  const radii = new Set(runs.flatMap(({ settings }) => settings['attack.eps'] ?? []));
  const strange = versionsOf(runs).filter(
    (version) => new Set(runs.flatMap(({ attacks }) => attacks[version] ?? [])).size > 1,
  );
  const sets = new Set(
    runs.flatMap(({ attacks }) => ('worst case' in attacks ? Object.keys(attacks).sort().join() : [])),
  );
  return [
    // Of other radii the attacks are others too, which is told below.
    ...(strange.length > 0 && radii.size < 2
      ? [`not the same attack in every run, but of other settings: ${strange.join(', ')}`]
      : []),
    ...(sets.size > 1 ? ['the worst cases are those over different attacks'] : []),
    ...(totals.size > 1 ? [`the runs were evaluated on different numbers of images: ${[...totals].join(', ')}`] : []),
    ...(data.size > 1 ? [`the runs are of different datasets: ${[...data].join(', ')}`] : []),
    ...(radii.size > 1
      ? [`the runs have different radii eps, and were attacked within them: ${readableSettings([...radii]).join(', ')}`]
      : []),
  ];
}
