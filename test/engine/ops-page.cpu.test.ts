import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compositionEntries, opEntries } from '../support/ops-page.js';
import { FIRST, FORWARD, HALF, SECOND } from '../support/tolerances.js';

const page = readFileSync(join(import.meta.dirname, '../../docs/ops.md'), 'utf8');

/** The cells of each line of the tables, by op. */
const rows = new Map(
  page
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => {
      const cells = line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim());
      return [cells[0]?.replaceAll('`', ''), cells] as const;
    }),
);

/** What every-op.test.ts and every-derivative.test.ts allow, for values, first and second derivatives. */
const OF_FULL = [FORWARD, FIRST, SECOND];
const OF_HALF = [HALF, HALF, SECOND];

const entries = [...opEntries(), ...compositionEntries()];

describe('docs/ops.md', () => {
  it('has the ops and functions that there are; `npm run docs:ops` writes it', () => {
    expect([...rows.keys()]).toEqual(entries.map(({ name }) => name));
  });

  it.each(entries)('$name as its record has it, without a gap', ({ name, cells, differentiable, checks }) => {
    const row = rows.get(name) ?? [];
    expect(row.slice(0, cells.length)).toEqual(cells);
    const errors = row.slice(cells.length + 1).map(Number);
    expect(errors).toHaveLength(6);
    const half = checks.every((check) => check.half);
    errors.forEach((error, column) => {
      // The second adapter has no f16; only what has derivatives has errors of them.
      const empty = (half && column >= 3) || (!differentiable && column % 3 > 0);
      if (empty) expect(error).toBeNaN();
      else expect(error).toBeLessThanOrEqual((half ? OF_HALF : OF_FULL)[column % 3] ?? NaN);
    });
  });
});
