import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { registeredOps, type Device, type InputDraw } from '../../engine/index.js';
import { arbitraries } from '../support/arbitraries/index.js';
import type { DrawnCall } from '../support/arbitraries/shapes.js';
import { testDevice } from '../support/device.js';
import { arraysOf, derivativeErrors, forwardError, uploadAll, type RecordCheck } from '../support/records.js';
import type { NdArray } from '../support/reference.js';
import { references } from '../support/references/index.js';
import { FIRST, FORWARD, SECOND } from '../support/tolerances.js';
import { spreadFloats } from '../support/values.js';

/** `npm run test:fuzz` draws more, from a seed of its own. */
const CASES = Number(import.meta.env['BULWARK_FUZZ_CASES'] ?? 300);
const SEED = Number(import.meta.env['BULWARK_FUZZ_SEED'] ?? 1);

/** Inputs of up to as many elements have their second derivatives taken. */
const THOROUGH = 24;

/** Calls that one device sees: each has kernels of its own, and drivers give their memory back with the device. */
const CALLS_PER_DEVICE = 300;

/** Wider than the steps that differences are taken with. */
const MARGIN = 0.002;

/** The same values, but for those too near to where the op is not smooth. */
function smoothed(arrays: readonly NdArray[], { draws }: RecordCheck, { kinks = [], apart }: DrawnCall): NdArray[] {
  const off = (value: number): number => {
    const kink = kinks.find((each) => Math.abs(value - each) < MARGIN);
    return kink === undefined ? value : kink + 2 * MARGIN * (value < kink ? -1 : 1);
  };
  // On two lattices that do not meet.
  const onLattice = (value: number, input: number): number => (Math.round(value * 64) + 0.25 + 0.5 * input) / 64;
  return arrays.map(({ shape, data }, input) => {
    if (draws[input]?.dtype !== 'f32') return { shape, data };
    if (apart) return { shape, data: data.map((value) => onLattice(value, input)) };
    return { shape, data: input === 0 ? data.map(off) : data };
  });
}

const drawn = fc.constantFrom(...Object.keys(arbitraries)).chain((name) => {
  const drawing = arbitraries[name];
  if (!drawing) throw new RangeError(`nothing is drawn for ${name}`);
  return fc.record({ name: fc.constant(name), drawing, seed: fc.integer({ min: 1, max: 1_000_000 }) });
});

describe('drawn at random', () => {
  it('are all ops that there are', () => {
    expect([...registeredOps.keys()].filter((name) => !(name in arbitraries))).toEqual([]);
    expect(Object.keys(arbitraries).filter((name) => !registeredOps.has(name))).toEqual([]);
  });

  const portions = Array.from({ length: Math.ceil(CASES / CALLS_PER_DEVICE) }, (_, index) => ({
    from: index * CALLS_PER_DEVICE + 1,
    to: Math.min((index + 1) * CALLS_PER_DEVICE, CASES),
    seed: SEED + index,
  }));

  it.each(portions)(
    'calls $from to $to compute their definitions and the derivatives of these (seed $seed)',
    async ({ from, to, seed: portionSeed }) => {
      const device = await testDevice();
      const property = fc.asyncProperty(drawn, async ({ name, drawing, seed }) => {
        await expectDefined(device, name, drawing, seed);
      });
      try {
        await fc.assert(property, { numRuns: to - from + 1, seed: portionSeed, endOnFailure: false });
      } finally {
        device.destroy();
      }
    },
    600_000,
  );
});

/** Fails unless the op computes its definition, and its derivatives, for the values of a seed. */
async function expectDefined(device: Device, name: string, drawing: DrawnCall, seed: number): Promise<void> {
  const { shapes, attrs, draws } = drawing;
  const [op, definition] = [registeredOps.get(name), references[name]];
  if (!op || !definition) throw new RangeError(`${name} has no record or no definition`);
  const bound = definition(attrs as never);
  const usual: InputDraw = { dtype: 'f32', range: op.domain };
  const check: RecordCheck = {
    op,
    name,
    shapes,
    draws: shapes.map((_, index) => draws?.[index] ?? usual),
    call: (inputs) => op.call(inputs, attrs),
    half: false,
    definitions: typeof bound === 'function' ? [bound] : bound,
  };
  const arrays = smoothed(arraysOf(check, seed, spreadFloats), check, drawing);
  await device.scope(async () => {
    expect(await forwardError(check, uploadAll(device, check, arrays), arrays)).toBeLessThanOrEqual(FORWARD);
    if (!op.differentiable) return;
    const { first, second } = await derivativeErrors(device, check, arrays, THOROUGH);
    expect(first).toBeLessThanOrEqual(FIRST);
    expect(second).toBeLessThanOrEqual(SECOND);
  });
}
