import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ArgumentError,
  BulwarkError,
  DTypeError,
  FreedTensorError,
  GradError,
  ScopeError,
  ShapeError,
  add,
  avgPool2d,
  backward,
  batchNorm2d,
  concat,
  conv2d,
  crossEntropy,
  cumsum,
  exp,
  expand,
  flatten,
  gather,
  grad,
  indexSelect,
  keep,
  linear,
  logSoftmax,
  matmul,
  max,
  maxPool2d,
  mean,
  mul,
  oneHot,
  permute,
  registeredOps,
  reshape,
  scatterAdd,
  slice,
  softmax,
  sort,
  split,
  square,
  squeeze,
  stack,
  sum,
  tensor,
  topk,
  transpose,
  unsqueeze,
  where,
  zeros,
  type DType,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import { EVERY_DTYPE } from '../../engine/dtype.js';
import { ownDevice, testDevice } from '../support/device.js';
import { arraysOf, checksOf, uploadAll, type RecordCheck } from '../support/records.js';

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

/** The error that `attempt` throws, or nothing. */
function thrownBy(attempt: () => unknown): unknown {
  try {
    attempt();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The first check of every op, on which anything else can be done. */
const firsts = [...registeredOps.values()].flatMap((op) =>
  checksOf(op)
    .filter(({ half }) => !half)
    .slice(0, 1),
);

/** The inputs of a check, all but the one that `change` replaces. */
function withChanged(check: RecordCheck, which: number, change: (input: Tensor) => Tensor): Tensor[] {
  return uploadAll(device, check, arraysOf(check)).map((input, index) => (index === which ? change(input) : input));
}

describe('every op refuses', () => {
  it.each(firsts)('a freed tensor: $op.name', (check) => {
    for (const which of check.shapes.keys()) {
      const inputs = withChanged(check, which, (input) => {
        input.dispose();
        return input;
      });
      const error = thrownBy(() => check.call(inputs));
      expect(error).toBeInstanceOf(FreedTensorError);
      expect(String(error)).toContain(`${check.op.name}: this`);
    }
  });

  it.each(firsts.filter(({ shapes }) => shapes.length > 1))('a tensor of another device: $op.name', (check) => {
    for (const which of check.shapes.keys()) {
      const inputs = withChanged(check, which, (input) => zeros(input.shape, { device: another, dtype: input.dtype }));
      const error = thrownBy(() => check.call(inputs));
      expect(error).toBeInstanceOf(ArgumentError);
      expect(String(error)).toMatch(new RegExp(`${check.op.name}: inputs live on two devices; copy one over`));
    }
  });

  it.each(firsts)('a dtype that it does not take: $op.name', (check) => {
    const wrong = EVERY_DTYPE.filter((dtype): dtype is Exclude<DType, 'f16'> => dtype !== 'f16').filter(
      (dtype) => !check.op.dtypes.includes(dtype),
    );
    for (const dtype of wrong) {
      const inputs = withChanged(check, 0, (input) => zeros(input.shape, { device, dtype }));
      const error = thrownBy(() => check.call(inputs));
      expect(error, `${check.op.name} took ${dtype}`).toBeInstanceOf(DTypeError);
      expect(String(error)).toMatch(new RegExp(`${check.op.name}\\b.*${dtype}`));
    }
  });
});

/** What a user gets wrong, the error it should be, and what the message has to say. */
type Mistake = readonly [attempt: () => unknown, type: new (message: string) => BulwarkError, message: RegExp];

const f = (...shape: number[]): Tensor => zeros(shape, { device });
const i = (...shape: number[]): Tensor => zeros(shape, { device, dtype: 'i32' });

describe('shapes and axes that do not fit are refused by', () => {
  const mistakes: readonly [name: string, mistake: () => Mistake][] = [
    ['add', () => [() => add(f(2, 3), f(2)), ShapeError, /add: shapes \[2, 3\] and \[2\] do not broadcast/]],
    ['where', () => [() => where(f(2), f(2), f(2)), DTypeError, /where: condition: .* f32; expected bool/]],
    ['reshape', () => [() => reshape(f(2, 3), [4]), ShapeError, /reshape: \[2, 3\] has 6 elements, \[4\] has 4/]],
    ['reshape with -1', () => [() => reshape(f(2, 3), [-1, 4]), ShapeError, /reshape/]],
    ['permute', () => [() => permute(f(2, 3), [0, 0]), ShapeError, /permute: \[0, 0\] is not an order of the 2 axes/]],
    ['transpose', () => [() => transpose(f(2)), ShapeError, /transpose: axis -2 .*/]],
    ['squeeze', () => [() => squeeze(f(2, 3), 0), ShapeError, /squeeze: axis 0 of \[2, 3\] has size 2; expected 1/]],
    ['unsqueeze', () => [() => unsqueeze(f(2), 3), ShapeError, /unsqueeze: axis 3/]],
    ['flatten', () => [() => flatten(f(2, 3), 5), ShapeError, /flatten: axis 5/]],
    ['slice', () => [() => slice(f(2), [null, null]), ShapeError, /slice: 2 ranges for a tensor of shape \[2\]/]],
    ['slice by 0', () => [() => slice(f(2), [{ step: 0 }]), ArgumentError, /slice: step 0/]],
    ['concat', () => [() => concat([f(2, 3), f(3, 3)], 1), ShapeError, /concat: f32 \[2, 3\] and f32 \[3, 3\]/]],
    ['concat of nothing', () => [() => concat([]), ArgumentError, /concat: no tensors/]],
    ['concat of dtypes', () => [() => concat([f(2), i(2)]), BulwarkError, /concat: f32 \[2\] and i32 \[2\]/]],
    ['stack', () => [() => stack([f(2), f(3)]), ShapeError, /\[1, 2\] and f32 \[1, 3\]/]],
    ['expand', () => [() => expand(f(2, 3), [2, 4]), ShapeError, /expand: .*\[2, 3\].*\[2, 4\]/]],
    ['split', () => [() => split(f(4), 2, 1), ShapeError, /split: axis 1/]],
    [
      'gather',
      () => [() => gather(f(2, 3), 0, i(2)), ShapeError, /gather: index of shape \[2\] for a tensor of shape/],
    ],
    ['gather by floats', () => [() => gather(f(2), 0, f(2)), DTypeError, /gather: index: .* f32; expected i32/]],
    ['indexSelect', () => [() => indexSelect(f(2), 0, i(2, 2)), ShapeError, /indexSelect: index of shape \[2, 2\]/]],
    ['scatterAdd', () => [() => scatterAdd(f(2, 3), 1, i(3, 3), 4), ShapeError, /scatterAdd: index of shape/]],
    ['oneHot', () => [() => oneHot(f(2), 3), DTypeError, /oneHot: .*f32; expected i32/]],
    ['sum', () => [() => sum(f(2, 3), 2), ShapeError, /sum: axis 2/]],
    ['sum twice', () => [() => sum(f(2, 3), [0, -2]), ShapeError, /sum: .*twice|sum: axes/]],
    ['mean of nothing', () => [() => mean(f(0)), ShapeError, /mean/]],
    ['max of nothing', () => [() => max(f(0)), ShapeError, /max/]],
    ['cumsum', () => [() => cumsum(f(2), 3), ShapeError, /cumsum: axis 3/]],
    ['sort', () => [() => sort(f(2), 1), ShapeError, /sort: axis 1/]],
    ['topk', () => [() => topk(f(3), 4), BulwarkError, /topk: .*4/]],
    ['softmax', () => [() => softmax(f(2), 1), ShapeError, /softmax: axis 1/]],
    [
      'logSoftmax of nothing',
      () => [() => logSoftmax(f(2, 0)), ShapeError, /logSoftmax: axis 1 of shape \[2, 0\] is empty/],
    ],
    ['matmul', () => [() => matmul(f(2, 3), f(2, 3)), ShapeError, /matmul: \[2, 3\] .*\[2, 3\]/]],
    ['matmul of batches', () => [() => matmul(f(2, 2, 3), f(3, 3, 2)), ShapeError, /matmul/]],
    ['linear', () => [() => linear(f(2, 3), f(4, 2)), ShapeError, /linear: input \[2, 3\], weight \[4, 2\]; expected/]],
    [
      'conv2d',
      () => [() => conv2d(f(1, 2, 4, 4), f(3, 1, 3, 3)), ShapeError, /conv2d: input .*, weight .* with 1 groups/],
    ],
    ['conv2d of rank 3', () => [() => conv2d(f(2, 4, 4), f(3, 2, 3, 3)), ShapeError, /expected input \[N, C, H, W\]/]],
    [
      'conv2d, stride',
      () => [() => conv2d(f(1, 1, 4, 4), f(1, 1, 1, 1), null, { stride: 0 }), ArgumentError, /stride/],
    ],
    ['maxPool2d', () => [() => maxPool2d(f(1, 1, 2, 2), 3), ShapeError, /maxPool2d: kernel \[3, 3\] does not fit/]],
    ['avgPool2d', () => [() => avgPool2d(f(2, 2), 2), ShapeError, /avgPool2d: input has shape \[2, 2\]/]],
    [
      'batchNorm2d',
      () => [
        () => batchNorm2d(f(2, 3, 1, 1), { runningMean: f(3), runningVar: f(2), training: true }),
        ShapeError,
        /batchNorm2d: input \[2, 3, 1, 1\] with per-channel tensors of 2/,
      ],
    ],
    ['crossEntropy', () => [() => crossEntropy(f(2, 3), i(3)), ShapeError, /logits \[2, 3\] with labels \[3\]/]],
  ];

  it.each(mistakes)('%s', (_, mistake) => {
    const [attempt, type, message] = mistake();
    const error = thrownBy(attempt);
    expect(error).toBeInstanceOf(type);
    expect(String(error)).toMatch(message);
  });
});

describe('a life that is over, or in the wrong place', () => {
  it('a tensor of a scope that ended', () => {
    const inner = device.scope(() => {
      const made = f(2);
      // Hidden from the scope, which returns what it finds in plain objects.
      return () => made;
    })();
    expect(() => add(inner, 1)).toThrow(FreedTensorError);
    expect(() => add(inner, 1)).toThrow(
      /add: this f32 tensor of shape \[2\] was freed; return it from its scope or keep/,
    );
    expect(() => inner.range).toThrow(FreedTensorError);
  });

  it('scopes that interleave', async () => {
    let release = (): void => undefined;
    const outer = device.scope(
      () =>
        new Promise<void>((resolve) => {
          release = resolve;
        }),
    );
    const inner = device.scope(async () => {
      await outer;
    });
    release();
    await expect(Promise.all([outer, inner])).rejects.toThrow(ScopeError);
  });

  it('values of a freed tensor', async () => {
    const x = f(2);
    x.dispose();
    await expect(x.data()).rejects.toThrow(/data: this f32 tensor of shape \[2\] was freed/);
    expect(() => keep(x)).toThrow(FreedTensorError);
  });
});

describe('differentiation that cannot be', () => {
  const leaf = (): Tensor => tensor([1, 2], { device }).requireGrad();

  it('of a result that is no scalar', () => {
    const y = square(leaf());
    expect(() => {
      backward(y);
    }).toThrow(GradError);
    expect(() => {
      backward(y);
    }).toThrow(/backward: the output has shape \[2\]; expected a scalar, or give gradOutput/);
  });

  it('twice', () => {
    const y = sum(square(leaf()));
    y.backward();
    expect(() => {
      y.backward();
    }).toThrow(/retainGraph/);
  });

  it('through what was changed in place', () => {
    const x = leaf();
    const y = sum(mul(x, exp(x)));
    x.detach().copyFrom(tensor([5, 6], { device }));
    expect(() => {
      y.backward();
    }).toThrow(GradError);
    expect(() => grad(y, [x])).toThrow(/changed|in place/);
  });

  it('of what has no graph, or with respect to what takes no part', () => {
    const x = leaf();
    expect(() => grad(sum(f(2)), [x])).toThrow(/grad: the output has no graph/);
    expect(() => grad(sum(square(leaf())), [x])).toThrow(/does not take part/);
    expect(() => i(2).requireGrad()).toThrow(/requireGrad: only floats have gradients, not i32/);
  });
});
