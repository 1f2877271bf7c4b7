import { afterEach, describe, expect, it, vi } from 'vitest';
import type * as Checkpoint from '../../../cli/checkpoint.js';
import { buildModel } from '../../../cli/checkpoint.js';
import { RunDevice } from '../../../cli/device.js';
import { estimate, type PendingWork } from '../../../cli/reproduce/estimate.js';
import { planTable, type PlannedRun } from '../../../cli/reproduce/plan.js';
import { paperTable } from '../../../cli/reproduce/tables.js';
import { Dataset } from '../../../data/dataset.js';

vi.mock('../../../cli/checkpoint.js', async (original) => {
  const actual = await original<typeof Checkpoint>();
  return { ...actual, buildModel: vi.fn(actual.buildModel) };
});
afterEach(() => {
  vi.mocked(buildModel).mockClear();
});

const training = new Dataset({
  name: 'gray',
  images: new Uint8Array(2 * 28 * 28),
  labels: [0, 1],
  shape: [2, 1, 28, 28],
  classes: 10,
});

/** A run with a network of this width. */
function withWidth(run: PlannedRun, width: number): PlannedRun {
  const { model } = run.config;
  return { ...run, config: { ...run.config, model: { ...model, options: { ...model.options, width } } } };
}

describe('estimate', () => {
  const table = { ...paperTable('table8'), substitute: 'cnn4' };
  const plan = planTable(table, { scale: 1, seeds: 1, seed: 0, substitute: 'plain', only: ['standard-at'] });
  const [planned] = plan.rows.flatMap(({ runs }) => runs);
  if (!planned || !plan.substitute) throw new Error('the table has a row and a substitute');
  const run = withWidth(planned, 0.1);
  const substitute = withWidth(plan.substitute, 0.2);

  it('measures attacks on the network that they are made on, and what is left of a training', async () => {
    using device = await RunDevice.open(undefined);
    const widths = async (columns: PendingWork['columns'], made: typeof substitute | undefined): Promise<unknown[]> => {
      vi.mocked(buildModel).mockClear();
      const work = [{ run, steps: undefined, columns }];
      await estimate({ samples: 10, substitute: made }, work, { device: device.device, training });
      // The first ones are those whose steps are measured.
      return vi
        .mocked(buildModel)
        .mock.calls.map(([{ options }]) => options['width'])
        .slice(1);
    };
    const [natural, fgsm] = plan.columns;
    if (!natural || !fgsm) throw new Error('the table has columns');
    expect(await widths([fgsm], undefined)).toEqual([0.1]);
    expect(await widths([fgsm], substitute)).toEqual([0.2]);
    expect(await widths([natural, fgsm], substitute)).toEqual([0.1, 0.2]);
    expect(await widths([], substitute)).toEqual([]);
    const left = (steps: number | undefined): PendingWork => ({ run, steps, columns: [] });
    const [all, half, none] = await estimate(
      { samples: 10, substitute: undefined },
      [left(8), left(4), left(undefined)],
      {
        device: device.device,
        training,
      },
    );
    expect(all?.training).toBeGreaterThan(0);
    expect(half?.training).toBe((all?.training ?? 0) / 2);
    expect(none?.training).toBe(0);
  });
});
