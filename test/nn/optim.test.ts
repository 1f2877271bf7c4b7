import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keep, tensor, zeros, type Device, type Tensor } from '../../engine/index.js';
import {
  Adam,
  AdamW,
  SGD,
  StateDictError,
  decodeSafetensors,
  encodeSafetensors,
  readTensors,
  type AdamOptions,
  type Optimizer,
  type SGDOptions,
} from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { expectGolden, goldenTolerance, loadGolden, type GoldenCase } from '../support/golden.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/** The options of a case, under the names of this library. */
function optionsOf({ attrs }: GoldenCase): SGDOptions & AdamOptions {
  const names = {
    lr: 'lr',
    momentum: 'momentum',
    weight_decay: 'weightDecay',
    nesterov: 'nesterov',
    betas: 'betas',
    eps: 'eps',
  };
  const given = Object.entries(names).flatMap(([from, name]) => (from in attrs ? [[name, attrs[from]]] : []));
  return { lr: 0, ...(Object.fromEntries(given) as Partial<SGDOptions & AdamOptions>) };
}

const makers: Readonly<
  Record<string, (parameters: readonly Tensor[], options: SGDOptions & AdamOptions) => Optimizer>
> = {
  sgd: (parameters, options) => new SGD(parameters, options),
  adam: (parameters, options) => new Adam(parameters, options),
  adamw: (parameters, options) => new AdamW(parameters, options),
};

function make(golden: GoldenCase, parameters: readonly Tensor[]): Optimizer {
  const maker = makers[golden.op];
  if (!maker) throw new RangeError(`no optimiser ${golden.op}`);
  return maker(parameters, optionsOf(golden));
}

const INDICES = [0, 1];

const input = (golden: GoldenCase, name: string): Tensor =>
  tensor(golden.floats(name), { device, shape: golden.input(name).shape });

function takeStep(optimizer: Optimizer, golden: GoldenCase, step: number): void {
  optimizer.step(INDICES.map((index) => input(golden, `g${index}_${step}`)));
}

describe('an optimiser', () => {
  const cases = loadGolden('optim').cases.filter(({ op }) => op in makers);

  it('has reference cases', () => {
    expect(cases.map(({ op }) => op)).toEqual(['sgd', 'sgd', 'sgd', 'sgd', 'adam', 'adam', 'adamw']);
  });

  it.each(cases)('follows PyTorch in $id', async (golden) => {
    const parameters = INDICES.map((index) => input(golden, `p${index}`).requireGrad());
    const optimizer = make(golden, parameters);
    for (let step = 0; step < golden.number('steps'); step++) {
      takeStep(optimizer, golden, step);
      for (const [index, parameter] of parameters.entries()) {
        const name = `p${index}_after${step + 1}`;
        expectGolden(await parameter.floats(), golden.output(name), goldenTolerance.optim, name);
      }
    }
    optimizer.dispose();
  });

  it.each([
    { id: 'sgd-3', names: ['momentum_buffer'] },
    { id: 'adam-5', names: ['step', 'exp_avg', 'exp_avg_sq'] },
    { id: 'adamw-6', names: ['step', 'exp_avg', 'exp_avg_sq'] },
  ])('resumes $id from its saved state with the same bits', async ({ id, names }) => {
    const golden = loadGolden('optim').case(id);
    const parameters = INDICES.map((index) => input(golden, `p${index}`));
    const unbroken = make(golden, parameters);
    takeStep(unbroken, golden, 0);
    takeStep(unbroken, golden, 1);
    const saved = await readTensors(unbroken.stateDict());
    expect(Object.keys(saved)).toEqual(INDICES.flatMap((index) => names.map((name) => `${index}.${name}`)));
    const copies = await Promise.all(
      parameters.map(async (parameter) => tensor(await parameter.data(), { device, shape: parameter.shape })),
    );
    takeStep(unbroken, golden, 2);
    const resumed = make(golden, copies);
    resumed.loadStateDict(decodeSafetensors(encodeSafetensors(saved), 'saved').tensors);
    takeStep(resumed, golden, 2);
    for (const index of INDICES) expect(await copies[index]?.data()).toEqual(await parameters[index]?.data());
    for (const optimizer of [unbroken, resumed]) optimizer.dispose();
  });
});

describe('Adam', () => {
  const one = (): Tensor => zeros([70], { device });

  it('takes one dispatch a step over all parameters, no new memory, and gives back what it took', () => {
    const parameters = [one(), one()];
    const gradients = parameters.map((parameter) => parameter.onesLike());
    const before = device.memory();
    const adam = new AdamW(parameters, { lr: 0.1 });
    adam.step(gradients);
    const [memory, { dispatches, pipelines }] = [device.memory(), { ...device.counters }];
    adam.step(gradients);
    expect(device.counters).toMatchObject({ dispatches: dispatches + 1, pipelines });
    expect(device.memory()).toEqual(memory);
    adam.dispose();
    // The parameters stay where they were moved to.
    expect(device.memory().tensors).toBe(before.tensors);
  });

  it('refuses options that cannot be', () => {
    const parameters = [one()];
    expect(() => new Adam(parameters, { betas: [1, 0.9] })).toThrow(/Adam: betas are 1, 0.9; expected two numbers/);
    expect(() => new AdamW(parameters, { eps: -1 })).toThrow(/AdamW: eps is -1/);
    expect(() => new AdamW(parameters, { weightDecay: NaN })).toThrow(/AdamW: weightDecay is NaN/);
  });

  it('refuses a state without its steps, with two counts, or with a count on the GPU, and keeps its own', async () => {
    const adam = new Adam([one(), one()]);
    const state = adam.stateDict();
    const without = (name: string) => new Map([...state].filter(([key]) => key !== name));
    const count = (value: number) => ({ dtype: 'F32', shape: [], data: Float32Array.of(value) }) as const;
    const bad: [state: ReturnType<typeof adam.stateDict>, message: RegExp][] = [
      [without('1.step'), /Adam.loadStateDict: the state does not fit, nothing was loaded:\n {2}missing 1.step/],
      [without('0.exp_avg'), /missing 0.exp_avg/],
      [new Map(state).set('1.step', count(2)), /1.step is not a count on the CPU, the same for every parameter/],
      [new Map(state).set('0.step', zeros([], { device })), /0.step is not a count on the CPU/],
    ];
    for (const [given, message] of bad) expect(() => adam.loadStateDict(given)).toThrow(message);
    expect(Object.keys(await readTensors(adam.stateDict()))).toHaveLength(6);
    adam.dispose();
  });
});

