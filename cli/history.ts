import type { Evaluation } from '../adversarial/evaluation-tally.js';
import type { Proportion } from '../adversarial/statistics.js';
import type { StepRecord } from '../adversarial/trainer-options.js';
import { FormatError } from '../engine/errors.js';
import { readMetrics, type MetricsRecord } from '../node/metrics.js';

/** What a metrics file says of one step: its number, and every other number of it by name. */
export interface HistoryStep {
  readonly step: number;
  readonly values: Readonly<Record<string, number>>;
}

/** A training step as a line of the metrics file; `run` tells the runs of one file apart. */
export function stepLine(record: StepRecord, stepsPerSecond: number, run?: string): MetricsRecord {
  const { step, epoch, lr, eps } = record;
  return { ...(run === undefined ? {} : { run }), step, epoch, lr, eps, ...termsOf(record), stepsPerSecond };
}

/** What the name of a term's largest value ends with. */
export const MAXIMUM = 'Max';

/** The metrics of a step, and the largest values that its terms can have. */
function termsOf({ metrics, maxima }: StepRecord): Record<string, number> {
  return { ...metrics, ...Object.fromEntries(Object.entries(maxima).map(([name, most]) => [name + MAXIMUM, most])) };
}

/** The accuracies of an evaluation by name: natural, each attack, and the worst case over them. */
export function accuraciesOf({ natural, attacks, worstCase }: Evaluation): Record<string, Proportion> {
  const each = Object.entries(attacks).map(([name, { accuracy }]) => [name, accuracy] as const);
  return {
    natural: natural.accuracy,
    ...Object.fromEntries(each),
    ...(each.length > 0 && { 'worst case': worstCase }),
  };
}

/** An evaluation as lines of the metrics file, one to each accuracy. */
export function evaluationLines(evaluation: Evaluation, run?: string): MetricsRecord[] {
  return Object.entries(accuraciesOf(evaluation)).map(([name, { value, low, high, count, total }]) => ({
    ...(run === undefined ? {} : { run }),
    evaluation: name,
    accuracy: value,
    low,
    high,
    count,
    total,
    ...evaluation.attacks[name]?.settings,
  }));
}

/**
 * The steps of a run's metrics file.
 *
 * @throws ArgumentError where there is none; FormatError where a line is no JSON object, or says neither `step` nor
 * `evaluation`, as every line of a run does
 */
export async function readHistory(path: string): Promise<HistoryStep[]> {
  const records = await readMetrics(path);
  const stray = records.findIndex(({ step, evaluation }) => typeof step !== 'number' && typeof evaluation !== 'string');
  if (stray >= 0) {
    throw new FormatError(`${path}: record ${stray + 1} has no number 'step'; it is no metrics file of a run`);
  }
  return stepsIn(records);
}

/** The steps among the lines of a metrics file, each with what was found by the validation after it. */
export function stepsIn(records: readonly MetricsRecord[]): HistoryStep[] {
  const numbered = records.flatMap((record) => {
    const { step } = record;
    return typeof step === 'number' ? [{ step, record }] : [];
  });
  const validations = new Map(numbered.flatMap(({ step, record }) => ('validation' in record ? [[step, record]] : [])));
  return numbered.flatMap(({ step, record }) => {
    if ('validation' in record) return [];
    const found = Object.entries(numbersOf(validations.get(step) ?? {})).filter(([name]) => name !== 'validation');
    return [{ step, values: { ...numbersOf(record), ...Object.fromEntries(found) } }];
  });
}

/** A training step as the report shows it. */
export function historyStep(record: StepRecord): HistoryStep {
  const { step, lr, eps } = record;
  return { step, values: { lr, eps, ...termsOf(record) } };
}

function numbersOf(record: MetricsRecord): Record<string, number> {
  const numbers = Object.entries(record).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  return Object.fromEntries(numbers.filter(([name]) => name !== 'step'));
}
