import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grad, linear, matmul, registeredOps, tensor, zeros, type Device, type Tensor } from '../../engine/index.js';
import { chooseGemm, gemm, type GemmVariant } from '../../engine/ops/gemm.js';
import { at, broadcast, build, distance, sizeOf, type NdArray } from '../support/reference.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const draw = (shape: readonly number[], seed: number): NdArray => ({
  shape,
  data: Float64Array.from(uniformFloats(sizeOf(shape), seed)),
});
const upload = (x: NdArray): Tensor => tensor(Float32Array.from(x.data), { shape: x.shape, device });

/** op(a) op(b) over the last two axes, from the definition. */
function product(a: NdArray, b: NdArray, transA = false, transB = false): NdArray {
  const turn = (index: readonly number[], swap: boolean): readonly number[] =>
    swap ? [...index.slice(0, -2), index.at(-1) ?? 0, index.at(-2) ?? 0] : index;
  const [rows, K] = turn(a.shape.slice(-2), transA);
  const columns = turn(b.shape.slice(-2), transB)[1];
  const batch = broadcast([a.shape.slice(0, -2), b.shape.slice(0, -2)]);
  return build([...batch, rows ?? 0, columns ?? 0], (index) => {
    const lead = index.slice(0, -2);
    let sum = 0;
    for (let k = 0; k < (K ?? 0); k++) {
      sum +=
        at(a, turn([...lead, index.at(-2) ?? 0, k], transA)) * at(b, turn([...lead, k, index.at(-1) ?? 0], transB));
    }
    return sum;
  });
}

/** Sums of K products of numbers of order 1 in f32: sqrt(K) 2^-24 relative, with a factor of 4 for partial sums. */
const tolerance = (K: number, norm: number): number => 4 * Math.sqrt(K + 1) * 2 ** -24 * norm + 1e-6;

interface VariantCase {
  readonly name: string;
  readonly variant: GemmVariant;
  readonly needsSubgroups: boolean;
  /** Which operands are transposed. */
  readonly orientations: readonly (readonly [boolean, boolean])[];
}

const ALL = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const;

/** Each variant in every orientation costs a compilation of its own, so the small tiles take turns. */
const variants: VariantCase[] = [
  { q: 1, threads: 4, splits: 1, orientations: ALL.slice(0, 1) } as const,
  { q: 2, threads: 4, splits: 1, orientations: ALL.slice(3) } as const,
  { q: 4, threads: 8, splits: 1, orientations: ALL } as const,
  { q: 2, threads: 4, splits: 3, orientations: ALL.slice(1, 2) } as const,
].map(({ orientations, ...tile }) => ({
  name: `quad ${4 * tile.q} x ${4 * tile.threads}, ${tile.splits} splits`,
  variant: { kind: 'quad', ...tile },
  needsSubgroups: true,
  orientations,
}));
variants.push(
  ...[
    { t: 4, opaque: true, splits: 1, orientations: ALL } as const,
    { t: 8, opaque: true, splits: 2, orientations: ALL.slice(2, 3) } as const,
    { t: 4, opaque: false, splits: 1, orientations: ALL.slice(0, 1) } as const,
  ].map(({ orientations, ...tile }) => ({
    name: `tile ${16 * tile.t}, ${tile.splits} splits, ${tile.opaque ? 'opaque' : 'open'} bound`,
    variant: { kind: 'tile' as const, ...tile },
    needsSubgroups: false,
    orientations,
  })),
);

const sizes = [
  [1, 1, 1],
  [3, 5, 7],
  [68, 36, 20],
  [17, 130, 65],
] as const;

describe('every kernel variant', () => {
  it.each(variants)('$name', async ({ variant, needsSubgroups, orientations }) => {
    // Both software adapters have subgroups of a fixed size, so every variant runs.
    if (needsSubgroups) expect(device.caps.subgroupSize).toBeGreaterThanOrEqual(4);
    for (const [M, N, K] of sizes) {
      for (const [transA, transB] of orientations) {
        const a = draw([2, ...(transA ? [K, M] : [M, K])], M + K);
        const b = draw(transB ? [N, K] : [K, N], N + K);
        const expected = product(a, b, transA, transB);
        const [left, right] = [upload(a), upload(b)];
        const batch = { outer: 1, inner: 2, a: [0, M * K], b: [0, 0], out: [0, M * N] } as const;
        for (let run = 0; run < 3; run++) {
          await device.scope(async () => {
            const out = zeros([2, M, N], { device });
            gemm(device, { a: left, b: right, out, M, N, K, transA, transB, batch }, variant);
            const { error, norm } = distance(await out.data(), expected.data);
            expect(error, `${M} x ${N} x ${K}, ${transA}, ${transB}`).toBeLessThanOrEqual(tolerance(K, norm));
          });
        }
      }
    }
  });

  it('splits long sums of small products, with the same bits every time', async () => {
    const [a, b] = [draw([5, 3001], 1), draw([3001, 6], 2)];
    expect(chooseGemm(device.caps, { M: 5, N: 6, K: 3001 }).splits).toBeGreaterThan(1);
    const [left, right] = [upload(a), upload(b)];
    const results = [];
    for (let run = 0; run < 3; run++) results.push(await matmul(left, right).data());
    const { error, norm } = distance(results[0] ?? [], product(a, b).data);
    expect(error).toBeLessThanOrEqual(tolerance(3001, norm));
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });
});

