import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tensor, type Device } from '../../../engine/index.js';
import { Cnn4, cnn4, mapKeys, readPyTorch, resnet18, stateDictOf, type Module } from '../../../nn/index.js';
import { testDevice } from '../../support/device.js';
import { expectGolden, goldenTolerance } from '../../support/golden.js';
import { EXPECTED, fixture, type ExpectedLogits } from './made-files.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/** The input that PyTorch computed the logits of: see `ExpectedLogits`. */
function inputOf({ shape }: ExpectedLogits): Float32Array<ArrayBuffer> {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  return values.map((_, at) => ((at * 7919) % 257) / 256);
}

const small = (): Module => new Cnn4({ device, channels: [4, 6], hidden: 12 });

describe('a network that PyTorch saved', () => {
  it.each([
    ['cnn4.pt', 'cnn4', small],
    ['cnn4-legacy.pt', 'cnn4', small],
    ['cnn4-deflated.pt', 'cnn4-deflated', () => cnn4({ device, width: 1 / 32 })],
    ['resnet18-parallel.pt', 'resnet18', () => resnet18({ device, width: 1 / 32 })],
  ] as const)("has PyTorch's logits here: %s", async (file, name, make) => {
    const { [name]: expected } = EXPECTED;
    const model = make().eval();
    const { tensors, ignored, supplied } = mapKeys(stateDictOf(await readPyTorch(fixture(file), file)), model);
    expect([ignored, supplied]).toEqual([[], []]);
    model.loadStateDict(tensors);
    const logits = await model.forward(tensor(inputOf(expected), { device, shape: expected.shape })).floats();
    const { norm, f32err } = expected;
    const golden = {
      dtype: 'f64',
      shape: [expected.logits.length],
      data: Float64Array.from(expected.logits),
      norm,
      f32err,
    } as const;
    expectGolden(logits, golden, goldenTolerance.netsEval, file);
    model.dispose();
  });
});
