import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adversarialStep, mimaeAT, pgd, type Model } from '../../adversarial/index.js';
import {
  CaptureError,
  Generator,
  LimitError,
  add,
  checkpoint,
  compile,
  conv2d,
  conv2dWeightGrad,
  dropout,
  grad,
  keep,
  manualSeed,
  mul,
  rand,
  sum,
  tensor,
  zeros,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import { AdamW, SGD, cnn4, type Optimizer } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const draw = (shape: number[], seed: number): Tensor => {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return tensor(uniformFloats(size, seed, -1, 1), { device, shape });
};

const bits = async (x: Tensor): Promise<number[]> => {
  const { buffer, byteOffset, byteLength } = await x.data();
  return [...new Uint8Array(buffer, byteOffset, byteLength)];
};

describe('compile', () => {
  it('computes what the function computes, to the bit, at every call, and returns its structure', async () => {
    const fn = (x: Tensor, y: Tensor) => ({
      sum: add(x, y),
      product: mul(x, y),
      parts: [x.sub(y).exp()] as [Tensor],
      map: new Map([['z', x.tanh()]]),
      n: 3,
    });
    const compiled = compile(fn, { fuse: false });
    for (let call = 0; call < 10; call++) {
      const [x, y] = [draw([5, 7], call), draw([5, 7], 100 + call)];
      const [got, expected] = [compiled(x, y), fn(x, y)];
      expect(got.n).toBe(3);
      expect(await bits(got.sum)).toEqual(await bits(expected.sum));
      expect(await bits(got.product)).toEqual(await bits(expected.product));
      expect(await bits(got.parts[0])).toEqual(await bits(expected.parts[0]));
      expect(await bits(got.map.get('z') ?? got.sum)).toEqual(await bits(expected.map.get('z') ?? got.sum));
    }
    expect(compiled.plans).toBe(1);
    compiled.dispose();
  });
});

describe('planned memory', () => {
  const labelled = (m: number): [Tensor, Tensor] => [
    draw([m, 1, 28, 28], 3),
    tensor(
      Int32Array.from({ length: m }, (_, index) => index % 10),
      { device },
    ),
  ];

  it('is to the byte what a training step then takes, and takes nothing, changes nothing and compiles nothing itself', async () => {
    const model = cnn4({ device, generator: new Generator(1), width: 0.25, dropout: 0.2 });
    const optimizer = new SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
    const step = compile((x: Tensor, labels: Tensor) => {
      const { total, gradients } = adversarialStep({
        ...{ model, parameters: model.parameters(), objective: mimaeAT({ lambda: 0.4, beta: 1 }), x, labels },
        attack: (of, images, y) => pgd(of, images, y, { eps: 0.2, stepSize: 0.05, steps: 2 }),
      });
      optimizer.step(gradients);
      return { total, gradients };
    });
    for (const m of [3, 17]) {
      await device.scope(async () => {
        const [x, labels] = labelled(m);
        const weights = await Promise.all(model.parameters().map(bits));
        await device.sync();
        const [before, counters] = [device.memory(), { ...device.counters }];
        const { arenas, results, total } = step.plannedMemory(x, labels);
        expect(device.memory()).toEqual(before);
        expect({ ...device.counters }).toEqual(counters);
        expect(step.plans).toBe(0);
        expect(await Promise.all(model.parameters().map(bits))).toEqual(weights);
        expect(total).toBe(arenas.reduce((sum, bytes) => sum + bytes, results));
        device.resetPeakMemory();
        step(x, labels);
        expect(device.memory().live - before.live).toBe(total);
        expect(device.memory().peak - before.live).toBe(total);
        step.dispose();
      });
    }
    for (const each of [optimizer, model]) each.dispose();
  });

  it('counts of what is given back only what is new, and refuses a function that keeps what it makes', () => {
    const state = keep(zeros([1000], { device }));
    const updating = compile((x: Tensor) => {
      state.copyFrom(state.add(x));
      return [state, x.exp()];
    });
    expect(updating.plannedMemory(zeros([1000], { device })).results).toBe(4096);
    const keeping = compile((x: Tensor) => {
      keep(x.square());
    });
    expect(() => keeping.plannedMemory(state)).toThrow(CaptureError);
    expect(() => keeping.plannedMemory(state)).toThrow(/keeps a tensor of 4000 bytes/);
    state.dispose();
  });

  it('refuses what no buffer can hold, as a call would', () => {
    const { maxBufferSize, maxStorageBufferBindingSize } = device.gpu.limits;
    const rows = Math.ceil(Math.min(maxBufferSize, maxStorageBufferBindingSize) / 4096) + 1;
    const wide = compile((x: Tensor) =>
      x
        .add(zeros([rows, 1], { device }))
        .exp()
        .sum(0),
    );
    expect(() => wide.plannedMemory(zeros([1, 1024], { device }))).toThrow(LimitError);
  });
});

describe('a compiled training step', () => {
  /** A small network in training with everything that a step has, and a way to look at all of its state. */
  function training(compiledStep: boolean, make: (parameters: readonly Tensor[]) => Optimizer) {
    const model = cnn4({ device, generator: new Generator(1), width: 0.25, init: 'kaimingNormal', dropout: 0.2 });
    const parameters = model.parameters();
    const optimizer = make(parameters);
    const objective = mimaeAT({ lambda: 0.4, beta: 0.1 });
    const noise = new Generator(7, { purpose: 'start' });
    const attack = (of: Model, images: Tensor, y: Tensor): Tensor =>
      pgd(of, images, y, { eps: 0.2, stepSize: 0.05, steps: 2, generator: noise });
    const step = (x: Tensor, labels: Tensor): Tensor => {
      const values = adversarialStep({ model, parameters, objective, attack, x, labels });
      optimizer.step(values.gradients);
      return values.total;
    };
    const compiled = compile(step, { fuse: false });
    const run = compiledStep ? compiled : (x: Tensor, y: Tensor) => device.scope(() => step(x, y));
    const take = (number: number): Promise<number[]> =>
      device.scope(() => {
        optimizer.lr = 0.01 + 0.001 * number;
        const x = tensor(uniformFloats(8 * 784, number, 0, 1), { device, shape: [8, 1, 28, 28] });
        const labels = tensor(
          Int32Array.from({ length: 8 }, (_, i) => (i * 3 + number) % 10),
          { device },
        );
        return bits(run(x, labels));
      });
    const state = async (): Promise<Map<string, number[]>> => {
      const found = new Map<string, number[]>();
      for (const [name, value] of model.stateDict()) found.set(name, await bits(value));
      return found;
    };
    const dispose = (): void => {
      compiled.dispose();
      optimizer.dispose();
      model.dispose();
    };
    return { model, run, take, state, dispose };
  }

  const optimizers: [string, (parameters: readonly Tensor[]) => Optimizer][] = [
    ['SGD', (parameters) => new SGD(parameters, { lr: 0.01, momentum: 0.9, weightDecay: 1e-4 })],
    ['AdamW', (parameters) => new AdamW(parameters)],
  ];

  it.each(optimizers)(
    'has the bits of the eager one after the first, second and tenth step, by %s',
    async (_, make) => {
      const [eager, compiled] = [training(false, make), training(true, make)];
      // Dropout draws from the device's own stream.
      for (let number = 1; number <= 10; number++) {
        manualSeed(device, number);
        const expected = await eager.take(number);
        manualSeed(device, number);
        expect(await compiled.take(number)).toEqual(expected);
        if ([1, 2, 10].includes(number)) expect(await compiled.state()).toEqual(await eager.state());
      }
      for (const each of [eager, compiled]) each.dispose();
    },
  );

  it('makes nothing new once it runs, takes one submit, and less memory than eager at its peak', async () => {
    const compiled = training(true, optimizers[0]?.[1] as (parameters: readonly Tensor[]) => Optimizer);
    for (let number = 1; number <= 3; number++) await compiled.take(number);
    const before = { ...device.counters };
    const memory = device.memory();
    for (let number = 4; number <= 8; number++) await compiled.take(number);
    const { dispatches, submits, readbacks, ...made } = device.counters;
    expect(made).toEqual({ buffers: before.buffers, bindGroups: before.bindGroups, pipelines: before.pipelines });
    // Each step reads its loss, which submits.
    expect([readbacks - before.readbacks, submits - before.submits]).toEqual([5, 5]);
    expect((dispatches - before.dispatches) % 5).toBe(0);
    expect(device.memory().live).toBe(memory.live);
    compiled.dispose();
  });
});

describe('what a compiled function goes by', () => {
  it('random numbers are new in every run, as they would be without', async () => {
    const fn = (x: Tensor): Tensor => add(dropout(x, 0.5), rand([64], { device }));
    const compiled = compile(fn);
    const x = draw([64], 1);
    const runs = async (each: typeof fn): Promise<number[][]> => {
      manualSeed(device, 5);
      return [await bits(each(x)), await bits(each(x)), await bits(each(x))];
    };
    const [first, second, third] = await runs(compiled);
    expect(second).not.toEqual(first);
    expect([first, second, third]).toEqual(await runs(fn));
    compiled.dispose();
  });

  it('checkpoints draw their masks again', async () => {
    const w = keep(draw([32], 2).requireGrad());
    const fn = (x: Tensor): Tensor => {
      const [gradient] = grad(sum(checkpoint((a) => dropout(mul(a, w), 0.5).square(), [x])), [w]);
      return gradient as Tensor;
    };
    const compiled = compile(fn);
    for (let seed = 0; seed < 3; seed++) {
      const x = draw([32], 3 + seed);
      manualSeed(device, seed);
      const expected = await bits(fn(x));
      manualSeed(device, seed);
      expect(await bits(compiled(x))).toEqual(expected);
    }
    compiled.dispose();
  });

  it('other shapes, and tensors that moved, are captured anew', async () => {
    const w = keep(draw([1], 2));
    const compiled = compile((x: Tensor) => mul(x, w));
    expect((await compiled(draw([3], 1)).data()).length).toBe(3);
    expect((await compiled(draw([4], 1)).data()).length).toBe(4);
    expect(compiled.plans).toBe(2);
    w.copyFrom(tensor([2], { device }));
    expect(await compiled(tensor([1, 2, 3], { device })).toArray()).toEqual([2, 4, 6]);
    // An optimiser moves its parameters into an arena of its own.
    const sgd = new SGD([w], { lr: 1 });
    w.copyFrom(tensor([3], { device }));
    expect(await compiled(tensor([1, 2, 3], { device })).toArray()).toEqual([3, 6, 9]);
    sgd.dispose();
    w.dispose();
    expect(() => compiled(tensor([1, 2, 3], { device }))).toThrow(/was freed/);
    compiled.dispose();
  });

  it('a module in another mode is captured anew', async () => {
    const model = cnn4({ device, generator: new Generator(1), width: 0.1 });
    const compiled = compile((x: Tensor) => model.forward(x));
    const x = tensor(uniformFloats(2 * 784, 1, 0, 1), { device, shape: [2, 1, 28, 28] });
    compiled(x);
    model.eval();
    expect(await bits(compiled(x))).toEqual(await bits(model.forward(x)));
    expect(await bits(compiled(x))).toEqual(await bits(compiled(x)));
    compiled.dispose();
    model.dispose();
  });

  it('what nothing comes of is not computed', async () => {
    const compiled = compile((x: Tensor) => {
      mul(mul(x, 3), x);
      return add(x, 1);
    });
    const x = draw([5], 1);
    compiled(x);
    const before = device.counters.dispatches;
    expect(await bits(compiled(x))).toEqual(await bits(add(x, 1)));
    expect(device.counters.dispatches - before).toBe(2);
    compiled.dispose();
  });

  it('constants that nothing comes of are left out', async () => {
    const compiled = compile((x: Tensor) => {
      tensor([1, 2, 3], { device }).mul(2);
      return x.add(tensor([4], { device }));
    });
    for (const value of [1, 2]) expect(await compiled(tensor([value], { device })).item()).toBe(value + 4);
    compiled.dispose();
  });

  it('constants are what they were, also where they are changed on the way', async () => {
    const compiled = compile((x: Tensor) => {
      const a = tensor([1, 2, 3], { device });
      const first = add(x, a);
      a.copyFrom(first);
      return [first, add(a, zeros([3], { device }))];
    });
    for (let run = 0; run < 3; run++) {
      const [first, second] = compiled(tensor([10, 20, 30], { device }));
      expect([await first?.toArray(), await second?.toArray()]).toEqual([
        [11, 22, 33],
        [11, 22, 33],
      ]);
    }
    compiled.dispose();
  });

  it('tensors that it keeps are there afterwards, and new in every run', async () => {
    let kept: Tensor | undefined;
    const compiled = compile((x: Tensor) => {
      kept = keep(mul(x, 2));
      return x.sum();
    });
    compiled(tensor([1, 2], { device }));
    expect(await kept?.toArray()).toEqual([2, 4]);
    compiled(tensor([3, 4], { device }));
    expect(await kept?.toArray()).toEqual([6, 8]);
    kept?.dispose();
    compiled.dispose();
  });
});

describe('what cannot be compiled', () => {
  it('says so: values looked at, waiting, and data from the CPU for tensors that are not its own', () => {
    const x = draw([3], 1);
    const w = keep(draw([3], 2));
    const bad: [fn: (t: Tensor) => unknown, message: RegExp][] = [
      [async (t) => (await t.item()) > 0, /asynchronous/],
      [async (t) => await t.data(), /asynchronous/],
      [
        (t) => {
          device.flush();
          return t;
        },
        /the function waits for the GPU/,
      ],
      [
        (t) => {
          device.write(w.range, Float32Array.of(1, 2, 3));
          return t;
        },
        /overwrites a tensor that it did not make with values from the CPU/,
      ],
    ];
    for (const [fn, message] of bad) {
      const compiled = compile(fn);
      expect(() => compiled(x)).toThrow(CaptureError);
      expect(() => compiled(x)).toThrow(message);
      expect(compiled.plans).toBe(0);
    }
    expect(() => compile(() => 1)()).toThrow(/a function without arguments needs options.device/);
    w.dispose();
  });

  it('leaves nothing behind', async () => {
    const w = keep(draw([3], 2));
    const before = device.memory();
    const failing = compile((x: Tensor) => {
      mul(x, w);
      throw new RangeError('no');
    });
    expect(() => failing(w)).toThrow(RangeError);
    expect(await device.scope(() => add(w, 0).data())).toHaveLength(3);
    const compiled = compile((x: Tensor) => mul(x, w));
    device.scope(() => void compiled(w));
    compiled.dispose();
    await device.sync();
    expect(device.memory()).toMatchObject({ live: before.live });
    w.dispose();
  });
});

describe('what comes of unchanged inputs', () => {
  /** Labels of a plan's dispatches. */
  function labelsOf(call: () => unknown): string[] {
    const labels: string[] = [];
    const prepare = device.prepare.bind(device);
    device.prepare = (commands) => {
      for (const command of commands) {
        if (command.kind === 'dispatch') labels.push(command.dispatch.label ?? command.dispatch.kernel.name);
      }
      return prepare(commands);
    };
    call();
    device.prepare = prepare;
    return labels;
  }
  const count = (labels: readonly string[], wanted: string): number => labels.filter((one) => one === wanted).length;

  it('is computed once, and again after they have changed', async () => {
    const [weight, scale] = [draw([4, 4, 3, 3], 1), draw([4, 1, 1, 1], 2)];
    const fn = (x: Tensor): Tensor => {
      const pass = (y: Tensor): Tensor => conv2d(y, mul(weight, scale), null, { padding: 1 });
      const before = pass(pass(pass(x)));
      weight.copyFrom(mul(weight, 0.5));
      return pass(pass(before));
    };
    const x = draw([1, 4, 6, 6], 3);
    const start = await weight.floats();
    const expected = await fn(x).floats();
    weight.copyFrom(tensor(start, { device, shape: [4, 4, 3, 3] }));
    const compiled = compile(fn, { fuse: false });
    let got: Tensor | undefined;
    const labels = labelsOf(() => (got = compiled(x)));
    expect(await got?.floats()).toEqual(expected);
    // Two of weight and scale, one that halves; two packings.
    expect(count(labels, 'mul')).toBe(3);
    expect(count(labels, 'conv2d pack weight')).toBe(2);
    compiled.dispose();
  });

  it('includes transformed images for the weight gradient while there is memory to spare', async () => {
    const transforms = async (images: number): Promise<number> => {
      const [x, weight] = [draw([images, 8, 32, 32], 1), draw([8, 8, 3, 3], 2).requireGrad()];
      const how = { padding: 1, variant: 'winograd4' } as const;
      const fn = (a: Tensor): Tensor[] => {
        const y = conv2d(a, weight, null, how);
        return [y.detach(), conv2dWeightGrad(a, y.detach(), weight.shape, how)];
      };
      const expected = await Promise.all(fn(x).map((each) => each.floats()));
      const compiled = compile(fn, { fuse: false });
      let got: Tensor[] = [];
      const labels = labelsOf(() => (got = compiled(x)));
      expect(await Promise.all(got.map((each) => each.floats()))).toEqual(expected);
      compiled.dispose();
      return count(labels, 'winograd_input');
    };
    // Transforms of one image take 36 / 16 of its 32 KB. Those of 60 come in two parts, of which there is memory to spare for one.
    expect(await transforms(2)).toBe(1);
    expect(await transforms(60)).toBe(3);
  });

  it('includes the weights of an attack, whatever its steps, but not what depends on its images', () => {
    const model = cnn4({ device, generator: new Generator(1), width: 0.125 });
    const attacked = (steps: number): string[] => {
      const compiled = compile((x: Tensor) =>
        pgd(model, x, tensor(Int32Array.of(1, 2), { device }), { eps: 0.1, stepSize: 0.05, steps, start: 'none' }),
      );
      const labels = labelsOf(() => compiled(draw([2, 1, 28, 28], 1)));
      compiled.dispose();
      return labels;
    };
    const [few, many] = [attacked(2), attacked(5)];
    const weights = (labels: string[]): number =>
      count(labels, 'conv2d pack weight') + count(labels, 'winograd_weight');
    expect(weights(many)).toBe(weights(few));
    expect(many.length).toBeGreaterThan(few.length);
    model.dispose();
  });
});