describe('matmul', () => {
  const shapes: [number[], number[]][] = [
    [
      [3, 4],
      [4, 5],
    ],
    [[4], [4]],
    [[4], [4, 5]],
    [[3, 4], [4]],
    [
      [2, 3, 4],
      [4, 5],
    ],
    [[2, 3, 4], [4]],
    [
      [3, 4],
      [2, 4, 5],
    ],
    [
      [2, 1, 3, 4],
      [5, 4, 6],
    ],
    [
      [2, 1, 2, 3, 4],
      [1, 5, 1, 4, 2],
    ],
    [
      [1, 1],
      [1, 1],
    ],
  ];
  it.each(shapes)('%j by %j', async (shapeA, shapeB) => {
    const [a, b] = [draw(shapeA, 1), draw(shapeB, 2)];
    const rows = shapeA.length === 1 ? { ...a, shape: [1, ...shapeA] } : a;
    const columns = shapeB.length === 1 ? { ...b, shape: [...shapeB, 1] } : b;
    const expected = product(rows, columns);
    const y = matmul(upload(a), upload(b));
    const drop = expected.shape.filter(
      (_, axis) =>
        !(shapeA.length === 1 && axis === expected.shape.length - 2) &&
        !(shapeB.length === 1 && axis === expected.shape.length - 1),
    );
    expect(y.shape).toEqual(drop);
    const { error, norm } = distance(await y.data(), expected.data);
    expect(error).toBeLessThanOrEqual(tolerance(4, norm));
  });

  it('gives zeros for an empty inner axis and nothing for empty results', async () => {
    const y = matmul(zeros([2, 0], { device }), zeros([0, 3], { device }));
    expect(await y.data()).toEqual(new Float32Array(6));
    expect(matmul(zeros([0, 3], { device }), zeros([3, 2], { device })).shape).toEqual([0, 2]);
  });

  it('has the gradients of its definition, of first and second order', async () => {
    const op = registeredOps.get('matmul');
    for (const sample of op?.samples ?? []) {
      const { transA, transB } = sample.attrs as { transA: boolean; transB: boolean };
      const arrays = sample.shapes.map((shape, index) => draw(shape, index + 1));
      const [a, b] = arrays.map((array) => upload(array).requireGrad());
      if (!a || !b) throw new RangeError('two operands');
      const [y] = sample.call([a, b]);
      if (!y) throw new RangeError('one output');
      const g = draw(y.shape, 9);
      const [da, db] = grad(y, [a, b], { gradOutput: upload(g), createGraph: true });
      if (!da || !db) throw new RangeError('two gradients');
      // <g, op(a) op(b)> is linear in each operand: its directional derivatives are products again.
      for (const [gradient, which] of [
        [da, 0],
        [db, 1],
      ] as const) {
        const direction = draw(gradient.shape, 11);
        const moved =
          which === 0
            ? product(direction, part(arrays[1]), transA, transB)
            : product(part(arrays[0]), direction, transA, transB);
        const expected = moved.data.reduce((sum, value, index) => sum + value * (g.data[index] ?? 0), 0);
        const actual = (await gradient.floats()).reduce(
          (sum, value, index) => sum + value * (direction.data[index] ?? 0),
          0,
        );
        const size = Math.sqrt(moved.data.length * 64);
        expect(Math.abs(actual - expected)).toBeLessThanOrEqual(tolerance(64, size));
      }
      // d/db <v, da> = op(v)^T g: the same rule as db with v in a's place.
      const v = draw(a.shape, 13);
      const [second] = grad(da, [b], { gradOutput: upload(v) });
      const [again] = grad(sample.call([upload(v), b])[0] ?? y, [b], { gradOutput: upload(g) });
      const { error, norm } = distance((await second?.data()) ?? [], (await again?.data()) ?? [1]);
      expect(error).toBeLessThanOrEqual(tolerance(64, norm));
    }
  });

  it('computes only the gradient that is wanted', () => {
    const [a, b] = [upload(draw([4, 4], 1)).requireGrad(), upload(draw([4, 4], 2)).requireGrad()];
    const y = matmul(a, b);
    const gradOutput = upload(draw([4, 4], 3));
    const before = device.counters.dispatches;
    grad(y, [a], { gradOutput });
    expect(device.counters.dispatches - before).toBe(1);
  });

  it('names the shapes that do not fit', () => {
    expect(() => matmul(zeros([2, 3], { device }), zeros([4, 5], { device }))).toThrow(
      /matmul: \[2, 3\] by \[4, 5\]; the columns of the first \(3\) must be the rows of the second \(4\)/,
    );
    expect(() => linear(zeros([2, 3], { device }), zeros([4, 5], { device }))).toThrow(
      /linear: input \[2, 3\], weight \[4, 5\]/,
    );
  });
});

function part(x: NdArray | undefined): NdArray {
  if (!x) throw new RangeError('missing operand');
  return x;
}
