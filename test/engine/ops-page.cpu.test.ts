import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { registeredOps } from '../../engine/index.js';
import { recordCells } from '../support/ops-page.js';

const page = readFileSync(join(import.meta.dirname, '../../docs/ops.md'), 'utf8');

/** The cells of each line of the table, by op. */
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

describe('docs/ops.md', () => {
  it('has the ops that there are; `npm run docs:ops` writes it', () => {
    expect([...rows.keys()]).toEqual([...registeredOps.keys()]);
  });

  it.each([...registeredOps.values()].map((op) => ({ name: op.name, op })))(
    '$name as its record has it, without a gap',
    ({ name, op }) => {
      const cells = rows.get(name) ?? [];
      expect(cells.slice(0, 4)).toEqual(recordCells(op));
      const errors = cells.slice(5).map(Number);
      const expected = op.differentiable ? [2e-6, 2e-5, 1e-4, 2e-6, 2e-5, 1e-4] : [2e-6, NaN, NaN, 2e-6, NaN, NaN];
      expect(errors).toHaveLength(expected.length);
      errors.forEach((error, column) => {
        const most = expected[column] ?? NaN;
        if (Number.isNaN(most)) expect(error).toBeNaN();
        else expect(error).toBeLessThanOrEqual(most);
      });
    },
  );
});
