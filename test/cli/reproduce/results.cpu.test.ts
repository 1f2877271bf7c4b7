import { readFile } from 'node:fs/promises';
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { wilson } from '../../../adversarial/statistics.js';
import { planTable, type Plan } from '../../../cli/reproduce/plan.js';
import { formatLong, runTable, totalOf } from '../../../cli/reproduce/plan-text.js';
import { cellsOf, findingsOf, largestShare, type Outcome } from '../../../cli/reproduce/results.js';
import { writeTable } from '../../../cli/reproduce/table-files.js';
import { alertsOf, cellRows, explanationOf, gridRows } from '../../../cli/reproduce/table-text.js';
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

  it('says of how many seeds a number is where one came to nothing', () => {
    const plan = planOf('table5', { only: ['mart'], seeds: 2 });
    const cells = cellsOf(plan, outcomesOf(plan, 80, 1));
    expect(cellRows(plan, cells)[1]?.[2]).toBe('80.0 % (71.1 to 86.7, 1 of 2 seeds)');
    expect(explanationOf(plan)).toContain('the range over them, or of a single one the 95 % interval (Wilson)');
    const three = planOf('table5', { only: ['mart'], seeds: 3 });
    expect(cellRows(three, cellsOf(three, outcomesOf(three, 80, 1)))[1]?.[2]).toBe(
      '79.0 % (78.0 to 80.0, 2 of 3 seeds)',
    );
  });

  it('gives rows that were not measured without numbers of ours', () => {
    const plan = planOf('table8');
    const cells = cellsOf(plan, new Map());
    // Six columns of the paper, and CW-inf with 20 steps.
    expect(cells).toHaveLength(28);
    expect(cells[0]).toMatchObject({ ours: undefined, difference: undefined, paper: 99.4, runs: [] });
    expect(cellRows(plan, cells)[1]).toEqual(['standard-at', 'natural', '-', '99.40', '-']);
    expect(gridRows(plan, cells)[1]?.slice(0, 2)).toEqual(['standard-at', '- (99.40)']);
    expect(gridRows(plan, cells).map((row) => row.length)).toEqual([7, 7, 7, 7, 7]);
    expect(cellRows(plan, cells)[6]).toEqual(['', 'CW-inf, 20 steps', '-', '-', '-']);
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
  /** Of MNIST's test images, those that are a 1. */
  const ONES = 0.1135;

  it('says which rows failed, and which may have learned nothing', () => {
    const plan = planOf('table8');
    expect(findingsOf(plan, outcomesOf(plan, 13, 1), ONES)).toEqual([
      'standard-at, seed 0: of 100 natural images not clearly more are recognised than by always giving the most frequent ' +
        'class (11.3 %)',
      'trades, seed 0: training diverged',
      expect.stringMatching(/^mart, seed 0: .*class \(11\.3 %\)$/),
      expect.stringMatching(
        /^mimae-at, seed 0: .*may have stayed at uniform predictions, .*--pair-reduction mean leaves them sooner$/,
      ),
    ]);
    // Without the pairing its sum can do nothing.
    const unpaired = planOf('table11', { only: ['128'] });
    expect(findingsOf(unpaired, outcomesOf(unpaired, 13), ONES)).toEqual([expect.stringMatching(/class \(11\.3 %\)$/)]);
    expect(findingsOf(plan, outcomesOf(plan, 95), ONES)).toEqual([]);
  });

  it('finds a network that gives one class always, whatever the other seeds came to', () => {
    const plan = planOf('table8', { only: ['mart'], seeds: 2 });
    const outcomes = new Map(
      plan.runs.map(({ id }, index): [string, Outcome] => [
        id,
        new Map([['natural', wilson(index === 0 ? 9900 : 1135, 10_000)]]),
      ]),
    );
    expect(findingsOf(plan, outcomes, ONES)).toEqual([expect.stringMatching(/^mart, seed 1: of 10000 natural images/)]);
  });

  it('counts the images of the most frequent class', () => {
    expect(largestShare({ labels: Int32Array.of(3, 1, 1, 0), size: 4 })).toBe(0.5);
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
      { run: substitute, steps: 10, columns: [] },
      { run: mart, steps: undefined, columns: plan.columns.slice(1) },
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
      [`2 ${mart.name}`, 'mart', 'measure 3 of 4 columns', '0:00', '1:01'],
      [`3 ${plan.runs[2]?.name ?? ''}`, 'mimae-at', 'nothing', '-', '-'],
    ]);
    expect(totalOf(estimates)).toBe('3.0 days');
    expect([59, 3600, 86_400].map(formatLong)).toEqual(['0:59', '1:00:00', '24:00:00']);
  });
});
