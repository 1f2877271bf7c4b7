import { afterAll, beforeAll, describe, it } from 'vitest';
import { grad, tensor, type Device } from '../../engine/index.js';
import { conv2d } from '../../engine/ops/conv.js';
import { testDevice } from '../support/device.js';
import { expectGolden, goldenTolerance, loadGolden, type GoldenCase } from '../support/golden.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const cases = loadGolden('ops').cases.filter((golden) => golden.op === 'conv2d');

describe('conv2d against PyTorch', () => {
  it.each(cases.map((golden): [string, GoldenCase] => [golden.id, golden]))('%s', async (id, golden) => {
    await device.scope(async () => {
      const load = (name: string) => tensor(golden.floats(name), { shape: golden.input(name).shape, device });
      const [x, weight, dy] = [load('x').requireGrad(), load('w').requireGrad(), load('dy')];
      const bias = golden.inputs.has('b') ? load('b').requireGrad() : null;
      const y = conv2d(x, weight, bias, {
        stride: golden.number('stride'),
        padding: golden.number('padding'),
        dilation: golden.number('dilation'),
        groups: golden.number('groups'),
      });
      const gradients = grad(y, bias ? [x, weight, bias] : [x, weight], { gradOutput: dy });
      expectGolden(await y.data(), golden.output('y'), goldenTolerance.ops, `${id} y`);
      for (const [index, name] of (bias ? ['d_x', 'd_w', 'd_b'] : ['d_x', 'd_w']).entries()) {
        expectGolden((await gradients[index]?.data()) ?? [], golden.output(name), goldenTolerance.ops, `${id} ${name}`);
      }
    });
  });
});
