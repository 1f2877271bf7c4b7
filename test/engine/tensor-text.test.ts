import { afterAll, beforeAll, expect, it } from 'vitest';
import { tensor, zeros, type Device } from '../../engine/index.js';
import { INSPECT } from '../../engine/tensor.js';
import { testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

it('a tensor prints as its dtype and shape, also after it is freed', () => {
  const matrix = tensor([1, 2, 3, 4], { device, shape: [2, 2] });
  expect(String(matrix)).toBe('Tensor(f32, [2, 2])');
  expect(device.scope(() => String(zeros([], { device, dtype: 'i32' })))).toBe('Tensor(i32, [])');
  expect(INSPECT).toBe(Symbol.for('nodejs.util.inspect.custom'));
  matrix.dispose();
  expect(matrix[INSPECT]()).toBe('Tensor(f32, [2, 2])');
});
