import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ArgumentError,
  FreedTensorError,
  GradError,
  tensor,
  zeros,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import {
  BatchNorm2d,
  Conv2d,
  Linear,
  Module,
  ReLU,
  Sequential,
  StateDictError,
  loadTensors,
  readTensors,
  saveStateDict,
} from '../../nn/index.js';
import { INSPECT } from '../../engine/tensor.js';
import { ownDevice, testDevice } from '../support/device.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/** Children as properties and by registration, and tensors of its own. */
class Net extends Module {
  readonly conv1 = new Conv2d(1, 2, 3, { device });
  readonly bn1 = new BatchNorm2d(2, { device });
  readonly scale: Tensor;
  readonly head: Sequential;

  constructor() {
    super();
    this.scale = this.registerParameter('scale', tensor([2], { device }));
    this.registerBuffer('seen', zeros([3], { device, dtype: 'i32' }));
    this.head = this.registerModule(
      'class_head',
      new Sequential(new ReLU(), new Linear(4, 3, { device, bias: false })),
    );
  }

  forward(x: Tensor): Tensor {
    return x;
  }
}

const KEYS = [
  'scale',
  'seen',
  'class_head.1.weight',
  'conv1.weight',
  'conv1.bias',
  'bn1.weight',
  'bn1.bias',
  'bn1.running_mean',
  'bn1.running_var',
  'bn1.num_batches_tracked',
];

describe('the parts of a module', () => {
  it('are named as PyTorch names them', () => {
    const net = new Net();
    expect([...net.stateDict().keys()]).toEqual(KEYS);
    const buffers = ['seen', 'bn1.running_mean', 'bn1.running_var', 'bn1.num_batches_tracked'];
    expect([...net.namedBuffers().keys()]).toEqual(buffers);
    expect([...net.namedParameters().keys()]).toEqual(KEYS.filter((key) => !buffers.includes(key)));
    expect([...net.namedModules().keys()]).toEqual(['', 'class_head', 'class_head.0', 'class_head.1', 'conv1', 'bn1']);
    expect([...net.children().keys()]).toEqual(['class_head', 'conv1', 'bn1']);
    net.dispose();
  });

  it('are parameters that require gradients, and buffers that do not', () => {
    const net = new Net();
    expect(net.parameters().every((parameter) => parameter.requiresGrad)).toBe(true);
    expect(net.buffers().some((buffer) => buffer.requiresGrad)).toBe(false);
    expect(net.device).toBe(device);
    net.dispose();
  });

  it('appear once among the parameters where they are shared, and under each name in the state', () => {
    const shared = new Linear(2, 2, { device, bias: false });
    const net = new Sequential(shared, new ReLU(), shared);
    expect([...net.namedParameters().keys()]).toEqual(['0.weight']);
    expect([...net.stateDict().keys()]).toEqual(['0.weight', '2.weight']);
    expect(net.modules()).toHaveLength(3);
    net.dispose();
  });

  it('belong to the module, whatever scope they were made in', async () => {
    const before = device.memory();
    const net = device.scope(() => new Net());
    expect(await net.scale.toArray()).toEqual([2]);
    net.dispose();
    expect(device.memory()).toMatchObject({ live: before.live, tensors: before.tensors });
    expect(() => net.scale.range).toThrow(FreedTensorError);
    net.dispose();
  });

  it('need names of their own, leaves as parameters, and tensors to have a device', () => {
    class Bad extends Module {
      constructor(build: (bad: Bad) => Bad) {
        super();
        build(this);
      }
      add(name: string, value = zeros([1], { device })): this {
        this.registerParameter(name, value);
        return this;
      }
      forward(x: Tensor): Tensor {
        return x;
      }
    }
    const build = (fn: (bad: Bad) => Bad) => () => new Bad(fn);
    expect(build((bad) => bad.add('w').add('w'))).toThrow(/Bad: the name 'w' is taken/);
    expect(build((bad) => bad.add('a.b'))).toThrow(ArgumentError);
    expect(build((bad) => bad.add('w', zeros([1], { device }).requireGrad().mul(2)))).toThrow(GradError);
    expect(() => new ReLU().device).toThrow(/ReLU: has no parameters/);
  });
});