describe('a step of SGD', () => {
  const make = (sizes: readonly number[], options: Partial<SGDOptions> = {}): { parameters: Tensor[]; sgd: SGD } => {
    const parameters = sizes.map((size) => keep(zeros([size], { device })).requireGrad());
    return { parameters, sgd: new SGD(parameters, { lr: 0.5, ...options }) };
  };
  const free = ({ parameters, sgd }: ReturnType<typeof make>): void => {
    sgd.dispose();
    for (const parameter of parameters) parameter.dispose();
  };

  it.each([{}, { momentum: 0.9, weightDecay: 0.1 }, { momentum: 0.9, nesterov: true }])(
    'is one dispatch over all parameters with %j',
    (options) => {
      const made = make([1, 64, 65, 1000, 3, 5], options);
      const gradients = made.parameters.map((parameter) => parameter.onesLike());
      const before = device.counters.dispatches;
      made.sgd.step(gradients);
      expect(device.counters.dispatches - before).toBe(1);
      free(made);
    },
  );

  it('compiles nothing for another rate, and takes no memory', () => {
    const made = make([10, 300], { momentum: 0.9 });
    const gradients = made.parameters.map((parameter) => parameter.onesLike());
    made.sgd.step(gradients);
    const [memory, { pipelines, bindGroups, buffers }] = [device.memory(), { ...device.counters }];
    made.sgd.lr = 0.125;
    made.sgd.step(gradients);
    expect(device.memory()).toEqual(memory);
    expect(device.counters).toMatchObject({ pipelines, bindGroups, buffers });
    free(made);
  });

  it('takes the gradients that backward left, and frees them', async () => {
    const made = make([2, 3]);
    const [a, b] = made.parameters;
    if (!a || !b) throw new Error('two parameters were expected');
    a.mul(3).sum().add(b.sum()).backward();
    made.sgd.step();
    expect([await a.toArray(), await b.toArray()]).toEqual([
      [-1.5, -1.5],
      [-0.5, -0.5, -0.5],
    ]);
    made.sgd.zeroGrad();
    expect([a.grad, b.grad]).toEqual([null, null]);
    expect(() => made.sgd.step()).toThrow(/SGD: parameter 0 of shape \[2\] has no gradient/);
    free(made);
  });

  it('keeps the values of parameters that move in, and gives memory back', async () => {
    const before = device.memory();
    const parameters = [[1, 2, 3], [4]].map((values) => keep(tensor(values, { device })));
    const sgd = new SGD(parameters, { lr: 1, momentum: 0.5 });
    expect(await Promise.all(parameters.map((parameter) => parameter.toArray()))).toEqual([[1, 2, 3], [4]]);
    sgd.dispose();
    expect(await parameters[1]?.toArray()).toEqual([4]);
    for (const parameter of parameters) parameter.dispose();
    expect(device.memory()).toMatchObject({ live: before.live, tensors: before.tensors });
  });

  it('refuses gradients that do not fit', () => {
    const made = make([2, 3]);
    const [a, b] = [zeros([2], { device }), zeros([3], { device })];
    expect(() => made.sgd.step([a])).toThrow(/SGD: 1 gradients for 2 parameters/);
    expect(() => made.sgd.step([a, a])).toThrow(/the gradient of parameter 1 of shape \[3\] is f32 \[2\]/);
    const later = new SGD(made.parameters, { lr: 1 });
    expect(() => made.sgd.step([a, b])).toThrow(/now belongs to another optimiser/);
    later.step([a, b]);
    later.dispose();
    free(made);
  });

  it('refuses options and parameters that cannot be', () => {
    const parameter = zeros([2], { device });
    expect(() => new SGD([], { lr: 1 })).toThrow(/SGD: no parameters/);
    expect(() => new SGD([parameter, parameter], { lr: 1 })).toThrow(/given twice/);
    expect(() => new SGD([zeros([1], { device, dtype: 'i32' })], { lr: 1 })).toThrow(
      /a parameter is i32; expected f32/,
    );
    expect(() => new SGD([parameter], { lr: -1 })).toThrow(/SGD: lr is -1/);
    expect(() => new SGD([parameter], { lr: 1, momentum: NaN })).toThrow(/momentum is NaN/);
    expect(() => new SGD([parameter], { lr: 1, nesterov: true })).toThrow(/nesterov needs a momentum/);
    expect(() => (new SGD([parameter], { lr: 1 }).lr = Infinity)).toThrow(/lr is Infinity/);
  });

  it('refuses a state that does not fit', () => {
    const made = make([2], { momentum: 0.9 });
    expect(() => made.sgd.loadStateDict(new Map())).toThrow(StateDictError);
    free(made);
  });
});
