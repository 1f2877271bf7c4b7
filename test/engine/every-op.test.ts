import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as engine from '../../engine/index.js';
import { registeredOps, type Device } from '../../engine/index.js';
import { compositions, everyCheckAndComposition } from '../support/compositions/index.js';
import { ownDevice, testDevice } from '../support/device.js';
import { arraysOf, checksOf, forwardError, uploadAll, uploadTransposed, type RecordCheck } from '../support/records.js';
import { isRefused } from '../support/refused.js';
import { references } from '../support/references/index.js';
import { FORWARD, HALF } from '../support/tolerances.js';

let device: Device;
let another: Device;
beforeAll(async () => {
  device = await testDevice();
  another = await ownDevice();
});
afterAll(() => {
  device.destroy();
  another.destroy();
});

const checks = everyCheckAndComposition();
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
    if (isRefused(device, check)) return;
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
