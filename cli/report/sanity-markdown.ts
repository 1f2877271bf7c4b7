import type { AccuracyCurve } from '../../adversarial/accuracy-curve.js';
import type { SanityReport } from '../../adversarial/sanity.js';
import type { SanityCheck, Verdict } from '../../adversarial/sanity-checks.js';
import { accuraciesOf } from '../history.js';
import { formatProportion } from '../table.js';

/** How verdicts are written. */
export const VERDICT_WORDS: Readonly<Record<Verdict, string>> = { pass: 'pass', look: 'look', fail: 'FAIL' };

/** Example numbers that are listed for a check. */
const LISTED = 20;

/** What the checks found, the accuracies behind them and the curves, as a page of Markdown. */
export function sanityMarkdown(title: string, { checks, evaluation, curve, stepsCurve }: SanityReport): string {
  const { dataset, size } = evaluation;
  return [
    `# ${title}`,
    '',
    `On ${size} examples of ${dataset}.`,
    '',
    ...table(
      ['', 'check', 'finding', 'what to do'],
      checks.map((check) => [
        VERDICT_WORDS[check.verdict],
        check.name,
        check.finding + listed(check),
        check.verdict === 'pass' ? '' : check.advice,
      ]),
    ),
    '## Accuracies',
    '',
    ...table(
      ['images', 'accuracy, with its 95 % interval'],
      Object.entries(accuraciesOf(evaluation)).map(([name, accuracy]) => [name, formatProportion(accuracy)]),
    ),
    ...[curve, stepsCurve].flatMap(curveLines),
  ].join('\n');
}

function listed({ examples = [], verdict }: SanityCheck): string {
  if (examples.length === 0 || verdict === 'pass') return '';
  return ` (no. ${examples.slice(0, LISTED).join(', ')}${examples.length > LISTED ? ', ...' : ''})`;
}

function curveLines({ setting, points }: AccuracyCurve): string[] {
  return [
    `## Accuracy under PGD against ${setting}`,
    '',
    ...table(
      [setting, 'accuracy, with its 95 % interval'],
      points.map(({ value, accuracy }) => [String(value), formatProportion(accuracy)]),
    ),
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''];
}