describe('a module as text', () => {
  const text = [
    'Net(',
    '  scale: [1]',
    '  (class_head): Sequential(',
    '    (0): ReLU()',
    '    (1): Linear(weight: [3, 4])',
    '  )',
    '  (conv1): Conv2d(weight: [2, 1, 3, 3], bias: [2])',
    '  (bn1): BatchNorm2d(weight: [2], bias: [2])',
    ')',
  ].join('\n');

  it('is the list of its modules, also after it is freed', () => {
    const net = new Net();
    expect(String(net)).toBe(text);
    net.dispose();
    expect(String(net)).toBe(text);
    expect(String(new Sequential())).toBe('Sequential()');
    // One that is in several places, or within itself.
    const shared = new Sequential();
    expect(String(new Sequential(shared, shared))).toBe('Sequential(\n  (0): Sequential()\n  (1): Sequential(...)\n)');
    class Knot extends Module {
      readonly parent = this;
      forward(x: Tensor): Tensor {
        return x;
      }
    }
    expect(String(new Knot())).toContain('(parent): Knot(...)');
  });

  it('is what Node.js prints', () => {
    const net = new Net();
    expect(INSPECT).toBe(Symbol.for('nodejs.util.inspect.custom'));
    expect(net[INSPECT]()).toBe(text);
    net.dispose();
  });
});

describe('train and eval', () => {
  it('reach every module', () => {
    const net = new Net();
    const modes = (): boolean[] => net.modules().map((module) => module.training);
    expect(new Set(modes())).toEqual(new Set([true]));
    expect(net.eval()).toBe(net);
    expect(new Set(modes())).toEqual(new Set([false]));
    net.train();
    net.head.eval();
    expect(modes()).toEqual([true, false, false, false, true, true]);
    net.dispose();
  });
});

describe('saveStateDict and loadStateDict', () => {
  it('bring every value back, in one read-back', async () => {
    const [net, other] = [new Net(), new Net()];
    net
      .namedBuffers()
      .get('seen')
      ?.copyFrom(tensor(new Int32Array([1, -2, 3]), { device }));
    const before = device.counters.readbacks;
    const saved = await saveStateDict(net);
    expect(device.counters.readbacks).toBe(before + 1);
    expect(Object.keys(saved)).toEqual(KEYS);
    expect(saved['seen']).toEqual({ dtype: 'I32', shape: [3], data: new Int32Array([1, -2, 3]) });
    expect(saved['bn1.num_batches_tracked']).toEqual({ dtype: 'I32', shape: [], data: new Int32Array([0]) });
    expect(other.loadStateDict(saved)).toEqual({ missing: [], unexpected: [] });
    expect(await saveStateDict(other)).toEqual(saved);
    for (const module of [net, other]) module.dispose();
  });

  it('take the values of the moment of the call', async () => {
    const net = new Net();
    const saving = saveStateDict(net);
    net.scale.copyFrom(tensor([7], { device }));
    expect((await saving)['scale']?.data).toEqual(new Float32Array([2]));
    expect(await net.scale.toArray()).toEqual([7]);
    net.dispose();
  });

  it('leave nothing behind on the GPU', async () => {
    const net = new Net();
    const before = device.memory();
    net.loadStateDict(await saveStateDict(net));
    expect(device.memory()).toMatchObject({ live: before.live, tensors: before.tensors });
    net.dispose();
  });

  it('copy from a live module, itself included', async () => {
    const [net, other] = [new Net(), new Net()];
    net.loadStateDict(net.stateDict());
    other.loadStateDict(net.stateDict());
    expect(await saveStateDict(other)).toEqual(await saveStateDict(net));
    for (const module of [net, other]) module.dispose();
  });

  it('copy within one buffer, where two tensors exchange their values', async () => {
    const arena = zeros([128], { device });
    const parts = [arena.subrange(0, [3]), arena.subrange(256, [3])] as const;
    parts[0].copyFrom(tensor([1, 2, 3], { device }));
    parts[1].copyFrom(tensor([4, 5, 6], { device }));
    loadTensors(
      'exchange',
      new Map([
        ['a', parts[0]],
        ['b', parts[1]],
      ]),
      new Map([
        ['a', parts[1]],
        ['b', parts[0]],
      ]),
    );
    expect(await Promise.all(parts.map((part) => part.toArray()))).toEqual([
      [4, 5, 6],
      [1, 2, 3],
    ]);
  });

  it('take 64-bit integers and floats of other widths, as PyTorch saves them', async () => {
    const bn = new BatchNorm2d(2, { device });
    bn.loadStateDict({
      weight: { dtype: 'F64', shape: [2], data: new Float64Array([0.5, 1.5]) },
      bias: { dtype: 'F16', shape: [2], data: new Uint16Array([0x3c00, 0xc000]) },
      running_mean: { dtype: 'BF16', shape: [2], data: new Uint16Array([0x3f80, 0x4000]) },
      running_var: { dtype: 'F32', shape: [2], data: new Float32Array([3, 4]) },
      num_batches_tracked: { dtype: 'I64', shape: [], data: new BigInt64Array([1234n]) },
    });
    const values = await Promise.all([...bn.stateDict().values()].map((value) => value.toArray()));
    expect(values).toEqual([[0.5, 1.5], [1, -2], [1, 2], [3, 4], 1234]);
    bn.dispose();
  });

  it('read a state of several buffers, empty tensors and no tensors at all', async () => {
    expect(await readTensors(new Map())).toEqual({});
    const tensors = new Map([
      ['none', zeros([0, 2], { device })],
      ['flags', tensor([1, 2], { device }).gt(1)],
    ]);
    expect(await readTensors(tensors)).toEqual({
      none: { dtype: 'F32', shape: [0, 2], data: new Float32Array(0) },
      flags: { dtype: 'BOOL', shape: [2], data: new Uint8Array([0, 1]) },
    });
  });
});

