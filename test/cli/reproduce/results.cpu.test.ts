import { readFile } from 'node:fs/promises';
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { wilson } from '../../../adversarial/statistics.js';
import { planTable, type Plan } from '../../../cli/reproduce/plan.js';
import { formatLong, runTable, totalOf } from '../../../cli/reproduce/plan-text.js';
import { cellsOf, findingsOf, type Outcome } from '../../../cli/reproduce/results.js';
import { writeTable } from '../../../cli/reproduce/table-files.js';
import { alertsOf, cellRows, gridRows } from '../../../cli/reproduce/table-text.js';
import { paperTable, type ColumnName, type TableName } from '../../../cli/reproduce/tables.js';
import { inTemporaryFolder } from '../run.js';

inTemporaryFolder();

function planOf(name: TableName, options: { seeds?: number; scale?: number; only?: string[] } = {}): Plan {
  return planTable(paperTable(name), { scale: 1, seeds: 1, seed: 0, substitute: 'plain', ...options });
}

/** Outcomes of all runs but the failed one: so many of 100 right in each column, one less from run to run. */
function outcomesOf({ runs, columns }: Plan, right: number, failed = -1): Map<string, Outcome> {
  return new Map(
    runs.map(({ id }, index): [string, Outcome] => {
      if (index === failed) return [id, { failure: 'training diverged' }];
      return [
        id,
        new Map<ColumnName, ReturnType<typeof wilson>>(
          columns.map(({ column }) => [column, wilson(right - index, 100)]),
        ),
      ];
    }),
  );
}

describe('cellsOf', () => {
  it('gives one run with its Wilson interval, and the difference from the paper', () => {
    const plan = planOf('table5', { only: ['mart'] });
    const [natural, fgsm] = cellsOf(plan, outcomesOf(plan, 80));
    const { low, high } = wilson(80, 100);
    expect(natural).toMatchObject({
      row: 'mart',
      column: 'natural',
      ours: 80,
      paper: 82.17,
      low: 100 * low,
      high: 100 * high,
    });
    expect(natural?.difference).toBeCloseTo(-2.17, 10);
    expect(fgsm?.difference).toBeCloseTo(21.5, 10);
  });

  it('gives several seeds as their mean and range', () => {
    const plan = planOf('table5', { only: ['mart'], seeds: 3 });
    const cells = cellsOf(plan, outcomesOf(plan, 82));
    expect(cells[0]).toMatchObject({ ours: 81, low: 80, high: 82 });
    expect(cells[0]?.runs.map(({ seed }) => seed)).toEqual([0, 1, 2]);
    expect(cellRows(plan, cells)[1]).toEqual(['mart', 'natural', '81.0 % (80.0 to 82.0, 3 seeds)', '82.17', '-1.2']);
  });

  it('gives rows that were not measured without numbers of ours', () => {
    const plan = planOf('table8');
    const cells = cellsOf(plan, new Map());
    expect(cells).toHaveLength(24);
    expect(cells[0]).toMatchObject({ ours: undefined, difference: undefined, paper: 99.4, runs: [] });
    expect(cellRows(plan, cells)[1]).toEqual(['standard-at', 'natural', '-', '99.40', '-']);
    expect(gridRows(plan, cells)[1]?.slice(0, 2)).toEqual(['standard-at', '- (99.40)']);
  });

  it('shows a run that two rows share in both', () => {
    const plan = planOf('table2', { only: ['0.4'] });
    const shared = cellsOf(planOf('table5'), outcomesOf(plan, 54));
    expect(shared.filter(({ ours }) => ours === 54).map(({ row, column }) => `${row} ${column}`)).toEqual([
      'mimae-at natural',
      'mimae-at pgd20',
    ]);
  });
});

