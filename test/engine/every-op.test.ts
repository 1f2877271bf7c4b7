import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as engine from '../../engine/index.js';
import { LimitError, registeredOps, type Device } from '../../engine/index.js';
import { compositions } from '../support/compositions/index.js';
import { checksOfComposition } from '../support/compositions/composition.js';
import { testDevice } from '../support/device.js';
import {
  arraysOf,
  checksOf,
  derivativeErrors,
  everyCheck,
  forwardError,
  uploadAll,
  uploadTransposed,
  type RecordCheck,
} from '../support/records.js';
import { references } from '../support/references/index.js';

/** f32 transcendental functions of the software adapters err by a few ulp: 2e-6 relative leaves a factor of about 8. */
const FORWARD = 2e-6;
/** Products of up to four such factors in first derivatives, eight in second. */
const FIRST = 2e-5;
const SECOND = 1e-4;
/** One rounding to f16. */
const HALF = 2 ** -11;

let device: Device;
let another: Device;
beforeAll(async () => {
  device = await testDevice();
  another = await testDevice();
});
afterAll(() => {
  device.destroy();
  another.destroy();
});

const checks = [...everyCheck(), ...compositions.flatMap(checksOfComposition)];
const firstOfOps = new Set(new Map(checks.toReversed().map((check) => [check.op.name, check])).values());

describe('the records', () => {
  it('have a definition and samples each, and no definition is left over', () => {
    const lacking = [...registeredOps.values()].filter(
      ({ name, samples }) => !(name in references) || samples.length === 0,
    );
    expect(lacking.map(({ name }) => name)).toEqual([]);
    expect(Object.keys(references).filter((name) => !registeredOps.has(name))).toEqual([]);
  });

  it('of differentiable ops have a sample small enough for second derivatives', () => {
    const size = ({ shapes }: RecordCheck): number =>
      shapes.reduce((total, shape) => total + shape.reduce((product, extent) => product * extent, 1), 0);
    const lacking = [...registeredOps.values()].filter(
      (op) => op.differentiable && !checksOf(op).some((check) => size(check) > 0 && size(check) <= 300),
    );
    expect(lacking.map(({ name }) => name)).toEqual([]);
  });
});

describe('the functions that compute tensors', () => {
  /** What makes tensors, differentiates, or looks after them; tested by files of their own. */
  const others =
    'tensor zeros ones full arange zerosLike onesLike rand randn manualSeed generatorOf ' +
    'grad backward noGrad enableGrad vjp jvp jacobian batchJacobian checkpoint compile customOp gradcheck gradgradcheck ' +
    'detectAnomaly profile keep apply applyOne defineOp defineKernel foldWorkgroups strideWorkgroups ' +
    'tune useVariantStore indexedDBVariants adapterKey';
  /** Other ways to call ops that have a record or stand in the list of compositions. */
  const variants = 'mutualInformationParts mutualInformationComposed boostedCrossEntropyComposed';

  it('have a record or are among the compositions, each', () => {
    const known = new Set([...registeredOps.keys(), ...compositions.map(({ name }) => name)]);
    const functions = Object.entries(engine).filter(
      ([name, value]) => typeof value === 'function' && /^[a-z]/.test(name),
    );
    const rest = functions.map(([name]) => name).filter((name) => !known.has(name));
    expect(rest.sort()).toEqual(`${others} ${variants}`.split(' ').sort());
  });
});

describe('every op computes its definition', () => {
  it.each(checks)('$name', async (check) => {
    const arrays = arraysOf(check);
    const results = [];
    if (isRefused(check)) return;
    // The first run compiles; later ones reuse pipelines, bind groups and memory.
    for (let run = 0; run < 3; run++) {
      await device.scope(async () => {
        const inputs = uploadAll(device, check, arrays);
        expect(await forwardError(check, inputs, arrays)).toBeLessThanOrEqual(check.half ? HALF : FORWARD);
        results.push(await bitsOf(check, inputs));
      });
    }
    results.push(await device.scope(() => bitsOf(check, uploadTransposed(device, check, arrays))));
    // Another device compiles everything anew, which takes most of the time.
    if (firstOfOps.has(check))
      results.push(await another.scope(() => bitsOf(check, uploadAll(another, check, arrays))));
    for (const result of results) expect(result).toEqual(results[0]);
  });
});

describe('every differentiable op has the derivatives of its definition', () => {
  const differentiable = checks.filter(
    ({ op, draws }) => op.differentiable && draws.some(({ dtype }) => dtype === 'f32'),
  );
  it.each(differentiable)('$name', async (check) => {
    if (isRefused(check)) return;
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
    if (isRefused(check)) return;
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

/** Whether this adapter lacks what the check needs; the op has to say so then. */
function isRefused(check: RecordCheck): boolean {
  if (!check.half || device.caps.f16) return false;
  expect(() => check.call(uploadAll(device, check, arraysOf(check)))).toThrow(LimitError);
  return true;
}

const TIES = new Set(['maximum', 'minimum']);

/** Every word of every output that has a definition. */
async function bitsOf(check: RecordCheck, inputs: Parameters<RecordCheck['call']>[0]): Promise<number[][]> {
  const outputs = check.call(inputs);
  const words = [];
  for (const output of outputs.slice(0, check.definitions.length)) {
    const { buffer, byteOffset, byteLength } = await output.data();
    words.push([...new Uint8Array(buffer, byteOffset, byteLength)]);
  }
  return words;
}
