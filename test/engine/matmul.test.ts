import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ShapeError, full, grad, linear, matmul, tensor, zeros, type Device, type Tensor } from '../../engine/index.js';
import { chooseGemm, gemm, type GemmVariant } from '../../engine/ops/gemm.js';
import { testDevice } from '../support/device.js';
import { expectGolden, loadGolden } from '../support/golden.js';
import { expectDerivatives, expectForward, upload, type OpCheck } from '../support/op-check.js';
import { at, build, distance, sizeOf, type NdArray, type Reference } from '../support/reference.js';
import { product } from '../support/references/matmul.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const affine: Reference = ([x, weight, bias]) => {
  if (!x || !weight) throw new RangeError('linear takes an input and a weight');
  const y = product({ transB: true })([x, weight]);
  return bias ? build(y.shape, (index) => at(y, index) + at(bias, index.slice(-1))) : y;
};

/** The cost of rounding a sum of K products of numbers up to 2, relative to the sum's own size. */
const PRODUCT = 3e-6;

const operands: readonly [readonly number[], readonly number[]][] = [
  [
    [2, 3, 4],
    [4, 5],
  ],
  [
    [3, 4],
    [2, 4, 5],
  ],
  [
    [2, 1, 3, 4],
    [3, 4, 2],
  ],
  [
    [2, 1, 2, 1, 3, 2],
    [1, 3, 1, 2, 2, 2],
  ],
  [
    [3, 1, 4],
    [3, 4, 1],
  ],
  [
    [0, 4],
    [4, 3],
  ],
  [
    [2, 0],
    [0, 3],
  ],
];

const checks: OpCheck[] = [
  ...operands.map((shapes): OpCheck => ({
    name: `matmul ${JSON.stringify(shapes)}`,
    shapes,
    call: ([a, b]) => a && b && matmul(a, b),
    definition: product(),
  })),
];

describe('matmul and linear', () => {
  it.each(checks)('$name computes its definition', (check) => expectForward(device, check, { forward: PRODUCT }));
  it.each(checks)('$name has its derivatives', (check) => expectDerivatives(device, check));

  it('treats 1-D operands as a row on the left and a column on the right', async () => {
    const [u, v] = [tensor([1, 2, 3], { device }), tensor([4, 5, 6], { device })];
    const m = tensor(
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      { device },
    );
    expect(await matmul(u, v).item()).toBe(32);
    expect(await matmul(m, v).toArray()).toEqual([32, 77]);
    expect(await matmul(tensor([1, 10], { device }), m).toArray()).toEqual([41, 52, 63]);
    expect(matmul(zeros([5, 2, 3], { device }), v).shape).toEqual([5, 2]);
  });

  it('gives the bias alone where there is nothing to multiply', async () => {
    const y = linear(zeros([2, 0], { device }), zeros([3, 0], { device }), tensor([1, 2, 3], { device }));
    expect(await y.toArray()).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });

  it('keeps the leading axes of a linear input', async () => {
    const check: OpCheck = {
      name: 'linear',
      shapes: [[2, 3, 5], [4, 5], [4]],
      call: ([x, w, b]) => x && w && linear(x, w, b),
      definition: affine,
    };
    await expectForward(device, check, { forward: PRODUCT });
    await expectDerivatives(device, check);
  });

  it('says which sizes do not fit', () => {
    const x = zeros([2, 3], { device });
    expect(() => matmul(x, x)).toThrow(
      /\[2, 3\] by \[2, 3\]; the columns of the first \(3\) must be the rows of the second \(2\)/,
    );
    expect(() => matmul(zeros([2, 2, 3], { device }), zeros([3, 3, 4], { device }))).toThrow(ShapeError);
    expect(() => matmul(zeros([], { device }), x)).toThrow(/at least one axis each/);
    expect(() => linear(x, zeros([4, 2], { device }))).toThrow(/expected \[\.\.\., K\], \[N, K\] and \[N\]/);
    expect(() => linear(x, zeros([4, 3], { device }), zeros([3], { device }))).toThrow(/bias \[3\]/);
  });

  it.each(loadGolden('ops').cases.filter(({ op }) => op === 'linear'))(
    '$id is as in PyTorch',
    async ({ id, inputs, outputs }) => {
      const tensors = new Map(
        [...inputs].map(([name, { data, shape }]) => [name, tensor(data, { shape, device }).requireGrad()]),
      );
      const [x, w, b, dy] = ['x', 'w', 'b', 'dy'].map((name) => tensors.get(name));
      if (!x || !w || !dy) throw new RangeError(`${id}: an input is missing`);
      const y = linear(x, w, b);
      for (const [key, golden] of outputs) {
        const [wanted] = key.startsWith('d_') ? [tensors.get(key.slice(2))] : [];
        const result = wanted ? grad(y, [wanted], { gradOutput: dy.detach() })[0] : y;
        expectGolden((await result?.data()) ?? [], golden, { rtol: 2e-5, atol: 2e-6 }, `${id} ${key}`);
      }
    },
  );
});

/** Operands as they are, or transposed. */
const LAYOUTS = [false, true].flatMap((transA) => [false, true].map((transB) => ({ transA, transB })));

/**
 * Every kernel and tile that the device can run, some with split sums. The driver with eight lanes takes up to seconds to compile each: it has
 * those that are not its own in one layout each.
 */