describe('a state that does not fit', () => {
  const f32 = (...values: number[]) =>
    ({ dtype: 'F32', shape: [values.length], data: new Float32Array(values) }) as const;

  async function refusal(state: Parameters<Module['loadStateDict']>[0]): Promise<StateDictError> {
    const bn = new BatchNorm2d(2, { device });
    const before = await saveStateDict(bn);
    try {
      bn.loadStateDict(state);
    } catch (error) {
      expect(await saveStateDict(bn)).toEqual(before);
      bn.dispose();
      if (error instanceof StateDictError) return error;
      throw error;
    }
    throw new Error('the state was taken');
  }

  it('is refused as a whole, with everything that is wrong', async () => {
    const error = await refusal({
      weight: f32(1, 2, 3),
      bias: f32(5, 5),
      running_mean: { dtype: 'I32', shape: [2], data: new Int32Array(2) },
      running_variance: f32(1, 1),
      num_batches_tracked: { dtype: 'I64', shape: [], data: new BigInt64Array([2n ** 40n]) },
    });
    expect(error.missing).toEqual(['running_var']);
    expect(error.unexpected).toEqual(['running_variance']);
    expect(error.mismatched).toEqual([
      'weight has shape [3], expected [2]',
      'running_mean has dtype I32, expected f32',
      `num_batches_tracked holds ${2 ** 40}, which does not fit i32`,
    ]);
    expect(error.message.split('\n  ')).toEqual([
      'loadStateDict: the state does not fit, nothing was loaded:',
      'missing running_var',
      'unexpected running_variance',
      ...error.mismatched,
    ]);
    expect(error.name).toBe('StateDictError');
  });

  it('is told in full where much is wrong, a line each', async () => {
    const names = Array.from({ length: 50 }, (_, index) => [`layer${index}`, f32(1)] as const);
    const { message, unexpected } = await refusal(Object.fromEntries(names));
    expect(unexpected).toHaveLength(50);
    const lines = message.split('\n  ').filter((line) => line.startsWith('unexpected '));
    expect(lines).toEqual(names.map(([name]) => `unexpected ${name}`));
  });

  it('may lack names and have others where strict is off, but not other shapes', async () => {
    const bn = new BatchNorm2d(2, { device });
    const report = bn.loadStateDict({ bias: f32(5, 6), other: f32(1) }, { strict: false });
    expect(report.unexpected).toEqual(['other']);
    expect(report.missing).toEqual(['weight', 'running_mean', 'running_var', 'num_batches_tracked']);
    expect(await bn.bias?.toArray()).toEqual([5, 6]);
    expect(() => bn.loadStateDict({ bias: f32(5) }, { strict: false })).toThrow(
      /bias has shape \[1\], expected \[2\]$/,
    );
    bn.dispose();
  });

  it('may not come from another device', async () => {
    const elsewhere = await ownDevice();
    const bn = new BatchNorm2d(2, { device: elsewhere });
    expect((await refusal(bn.stateDict())).mismatched[0]).toMatch(/weight is on another device/);
    elsewhere.destroy();
  });
});
