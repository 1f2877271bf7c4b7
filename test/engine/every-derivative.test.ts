import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../engine/index.js';
import { everyCheckAndComposition } from '../support/compositions/index.js';
import { testDevice } from '../support/device.js';
import { arraysOf, derivativeErrors, forwardError, uploadAll, type RecordCheck } from '../support/records.js';
import { isRefused } from '../support/refused.js';
import { FIRST, FORWARD, HALF, SECOND } from '../support/tolerances.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const checks = everyCheckAndComposition();

describe('every differentiable op has the derivatives of its definition', () => {
  const differentiable = checks.filter(
    ({ op, draws }) => op.differentiable && draws.some(({ dtype }) => dtype === 'f32'),
  );
  it.each(differentiable)('$name', async (check) => {
    if (isRefused(device, check)) return;
    await device.scope(async () => {
      const { first, second } = await derivativeErrors(device, check, arraysOf(check));
      expect(first).toBeLessThanOrEqual(check.half ? HALF : FIRST);
      expect(second).toBeLessThanOrEqual(SECOND);
    });
  });
});

describe('every op of several inputs takes one tensor for all of them', () => {
  const aliasing = checks.filter(
    ({ shapes, draws }) =>
      shapes.length > 1 && shapes.every((shape) => shape.join() === shapes[0]?.join()) && new Set(draws).size === 1,
  );
  it.each(aliasing)('$name', async (check) => {
    const [array] = arraysOf(check);
    if (!array) throw new RangeError('no input');
    const same: RecordCheck = {
      ...check,
      shapes: check.shapes.slice(0, 1),
      draws: check.draws.slice(0, 1),
      call: ([x]) => check.call(check.shapes.flatMap(() => x ?? [])),
      definitions: check.definitions.map(
        (definition) =>
          ([x]) =>
            definition(check.shapes.flatMap(() => x ?? [])),
      ),
    };
    if (isRefused(device, check)) return;
    await device.scope(async () => {
      expect(await forwardError(same, uploadAll(device, same, [array]), [array])).toBeLessThanOrEqual(FORWARD);
      // Where both operands are equal a comparison, a maximum or a minimum has no derivative.
      if (!check.op.differentiable || TIES.has(check.op.name)) return;
      const { first, second } = await derivativeErrors(device, same, [array]);
      expect(first).toBeLessThanOrEqual(FIRST);
      expect(second).toBeLessThanOrEqual(SECOND);
    });
  });
});

const TIES = new Set(['maximum', 'minimum']);
