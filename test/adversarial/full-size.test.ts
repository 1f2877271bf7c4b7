/** Whole networks, narrowed: what `npm run full-size` does with them at their full size. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { FULL_SIZE_TERMS, FullSizeRun } from '../support/full-size.js';
import { expectGolden, goldenTolerance, loadGolden } from '../support/golden.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const { cases } = loadGolden('full_size');
const modes = cases
  .filter((golden) => golden.number('size') < 32)
  .flatMap((golden) => (['eager', 'captured'] as const).map((mode) => ({ id: golden.id, golden, mode })));

describe('three steps of MIMAE-AT with a whole network', () => {
  it('have references of both networks, narrowed and at their full size', () => {
    expect(cases.map(({ id, attrs }) => [id, attrs['param_count']])).toEqual([
      ['resnet-narrow', 78_002],
      ['wrn-10-1', 77_850],
      ['resnet18', 11_173_962],
      ['wrn-34-10', 46_160_474],
    ]);
  });

  it.each(modes)('have the losses of $id, $mode', async ({ golden, mode }) => {
    const run = new FullSizeRun(golden, device);
    expect(run.parameterCount).toBe(golden.number('param_count'));
    for (let step = 1; step <= golden.number('steps'); step++) {
      const losses = await run.step(mode);
      for (const term of FULL_SIZE_TERMS) {
        const key = `step${step}.${term}`;
        expectGolden(losses[term], golden.output(key), goldenTolerance.mimaeStep, key);
      }
    }
    run.dispose();
  });
});