describe('findingsOf', () => {
  it('says which rows failed, and which are no better than chance', () => {
    const plan = planOf('table8');
    const outcomes = outcomesOf(plan, 13, 1);
    const findings = findingsOf(plan, cellsOf(plan, outcomes), outcomes);
    expect(findings).toEqual([
      expect.stringMatching(/^standard-at: natural images are recognised no better than by chance.*predictions$/),
      'trades, seed 0: training diverged',
      expect.stringMatching(/^mart: .*predictions$/),
      expect.stringMatching(/^mimae-at: .*--pair-reduction mean leaves them sooner$/),
    ]);
    const good = outcomesOf(plan, 95);
    expect(findingsOf(plan, cellsOf(plan, good), good)).toEqual([]);
  });
});

describe('writeTable', () => {
  it('writes the numbers, what is doubtful, and first of all what was made smaller', async () => {
    const plan = planOf('table8', { scale: 0.02 });
    const outcomes = outcomesOf(plan, 95);
    const cells = cellsOf(plan, outcomes);
    const path = await writeTable('there', {
      plan,
      cells,
      findings: ['a <finding>'],
      environment: { adapter: 'none' },
    });
    expect(path).toBe('there/table8-scale-0.02');
    const markdown = await readFile(`${path}/table.md`, 'utf8');
    const [title, , alert, , change] = markdown.split('\n');
    expect(title).toBe('# Table 8: white box, MNIST, 4-layer CNN');
    expect(alert).toMatch(/^\*\*NO REPRODUCTION: this was run at scale 0\.02;/);
    expect(change).toBe('**changed: training images: 1200 instead of 60000**');
    expect(markdown).toContain('| standard-at | 95.0 (99.40) | 95.0 (98.60) |');
    expect(markdown).toContain('|  | PGD-40 | 95.0 % (88.8 to 97.8) | 45.57 | +49.4 |');
    expect(markdown).toContain('- Training takes 10 steps of 0.01 within 0.3');
    const text = await readFile(`${path}/table.html`, 'utf8');
    const { document } = parseHTML(text);
    expect(text.replaceAll('http://www.w3.org/', '')).not.toMatch(/<script|<link|https?:\/\//);
    expect(document.querySelector('h1')?.nextElementSibling?.textContent).toContain('NO REPRODUCTION');
    expect(document.querySelectorAll('table').length).toBe(4);
    expect(text).toContain('a &lt;finding&gt;');
    const results = JSON.parse(await readFile(`${path}/results.json`, 'utf8')) as Record<string, unknown>;
    expect(results).toMatchObject({ table: 'table8', reproduction: false, samples: 200, substitute: null });
    expect(results['cells']).toEqual(JSON.parse(JSON.stringify(cells)));
  });

  it('has no alert where nothing was changed', () => {
    expect(alertsOf(planOf('table8'))).toEqual([]);
    expect(
      alertsOf(
        planTable(paperTable('table5'), { scale: 1, seeds: 1, seed: 0, substitute: 'plain', dataset: 'shapes32' }),
      ),
    ).toEqual([
      expect.stringContaining('NO REPRODUCTION: this was run on other data'),
      'changed: dataset: shapes32 instead of cifar10',
    ]);
  });
});

describe('the plan in words', () => {
  it('says what is left to do of each run, and for how long', () => {
    const plan = planOf('table9', { only: ['mart', 'mimae-at'] });
    const [substitute, mart] = plan.runs;
    if (!substitute || !mart) throw new Error('table 9 has a substitute and rows');
    const work = [
      { run: substitute, train: true, columns: [] },
      { run: mart, train: false, columns: plan.columns.slice(1) },
    ];
    const estimates = [
      { run: substitute, training: 86_400 * 3, evaluation: 0 },
      { run: mart, training: 0, evaluation: 61 },
    ];
    const lines = runTable(plan, work, estimates)
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    expect(lines.slice(2)).toEqual([
      [`1 ${substitute.name}`, 'substitute', 'train', '3.0 days', '0:00'],
      [`2 ${mart.name}`, 'mart', 'measure 2 of 3 columns', '0:00', '1:01'],
      [`3 ${plan.runs[2]?.name ?? ''}`, 'mimae-at', 'nothing', '-', '-'],
    ]);
    expect(totalOf(estimates)).toBe('3.0 days');
    expect([59, 3600, 86_400].map(formatLong)).toEqual(['0:59', '1:00:00', '24:00:00']);
  });
});
