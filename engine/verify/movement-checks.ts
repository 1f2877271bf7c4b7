/** The self-test's cases for kernels that move, pick and order elements. */
import { tensor } from '../ops/create.js';
import { gt, to, where } from '../ops/elementwise.js';
import { gather, indexSelect, scatterAdd } from '../ops/indexing.js';
import { concat, slice, transpose } from '../ops/movement.js';
import { sort } from '../ops/sort.js';
import { cumsum } from '../ops/statistics.js';
import { Generator } from '../random.js';
import { leaf, type KernelCase } from './kernel-case.js';
import { valueAt, type Values } from './reference.js';

function byIndex(count: number, value: (index: number) => number): Values {
  return Float64Array.from({ length: count }, (_, index) => value(index));
}

const COPIES: KernelCase = {
  name: 'copies, selection and conversion',
  tolerance: 0,
  run: (device) => {
    const [rows, columns] = [19, 70];
    const { t, values } = leaf(device, [rows, columns], 30);
    const at = (row: number, column: number): number => valueAt(values, row * columns + column);
    return [
      { got: transpose(t), expected: byIndex(values.length, (i) => at(i % rows, Math.floor(i / rows))) },
      {
        got: slice(t, [{ step: -1 }, { start: 1, step: 3 }]),
        expected: byIndex(rows * 23, (i) => at(rows - 1 - Math.floor(i / 23), 1 + 3 * (i % 23))),
      },
      { got: concat([t, t]), expected: byIndex(2 * values.length, (i) => valueAt(values, i % values.length)) },
      { got: where(gt(t, 0), t, tensor(9, { device })), expected: values.map((value) => (value > 0 ? value : 9)) },
      { got: to(t, 'i32'), expected: values.map(Math.trunc) },
      ...(device.caps.f16 ? [{ got: to(to(tensor([1.5, -3], { device }), 'f16'), 'f32'), expected: [1.5, -3] }] : []),
    ];
  },
};

const INDEXING: KernelCase = {
  name: 'indexing and its adjoint',
  tolerance: 1e-6,
  run: (device) => {
    const [size, count] = [40, 300];
    const { t, values } = leaf(device, [size], 31);
    const places = Int32Array.from(new Generator(32).integers(count, size));
    const index = tensor(places, { device });
    const picked = Float64Array.from(places, (place) => valueAt(values, place));
    const sums = byIndex(size, (place) =>
      picked.reduce((total, value, i) => (places[i] === place ? total + value : total), 0),
    );
    const gathered = gather(t, 0, index);
    return [
      { got: gathered, expected: picked },
      { got: indexSelect(t, 0, index), expected: picked },
      { got: scatterAdd(gathered, 0, index, size), expected: sums },
    ];
  },
};

const ORDER: KernelCase = {
  name: 'sorting and running sums',
  tolerance: 2e-6,
  run: (device) => {
    const { t, values } = leaf(device, [5000], 33);
    let running = 0;
    const { values: sorted, indices } = sort(t);
    const order = [...values.keys()].sort((a, b) => valueAt(values, a) - valueAt(values, b));
    return [
      { got: sorted, expected: order.map((place) => valueAt(values, place)) },
      { got: indices, expected: order },
      { got: cumsum(t, 0), expected: Float64Array.from(values, (value) => (running += value)) },
    ];
  },
};

/** The cases of this file, in the order in which they run. */
export const MOVEMENT_CASES: readonly KernelCase[] = [COPIES, INDEXING, ORDER];
