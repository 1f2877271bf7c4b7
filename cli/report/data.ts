import type { AccuracyCurve } from '../../adversarial/accuracy-curve.js';
import type { AttackResult, Evaluation, WorstExample } from '../../adversarial/evaluation-tally.js';
import type { HistoryStep } from '../history.js';

/** One model in a report. */
export interface ReportRun {
  /** Names it among the others. */
  readonly name: string;
  /** Its training, as far as it is known. */
  readonly history: readonly HistoryStep[];
  readonly evaluation?: Evaluation | undefined;
  readonly curves?: readonly AccuracyCurve[];
  /** By the names of attacks without gradients, examples that they fool and no attack with gradients does. */
  readonly overlooked?: Readonly<Record<string, readonly WorstExample[]>>;
  /** Settings to list, by name. */
  readonly settings: Readonly<Record<string, string>>;
  /** What was doubtful, in sentences. */
  readonly warnings: readonly string[];
}

/** Something that was expected. */
export interface Finding {
  readonly text: string;
  readonly met: boolean;
  /** What to say of it, in place of 'met' or 'not met'. */
  readonly word?: string;
}

/** Everything that a report shows. */
export interface ReportData {
  readonly title: string;
  /** What this is, in a sentence or two. */
  readonly summary: string;
  /** What was expected, and whether it came true. */
  readonly findings?: readonly Finding[];
  readonly runs: readonly ReportRun[];
  /** What it was computed on and by, by name. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The attack whose examples and joint distribution are shown: the last one asked for. */
export function shownAttack(evaluation: Evaluation | undefined): { name: string; result: AttackResult } | undefined {
  const [name, result] = Object.entries(evaluation?.attacks ?? {}).at(-1) ?? [];
  return name !== undefined && result ? { name, result } : undefined;
}