function variantsFor(layout: number): GemmVariant[] {
  const quads: GemmVariant[] = [
    { kind: 'quad', q: 1, share: 4, threads: 4, splits: 3 },
    { kind: 'quad', q: 2, share: 4, threads: 4, splits: 1 },
    { kind: 'quad', q: 4, share: 4, threads: 8, splits: 1 },
    { kind: 'quad', q: 8, share: 4, threads: 4, splits: 1 },
  ];
  const octets: GemmVariant[] = [
    { kind: 'quad', q: 2, share: 8, threads: 8, splits: 1 },
    { kind: 'quad', q: 4, share: 8, threads: 8, splits: 3 },
  ];
  const tiles: GemmVariant[] = [
    { kind: 'tile', t: 4, opaque: true, splits: 3 },
    { kind: 'tile', t: 8, opaque: true, splits: 1 },
  ];
  const { subgroupSize } = device.caps;
  const foreign = [...(subgroupSize >= 4 ? quads : []), ...tiles];
  if (subgroupSize !== 8) return foreign;
  return [...octets, ...foreign.filter((_, index) => index % LAYOUTS.length === layout)];
}

interface Sizes {
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** A batched product of given sizes by one variant, with one operand repeated, against its definition. */
async function expectProduct(
  sizes: Sizes,
  trans: { transA: boolean; transB: boolean },
  variant: GemmVariant,
  biased: boolean,
): Promise<void> {
  const { M, N, K } = sizes;
  const draw = (shape: number[], seed: number): NdArray => ({
    shape,
    data: Float64Array.from(uniformFloats(sizeOf(shape), seed)),
  });
  const a = draw(trans.transA ? [2, K, M] : [2, M, K], 1);
  const b = draw(trans.transB ? [N, K] : [K, N], 2);
  const bias = draw([N], 3);
  const plain = product(trans)([a, b]);
  const expected = biased ? build(plain.shape, (index) => at(plain, index) + at(bias, index.slice(-1))) : plain;
  const out = full([2, M, N], 9, { device });
  gemm(
    device,
    {
      ...{ a: upload(device, a), b: upload(device, b), out, M, N, K, ...trans },
      batch: { outer: 1, inner: 2, a: [0, M * K], b: [0, 0], out: [0, M * N] },
      ...(biased ? { bias: upload(device, bias) } : {}),
    },
    variant,
  );
  const { error, norm } = distance(await out.data(), expected.data);
  expect(error, JSON.stringify({ ...sizes, ...trans, ...variant, biased })).toBeLessThanOrEqual(1e-6 * norm);
}

describe('every variant of the product', () => {
  // One pipeline for rows that divide into vectors, one for rows that do not.
  const shapes: readonly (Sizes & { biased: boolean })[] = [
    { M: 20, N: 36, K: 28, biased: false },
    { M: 17, N: 13, K: 29, biased: true },
    { M: 1, N: 1, K: 1, biased: true },
    { M: 131, N: 67, K: 11, biased: true },
    { M: 3, N: 1, K: 530, biased: true },
  ];
  it.each(LAYOUTS)('op(A) op(B) with $transA, $transB', async (trans) => {
    for (const variant of variantsFor(LAYOUTS.indexOf(trans))) {
      for (const { biased, ...sizes } of shapes) await expectProduct(sizes, trans, variant, biased);
    }
  });

  it('the same with the inner loop in sight of the compiler', () =>
    expectProduct(
      { M: 20, N: 36, K: 28 },
      { transA: false, transB: false },
      { kind: 'tile', t: 4, opaque: false, splits: 1 },
      false,
    ));

  it('reads nothing beyond its operands into the result', async () => {
    const shape = [5, 7];
    for (let i = 0; i < 8; i++) full([64], Number.NaN, { device }).dispose();
    const [a, b] = [full(shape, 1, { device }), full([7, 3], 1, { device })];
    expect([...(await matmul(a, b).data())]).toEqual(new Array(15).fill(7));
    expect([...(await matmul(a.transpose(), full([5, 3], 1, { device })).data())]).toEqual(new Array(21).fill(5));
    expect([...(await linear(a, full([3, 7], 1, { device })).data())]).toEqual(new Array(15).fill(7));
  });

  it('splits long sums of small products, and gives the same bits every time', async () => {
    const [M, N, K] = [9, 10, 20_001];
    expect(chooseGemm(device.caps, { M, N, K }).splits).toBeGreaterThan(1);
    const a: NdArray = { shape: [M, K], data: Float64Array.from(uniformFloats(M * K, 1)) };
    const b: NdArray = { shape: [K, N], data: Float64Array.from(uniformFloats(K * N, 2)) };
    const run = (): Tensor => matmul(upload(device, a), upload(device, b));
    const [first, again] = [await run().data(), await run().data()];
    expect([...again]).toEqual([...first]);
    const { error, norm } = distance(first, product()([a, b]).data);
    expect(error).toBeLessThanOrEqual(2e-6 * norm);
  });

  it('chooses the plain tile on a real GPU and without subgroups', () => {
    const caps = { ...device.caps, software: false, subgroupSize: 32 };
    expect(chooseGemm(caps, { M: 4096, N: 4096, K: 512 })).toEqual({ kind: 'tile', t: 8, opaque: false, splits: 1 });
    expect(chooseGemm(caps, { M: 64, N: 64, K: 65_536 })).toMatchObject({ kind: 'tile', t: 4, splits: 64 });
    expect(chooseGemm({ ...caps, software: true, subgroupSize: 0 }, { M: 512, N: 512, K: 512 })).toMatchObject({
      kind: 'tile',
      opaque: true,
    });
  });
});
