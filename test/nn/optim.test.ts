import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keep, tensor, zeros, type Device, type Tensor } from '../../engine/index.js';
import { SGD, StateDictError, readTensors, type SGDOptions } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { expectGolden, goldenTolerance, loadGolden, type GoldenCase } from '../support/golden.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

function optionsOf({ attrs }: GoldenCase): SGDOptions {
  const number = (name: string): number => (typeof attrs[name] === 'number' ? attrs[name] : 0);
  return {
    lr: number('lr'),
    momentum: number('momentum'),
    weightDecay: number('weight_decay'),
    nesterov: attrs['nesterov'] === true,
  };
}

const INDICES = [0, 1];

describe('SGD', () => {
  const cases = loadGolden('optim').cases.filter(({ op }) => op === 'sgd');
  const input = (golden: GoldenCase, name: string): Tensor =>
    tensor(golden.floats(name), { device, shape: golden.input(name).shape });

  it('has reference cases', () => {
    expect(cases).toHaveLength(4);
  });

  it.each(cases)('follows PyTorch in $id', async (golden) => {
    const parameters = INDICES.map((index) => input(golden, `p${index}`).requireGrad());
    const sgd = new SGD(parameters, optionsOf(golden));
    for (let step = 0; step < golden.number('steps'); step++) {
      sgd.step(INDICES.map((index) => input(golden, `g${index}_${step}`)));
      for (const [index, parameter] of parameters.entries()) {
        const name = `p${index}_after${step + 1}`;
        expectGolden(await parameter.floats(), golden.output(name), goldenTolerance.optim, name);
      }
    }
    sgd.dispose();
  });

  it('resumes from its saved momentum with the same bits', async () => {
    const golden = loadGolden('optim').case('sgd-3');
    const options = optionsOf(golden);
    const parameters = INDICES.map((index) => input(golden, `p${index}`));
    const step = (sgd: SGD, number: number): void => {
      sgd.step(INDICES.map((index) => input(golden, `g${index}_${number}`)));
    };
    const unbroken = new SGD(parameters, options);
    step(unbroken, 0);
    step(unbroken, 1);
    const saved = await readTensors(unbroken.stateDict());
    expect(Object.keys(saved)).toEqual(['0.momentum_buffer', '1.momentum_buffer']);
    const copies = await Promise.all(
      parameters.map(async (parameter) => tensor(await parameter.data(), { device, shape: parameter.shape })),
    );
    step(unbroken, 2);
    const resumed = new SGD(copies, options);
    resumed.loadStateDict(saved);
    step(resumed, 2);
    for (const index of INDICES) expect(await copies[index]?.data()).toEqual(await parameters[index]?.data());
    for (const sgd of [unbroken, resumed]) sgd.dispose();
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
