import { afterEach, describe, expect, it, vi } from 'vitest';
import { Trainer, mimaeAT } from '../../adversarial/index.js';
import { Dataset } from '../../data/dataset.js';
import {
  DeviceLostError,
  Generator,
  KernelError,
  LimitError,
  defineKernel,
  grad,
  keep,
  mul,
  profile,
  sum,
  tensor,
  zeros,
  type Device,
} from '../../engine/index.js';
import { SGD, cnn4 } from '../../nn/index.js';
import { ownDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

const devices: Device[] = [];
async function newDevice(): Promise<Device> {
  const device = await ownDevice();
  devices.push(device);
  return device;
}
afterEach(() => {
  for (const device of devices.splice(0)) device.destroy();
});

describe('a broken kernel', () => {
  it('is a KernelError at the next await, with its name and the compiler’s word, once', async () => {
    const device = await newDevice();
    const x = zeros([4], { device });
    const kernel = defineKernel({ name: 'broken', source: 'fn main() -> nonsense {}', bindings: ['write'] });
    device.dispatch({ kernel, buffers: [x.range], workgroups: [1] });
    const failing = device.sync();
    await expect(failing).rejects.toThrow(KernelError);
    await expect(failing).rejects.toThrow(/broken|nonsense/);
    // What was recorded with it is lost; the device goes on.
    expect(await tensor([1, 2], { device }).add(1).toArray()).toEqual([2, 3]);
  });

  it('is known however long the news that the work is over took', async () => {
    const device = await newDevice();
    const { queue } = device.gpu;
    const waited = queue.onSubmittedWorkDone.bind(queue);
    for (let turns = 0; turns < 12; turns++) {
      vi.spyOn(queue, 'onSubmittedWorkDone').mockImplementationOnce(async () => {
        await waited();
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        return undefined;
      });
      const kernel = defineKernel({ name: `broken ${turns}`, source: 'fn main() -> nonsense {}', bindings: ['write'] });
      device.dispatch({ kernel, buffers: [zeros([1000 * (turns + 1)], { device }).range], workgroups: [1] });
      await expect(device.sync()).rejects.toThrow(KernelError);
    }
  });

  it('of impossible size is a LimitError before anything is recorded', async () => {
    const device = await newDevice();
    const x = zeros([4], { device });
    const kernel = defineKernel({
      name: 'wide',
      source: '@compute @workgroup_size(1) fn main() {}',
      bindings: ['write'],
    });
    const { dispatches } = device.counters;
    expect(() => {
      device.dispatch({ kernel, buffers: [x.range], workgroups: [65_536] });
    }).toThrow(LimitError);
    expect(() => {
      device.dispatch({ kernel, buffers: [x.range], workgroups: [65_536] });
    }).toThrow(/wide: 65536 x 1 x 1 workgroups; each must be from 1 to 65535/);
    expect(device.counters.dispatches).toBe(dispatches);
  });
});

describe('a tensor of more elements than one row of workgroups takes', () => {
  it('is computed whole', async () => {
    const device = await newDevice();
    // One vec4 to an invocation, 64 invocations to a workgroup: this takes more than 65,535 of them where each takes one.
    const size = 4 * 64 * 65_536 + 5;
    const x = tensor([3], { device }).expand([size]);
    const total = sum(mul(x, 2).slice([{ start: size - 7 }]));
    expect(await total.item()).toBe(42);
  });
});

describe('more bindings than a driver holds', () => {
  it('are made, and forgotten', async () => {
    const device = await newDevice();
    const kernel = defineKernel({
      name: 'count',
      source:
        '@group(0) @binding(0) var<storage, read_write> x: array<u32>;\n@compute @workgroup_size(1) fn main() { x[0] += 1u; }',
      bindings: ['write'],
    });
    const x = keep(zeros([4 * 70_000], { device, dtype: 'u32' }));
    const { buffer, offset } = x.range;
    for (let length = 1; length <= 70_000; length++) {
      device.dispatch({ kernel, buffers: [{ buffer, offset, size: 16 * length }], workgroups: [1] });
      if (length % 1000 === 0) await device.sync();
    }
    expect((await x.data())[0]).toBe(70_000);
  });
});

describe('a device that is lost in mid-step', () => {
  it('rejects everything in flight and afterwards, and a new one works', async () => {
    const device = await newDevice();
    const x = keep(tensor(uniformFloats(1000, 1), { device }).requireGrad());
    const reads = Array.from({ length: 3 }, () => {
      const [gradient] = grad(sum(mul(x, x)), [x]);
      return gradient?.data();
    });
    device.destroy();
    const outcomes = await Promise.allSettled([...reads, device.sync(), x.data()]);
    for (const outcome of outcomes.slice(-2)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(DeviceLostError) as unknown });
    }
    // A read that was as good as done may still be fulfilled; none may fail in another way.
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(DeviceLostError);
    }
    expect(() => mul(x, 2)).toThrow(DeviceLostError);
    const another = await newDevice();
    expect(await tensor([1, 2], { device: another }).mul(2).toArray()).toEqual([2, 4]);
  });

  it('is known by what waits for it, before the device says so', async () => {
    const device = await newDevice();
    const x = tensor([1, 2], { device });
    await device.sync();
    const gone = new Error('A valid external Instance reference no longer exists.');
    const wait = vi.spyOn(device.gpu.queue, 'onSubmittedWorkDone').mockRejectedValueOnce(gone);
    const failing = device.sync();
    await expect(failing).rejects.toThrow(DeviceLostError);
    await expect(failing).rejects.toThrow(/^waiting for the GPU failed: .*no longer exists/);
    wait.mockRestore();
    const { buffer } = x.range;
    const read = vi.spyOn(Object.getPrototypeOf(buffer) as GPUBuffer, 'mapAsync').mockRejectedValueOnce(gone);
    await expect(x.data()).rejects.toThrow(/^reading 8 bytes back failed: .*no longer exists/);
    read.mockRestore();
  });

  it('is known to a profile that reads its times, which tells what failed first', async () => {
    const device = await newDevice();
    const x = tensor([1, 2], { device });
    await device.sync();
    const prototype = Object.getPrototypeOf(x.range.buffer) as GPUBuffer;
    const gone = new Error('A valid external Instance reference no longer exists.');
    const read = vi.spyOn(prototype, 'mapAsync').mockRejectedValue(gone);
    const failing = profile(device, () => {
      mul(x, x);
      throw new RangeError('on purpose');
    });
    await expect(failing).rejects.toThrow(RangeError);
    const run = profile(device, () => mul(x, x));
    // Where a device has no timestamps there is nothing to read.
    if (device.gpu.features.has('timestamp-query')) {
      await expect(run).rejects.toThrow(DeviceLostError);
      await expect(run).rejects.toThrow(/^reading timestamps back failed: .*no longer exists/);
    } else await expect(run).resolves.toMatchObject({ dispatches: [{ milliseconds: undefined }] });
    read.mockRestore();
  });

  it('ends a training run with a typed error', async () => {
    const device = await newDevice();
    const { images, labels } = digits(40);
    const trainer = new Trainer({
      model: cnn4({ device, generator: new Generator(1), width: 0.25 }),
      dataset: new Dataset({ name: 'digits', images, labels, shape: [40, 1, 28, 28], classes: 10 }),
      objective: mimaeAT(),
      attack: { eps: 0.1, steps: 2 },
      batchSize: 10,
      steps: 100,
      lr: 0.01,
      logEvery: 1,
    });
    const run = trainer.run({
      onProgress: ({ step }) => {
        if (step === 2) device.destroy();
      },
    });
    await expect(run).rejects.toThrow(DeviceLostError);
  });
});

