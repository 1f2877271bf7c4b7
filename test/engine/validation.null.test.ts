import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adversarialStep, mimaeAT, pgd, type Model } from '../../adversarial/index.js';
import { Generator, keep, zeros, type Device, type Tensor } from '../../engine/index.js';
import { SGD, cnn4 } from '../../nn/index.js';
import { ownDevice } from '../support/device.js';
import { arraysOf, everyCheck, uploadAll } from '../support/records.js';

/** Dawn's null backend validates everything and computes nothing: shapes, bindings, limits and counts, with no driver. */
let device: Device;
beforeAll(async () => {
  device = await ownDevice();
});
afterAll(() => {
  device.destroy();
});

describe('WebGPU accepts', () => {
  it.each(everyCheck())('$name', async (check) => {
    device.scope(() => {
      check.call(uploadAll(device, check, arraysOf(check)));
    });
    await device.sync();
  });

  it('training steps, with the same counts and memory each time', async () => {
    const model = cnn4({ device, generator: new Generator(1), width: 0.25, init: 'kaimingNormal', dropout: 0 });
    const parameters = model.parameters();
    const optimizer = new SGD(parameters, { lr: 0.01, momentum: 0.9 });
    const x = keep(zeros([20, 1, 28, 28], { device }));
    const labels = keep(zeros([20], { device, dtype: 'i32' }));
    const objective = mimaeAT({ lambda: 0.4, beta: 0.1 });
    const attack = (of: Model, images: Tensor, y: Tensor): Tensor =>
      pgd(of, images, y, { eps: 0.2, stepSize: 0.05, steps: 3 });
    const step = async () => {
      const before = { ...device.counters };
      device.scope(() => {
        optimizer.step(adversarialStep({ model, parameters, objective, attack, x, labels }).gradients);
      });
      await device.sync();
      const { dispatches, submits, buffers, pipelines, readbacks } = device.counters;
      return {
        dispatches: dispatches - before.dispatches,
        submits: submits - before.submits,
        buffers: buffers - before.buffers,
        pipelines: pipelines - before.pipelines,
        readbacks: readbacks - before.readbacks,
        memory: device.memory(),
      };
    };
    await step();
    await step();
    const third = await step();
    expect(third).toMatchObject({ submits: 1, buffers: 0, pipelines: 0, readbacks: 0 });
    expect(await step()).toEqual(third);
    expect(await step()).toEqual(third);
  });

  it('every kernel without a word from the compiler', async () => {
    expect(await device.kernelMessages()).toEqual([]);
  });
});

describe('shaders/', () => {
  it('holds only kernels that say what they compute', () => {
    const folder = join(import.meta.dirname, '../../shaders');
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.wgsl'))) {
      expect(readFileSync(join(folder, file), 'utf8').startsWith('// '), file).toBe(true);
    }
  });
});