describe('an exception in every tenth of a thousand steps', () => {
  it('leaves memory as it was, to the byte', async () => {
    const device = await newDevice();
    const w = keep(tensor(uniformFloats(40, 1), { shape: [8, 5], device }).requireGrad());
    const optimizer = new SGD([w], { lr: 0.01, momentum: 0.9 });
    const x = keep(tensor(uniformFloats(24, 2), { shape: [3, 8], device }));
    const step = (number: number): void => {
      device.scope(() => {
        const loss = x.matmul(w).relu().sum();
        if (number % 10 === 9) throw new RangeError('on purpose');
        optimizer.step(grad(loss, [w]));
      });
    };
    const states = [];
    for (let number = 0; number < 1000; number++) {
      if (number % 10 === 9)
        expect(() => {
          step(number);
        }).toThrow(RangeError);
      else step(number);
      if (number % 100 === 99) {
        await device.sync();
        states.push(device.memory());
      }
    }
    expect(new Set(states.map((state) => JSON.stringify(state))).size).toBe(1);
    expect((await w.floats()).every(Number.isFinite)).toBe(true);
  });
});

function digits(count: number): { images: Float32Array<ArrayBuffer>; labels: Int32Array<ArrayBuffer> } {
  return {
    images: uniformFloats(count * 784, 3, 0, 1),
    labels: Int32Array.from({ length: count }, (_, index) => index % 10),
  };
}
