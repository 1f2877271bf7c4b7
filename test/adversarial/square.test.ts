import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inEvalMode, squareAttack, squareSearch, type SquareResult } from '../../adversarial/index.js';
import { drawWindow, squareGrid, squarePattern, type SquareWindow } from '../../adversarial/attacks/square-windows.js';
import {
  Generator,
  ShapeError,
  argmax,
  flatten,
  floor,
  matmul,
  noGrad,
  rand,
  relu,
  slice,
  tensor,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';
import { SmallNet, smallImages } from './small-images.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const scoped = (body: () => Promise<void>) => () => device.scope(body);
const NORMS = ['linf', 'l2'] as const;
const CLASSES = 4;
const HIDDEN = 12;

/** A network of two layers, on the GPU and as plain numbers. */
function network(
  size: number,
  seed = 3,
): { model: (x: Tensor) => Tensor; logits: (image: readonly number[]) => number[] } {
  const first = uniformFloats(size * HIDDEN, seed, -1, 1);
  const second = uniformFloats(HIDDEN * CLASSES, seed + 1, -1, 1);
  const [w1, w2] = [
    tensor(first, { device, shape: [size, HIDDEN] }),
    tensor(second, { device, shape: [HIDDEN, CLASSES] }),
  ];
  const product = (row: readonly number[], matrix: Float32Array, columns: number): number[] =>
    Array.from({ length: columns }, (_, k) => row.reduce((sum, v, i) => sum + v * (matrix[i * columns + k] ?? NaN), 0));
  return {
    model: (x) => matmul(relu(matmul(flatten(x, 1), w1)), w2),
    logits: (image) =>
      product(
        product(image, first, HIDDEN).map((v) => Math.max(v, 0)),
        second,
        CLASSES,
      ),
  };
}

function images(m: number, [c, h, w]: readonly [number, number, number], [low, high] = [0, 1], seed = 1): Tensor {
  return tensor(uniformFloats(m * c * h * w, seed, low, high), { device, shape: [m, c, h, w] });
}

const classesOf = (model: (x: Tensor) => Tensor, x: Tensor): Tensor => noGrad(device, () => argmax(model(x), 1));

const read = async ({ images: found, queries, found: flags }: SquareResult) => ({
  values: await found.floats(),
  queries: Array.from(await queries.data()),
  found: Array.from(await flags.data(), (flag) => flag === 1),
});

/** How far each image is from the natural one. */
function distances(norm: 'linf' | 'l2', a: Float32Array, b: Float32Array, m: number): number[] {
  const size = a.length / m;
  return Array.from({ length: m }, (_, row) => {
    const d = Array.from({ length: size }, (__, i) =>
      Math.abs((a[row * size + i] ?? NaN) - (b[row * size + i] ?? NaN)),
    );
    return norm === 'linf' ? Math.max(...d) : Math.hypot(...d);
  });
}

const clip = (value: number): number => Math.min(Math.max(value, 0), 1);
const length = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));

/** One sample's search, image `[c, h, w]` by image in float64, written from the published description. */
class Reference {
  readonly c: number;
  readonly h: number;
  readonly w: number;

  constructor(
    readonly logits: (image: readonly number[]) => number[],
    readonly x: readonly number[],
    readonly label: number,
    readonly eps: number,
    [c, h, w]: readonly [number, number, number],
    /** The label is the class to arrive at. */
    readonly targeted = false,
  ) {
    [this.c, this.h, this.w] = [c, h, w];
  }

  /** What goes down from version to version. */
  score(image: readonly number[]): number {
    if (!this.targeted) return this.margin(image);
    const logits = this.logits(image);
    return Math.log(logits.reduce((sum, z) => sum + Math.exp(z - (logits[this.label] ?? NaN)), 0));
  }

  isFound(image: readonly number[]): boolean {
    const margin = this.margin(image);
    return this.targeted ? margin >= 0 : margin <= 0;
  }

  margin(image: readonly number[]): number {
    const logits = this.logits(image);
    return (logits[this.label] ?? NaN) - Math.max(...logits.filter((_, k) => k !== this.label));
  }

  /** Every element's value by its channel, row and column. */
  map(value: (channel: number, row: number, column: number, at: number) => number): number[] {
    return this.x.map((_, at) => {
      const column = at % this.w;
      const row = Math.floor(at / this.w) % this.h;
      return value(Math.floor(at / (this.w * this.h)), row, column, at);
    });
  }

  stripes(numbers: Float32Array): number[] {
    return this.map((channel, _, column, at) => {
      const sign = (numbers[channel * this.w + column] ?? NaN) >= 0.5 ? 1 : -1;
      return clip((this.x[at] ?? NaN) + sign * this.eps);
    });
  }

  linf(best: readonly number[], { top, left, side, signs }: SquareWindow): number[] {
    return this.map((channel, row, column, at) => {
      const inside = row >= top && row < top + side && column >= left && column < left + side;
      const [x, from] = [this.x[at] ?? NaN, best[at] ?? NaN];
      const moved = from + (inside ? 2 * this.eps * (signs[channel] ?? NaN) : 0);
      return clip(Math.min(Math.max(moved, x - this.eps), x + this.eps));
    });
  }

  /** x with a perturbation of length eps in this direction. */
  onSphere(direction: readonly number[]): number[] {
    const total = length(direction) + 1e-12;
    return direction.map((value, at) => clip((this.x[at] ?? NaN) + (value / total) * this.eps));
  }

  squares(numbers: Float32Array, grid: ReturnType<typeof squareGrid>): number[] {
    return this.onSphere(
      this.map((channel, row, column) => {
        const pixel = row * this.w + column;
        const number = numbers[channel * grid.count + (grid.squares[pixel] ?? NaN)] ?? NaN;
        return (grid.pattern[pixel] ?? NaN) * (number >= 0.5 ? 1 : -1);
      }),
    );
  }

  l2(best: readonly number[], window: SquareWindow, numbers: readonly number[]): number[] {
    const { side, top, left, secondTop, secondLeft, turned } = window;
    const within = (row: number, column: number, from: number, start: number): boolean =>
      row >= from && row < from + side && column >= start && column < start + side;
    const d = best.map((value, at) => value - (this.x[at] ?? NaN));
    const pattern = squarePattern(side, turned);
    const windows = this.map((_, row, column) =>
      within(row, column, top, left) ? 1 : within(row, column, secondTop, secondLeft) ? 2 : 0,
    );
    const channelOf = this.map((channel) => channel);
    const ofChannel = (values: readonly number[], channel: number): number[] =>
      values.filter((_, at) => windows[at] === 1 && channelOf[at] === channel);
    const direction = this.map((channel, row, column, at) => {
      if (windows[at] !== 1) return 0;
      const bell = pattern[(row - top) * side + (column - left)] ?? NaN;
      const sign = (numbers[channel] ?? NaN) >= 0.5 ? 1 : -1;
      return bell * sign + (d[at] ?? NaN) / (1e-12 + length(ofChannel(d, channel)));
    });
    const unused = Math.max(this.eps ** 2 - length(d) ** 2, 0);
    const together = length(d.filter((_, at) => windows[at] !== 0));
    const size = Math.sqrt(unused / this.c + together ** 2);
    return this.onSphere(
      this.map((channel, _, __, at) => {
        if (windows[at] === 2) return 0;
        if (windows[at] === 0) return d[at] ?? NaN;
        return ((direction[at] ?? NaN) / (1e-12 + length(ofChannel(direction, channel)))) * size;
      }),
    );
  }

  /** Tries version after version until the sample is misclassified. */
  run(
    start: number[],
    tries: readonly ((best: readonly number[]) => number[])[],
  ): { image: number[]; queries: number } {
    let [best, score, queries] = [start, this.score(start), 1];
    for (const attempt of tries) {
      if (this.isFound(best)) break;
      const image = attempt(best);
      queries++;
      const reached = this.score(image);
      if (reached < score || this.isFound(image)) [best, score] = [image, reached];
    }
    return { image: best, queries };
  }
}

describe.each([
  ['linf', 0.04],
  ['l2', 0.3],
] as const)('squareSearch within an %s ball', (norm, eps) => {
  it.each([
    [[1, 7, 7], 1, false],
    [[3, 8, 8], 4, false],
    [[2, 5, 11], 1, false],
    [[1, 7, 7], 7, true],
    [[3, 5, 6], 7, true],
  ] as const)('takes the steps of a plain implementation, for images %j', async (shape, scale, targeted) => {
    await device.scope(async () => {
      const [m, steps] = [8, 70];
      const [c, h, w] = shape;
      const size = c * h * w;
      const { model, logits } = network(size);
      const x = images(m, shape);
      const labels = classesOf(model, x);
      const next = Int32Array.from(await labels.data(), (label) => (label + 1) % CLASSES);
      const targets = tensor(next, { device });
      const options = { norm, eps: scale * eps, queries: steps, ...(targeted && { targets }) };
      const result = await read(await squareSearch(model, x, labels, { ...options, generator: new Generator(9) }));

      // The numbers in the order in which the search takes them.
      const stream = new Generator(9);
      const draw = (generator: Generator, count: number): Promise<Float32Array> =>
        rand([m, count], {
          device,
          generator,
          rows: tensor(
            Int32Array.from({ length: m }, (_, i) => i),
            { device },
          ),
        }).floats();
      const own = Generator.fromState(stream.reserveRows());
      const grid = squareGrid(Generator.fromState(stream.reserveRows()), h, w);
      const starts = await draw(own, norm === 'linf' ? c * w : c * grid.count);
      const ofWindows = Generator.fromState(stream.reserveRows());
      const settings = { norm, height: h, width: w, pInit: 0.8 };
      const windows = Array.from({ length: steps }, (_, i) => drawWindow(ofWindows, i, c, settings));
      const signs = [await draw(stream, 64 * c), await draw(stream, 64 * c)];

      const [natural, classes] = [await x.floats(), targeted ? next : await labels.data()];
      let left = 0;
      for (let row = 0; row < m; row++) {
        const image = Array.from(natural.subarray(row * size, (row + 1) * size));
        const reference = new Reference(logits, image, classes[row] ?? NaN, scale * eps, shape, targeted);
        const per = starts.length / m;
        const numbers = starts.subarray(row * per, (row + 1) * per);
        const start = norm === 'linf' ? reference.stripes(numbers) : reference.squares(numbers, grid);
        const tries = windows.map((window, i) => (best: readonly number[]) => {
          if (norm === 'linf') return reference.linf(best, window);
          const from = (row * 64 + (i % 64)) * c;
          return reference.l2(best, window, Array.from(signs[Math.floor(i / 64)]?.subarray(from, from + c) ?? []));
        });
        const expected = reference.run(start, tries);
        expect(result.queries[row]).toBe(expected.queries);
        expect(result.found[row]).toBe(reference.isFound(expected.image));
        expected.image.forEach((value, i) => expect(result.values[row * size + i]).toBeCloseTo(value, 5));
        if (expected.queries > steps) left++;
      }
      expect(left, 'samples that are searched for to the end').toBeGreaterThan(0);
      expect(left, 'samples that are found').toBeLessThan(m);
    });
  });

  it(
    'stays in the ball and the range, and says what is misclassified',
    scoped(async () => {
      const [m, shape] = [12, [2, 6, 6]] as const;
      const { model } = network(72);
      const x = images(m, shape, [0.01, 0.99]);
      const labels = classesOf(model, x);
      const options = { norm, eps, queries: 100, generator: new Generator(2) };
      const result = await squareSearch(model, x, labels, options);
      const { values, found, queries } = await read(result);
      const far = distances(norm, values, await x.floats(), m);
      expect(Math.max(...far)).toBeLessThanOrEqual(eps * (1 + 1e-5));
      expect(Math.min(...far)).toBeGreaterThan(norm === 'linf' ? 0.9 * eps : 0.5 * eps);
      expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...values)).toBeLessThanOrEqual(1);
      const [ends, given] = [await classesOf(model, result.images).data(), await labels.data()];
      expect(found).toEqual(Array.from(ends, (label, row) => label !== given[row]));
      expect(new Set(found).size).toBe(2);
      queries.forEach((count, row) => expect(found[row] ? count <= 101 : count === 101).toBe(true));
    }),
  );

  it(
    'finds no less with more queries, and the same sooner',
    scoped(async () => {
      const [m, shape] = [24, [1, 6, 6]] as const;
      const { model } = network(36, 8);
      const x = images(m, shape);
      const labels = classesOf(model, x);
      let before = { found: new Array<boolean>(m).fill(false), queries: new Array<number>(m).fill(0) };
      let gains = 0;
      for (const queries of [1, 20, 70, 140]) {
        const options = { norm, eps, queries, generator: new Generator(5) };
        const now = await read(await squareSearch(model, x, labels, options));
        before.found.forEach((was, row) => {
          if (was) expect([now.found[row], now.queries[row]]).toEqual([true, before.queries[row]]);
        });
        if (now.found.filter(Boolean).length > before.found.filter(Boolean).length) gains++;
        before = now;
      }
      expect(gains).toBeGreaterThan(1);
      expect(before.found).toContain(false);
    }),
  );

  it(
    'gives a sample the same end in whatever batch it is, also once others have left it',
    scoped(async () => {
      const [m, shape] = [9, [1, 6, 6]] as const;
      const { model } = network(36, 8);
      const x = images(m, shape);
      const labels = classesOf(model, x);
      const sizes = new Set<number | undefined>();
      const watched = (batch: Tensor): Tensor => {
        sizes.add(batch.shape[0]);
        return model(batch);
      };
      const numbers = Int32Array.from({ length: m }, (_, i) => 7 * i + 3);
      const options = { norm, eps: 1.5 * eps, queries: 90 };
      const samples = tensor(numbers, { device });
      const whole = await read(
        await squareSearch(watched, x, labels, { ...options, samples, generator: new Generator(7) }),
      );
      expect(Math.min(...whole.queries), 'samples found early').toBeLessThan(65);
      expect(Math.max(...whole.queries), 'samples found late or never').toBeGreaterThan(65);
      expect(sizes.size, 'batches of several sizes').toBeGreaterThan(1);
      for (let row = 0; row < m; row += 2) {
        const cut = (each: Tensor): Tensor => slice(each, [{ start: row, end: row + 1 }]);
        const how = { ...options, samples: cut(samples), generator: new Generator(7) };
        const alone = await read(await squareSearch(model, cut(x), cut(labels), how));
        expect([alone.queries[0], alone.found[0]]).toEqual([whole.queries[row], whole.found[row]]);
        alone.values.forEach((value, i) => expect(value).toBeCloseTo(whole.values[row * 36 + i] ?? NaN, 5));
      }
      const other = await read(
        await squareSearch(model, x, labels, { ...options, samples, generator: new Generator(8) }),
      );
      expect(other.values).not.toEqual(whole.values);
    }),
  );

  it(
    'moves the generator on by as much, however early it ends',
    scoped(async () => {
      const { model } = network(36, 8);
      const x = images(6, [1, 6, 6]);
      const right = classesOf(model, x);
      const ends = [];
      for (const [labels, radius, expected] of [
        [right, 0, false],
        [
          right.add(1).sub(
            right
              .eq(CLASSES - 1)
              .to('i32')
              .mul(CLASSES),
          ),
          eps,
          true,
        ],
      ] as const) {
        const generator = new Generator(1);
        const options = { norm, eps: radius, queries: 130, generator };
        const { found } = await read(await squareSearch(model, x, labels, options));
        expect(new Set(found)).toEqual(new Set([expected]));
        ends.push(generator.state());
      }
      expect(ends[1]).toEqual(ends[0]);
    }),
  );

  it(
    'finds what a linear model can be fooled with, and nothing nearer than that',
    scoped(async () => {
      const [m, shape] = [4, [1, 6, 6]] as const;
      const values = uniformFloats(36 * 2, 12, -1, 1);
      const weight = tensor(values, { device, shape: [36, 2] });
      const model = (batch: Tensor): Tensor => matmul(flatten(batch, 1), weight);
      // So far from the range's ends that these play no part.
      const x = images(m, shape, [0.48, 0.52]);
      const labels = classesOf(model, x);
      const logits = await model(x).floats();
      const direction = Array.from({ length: 36 }, (_, i) => (values[2 * i] ?? NaN) - (values[2 * i + 1] ?? NaN));
      const dual = norm === 'linf' ? direction.reduce((sum, v) => sum + Math.abs(v), 0) : length(direction);
      const nearest = Array.from({ length: m }, (_, row) => {
        return Math.abs((logits[2 * row] ?? NaN) - (logits[2 * row + 1] ?? NaN)) / dual;
      });
      for (const [radius, expected] of [
        [0.99 * Math.min(...nearest), false],
        [(norm === 'linf' ? 3 : 4) * Math.max(...nearest), true],
      ] as const) {
        const options = { norm, eps: radius, queries: 300, generator: new Generator(3) };
        const { found } = await read(await squareSearch(model, x, labels, options));
        expect(new Set(found), `within ${radius}`).toEqual(new Set([expected]));
      }
    }),
  );

  it.each([[[1, 1, 1]], [[1, 2, 2]], [[2, 1, 5]], [[3, 4, 2]], [[1, 3, 40]]] as const)(
    'works on images %j, smaller than its windows or not square',
    async (shape) => {
      await device.scope(async () => {
        const size = shape[0] * shape[1] * shape[2];
        const { model } = network(size, 21);
        const x = images(5, shape, [0.3, 0.7]);
        const labels = classesOf(model, x);
        const result = await squareSearch(model, x, labels, {
          norm,
          eps: 0.2,
          queries: 30,
          generator: new Generator(4),
        });
        const { values, queries } = await read(result);
        const far = distances(norm, values, await x.floats(), 5);
        expect(Math.max(...far)).toBeLessThanOrEqual(0.2 * (1 + 1e-5));
        expect(Math.min(...far)).toBeGreaterThan(0.19);
        expect(queries.every((count) => count >= 1 && count <= 31)).toBe(true);
      });
    },
  );
});

describe('squareSearch', () => {
  it.each(NORMS)('needs no gradient: %s', async (norm) => {
    await device.scope(async () => {
      const { model } = network(36, 8);
      // Flat almost everywhere: any gradient is 0.
      const steps = (batch: Tensor): Tensor => floor(model(batch).mul(64)).detach();
      const x = images(8, [1, 6, 6]);
      const options = { norm, eps: norm === 'linf' ? 0.1 : 0.6, queries: 200, generator: new Generator(6) };
      const { found } = await read(await squareSearch(steps, x, classesOf(steps, x), options));
      expect(found).toContain(true);
    });
  });

  it(
    'leaves misclassified samples alone, without a query',
    scoped(async () => {
      const { model } = network(36);
      const x = images(6, [1, 6, 6]);
      const right = await classesOf(model, x).data();
      const labels = tensor(
        Int32Array.from(right, (label, row) => (row % 2 === 0 ? label : (label + 1) % CLASSES)),
        { device },
      );
      const options = { eps: 0.01, queries: 3, generator: new Generator(1) };
      const { values, queries, found } = await read(await squareSearch(model, x, labels, options));
      const natural = await x.floats();
      for (let row = 0; row < 6; row++) {
        const same = values.subarray(row * 36, row * 36 + 36).every((value, i) => value === natural[row * 36 + i]);
        expect([same, queries[row] === 0], `${row}`).toEqual(row % 2 === 0 ? [false, false] : [true, true]);
        if (row % 2 === 1) expect(found[row]).toBe(true);
      }
    }),
  );

  it(
    'keeps to another range',
    scoped(async () => {
      const { model } = network(36);
      const x = images(6, [1, 6, 6], [-1, 1]);
      for (const norm of NORMS) {
        const options = { norm, eps: 1.5, clipMin: -1, clipMax: 1, queries: 10, generator: new Generator(1) };
        const { values } = await read(await squareSearch(model, x, classesOf(model, x), options));
        expect(Math.min(...values)).toBeGreaterThanOrEqual(-1);
        expect(Math.min(...values)).toBeLessThan(-0.9);
        expect(Math.max(...values)).toBeLessThanOrEqual(1);
      }
    }),
  );

  it(
    'is an attack that ends by a signal, and leaves modes and memory as they were',
    scoped(async () => {
      const net = new SmallNet(device);
      const data = smallImages(6).gather([0, 1, 2, 3, 4, 5]);
      const x = tensor(data.images, { device, shape: [6, 1, 6, 6] });
      const labels = tensor(data.labels, { device });
      const modes = (): boolean[] => net.modules().map(({ training }) => training);
      const training = modes();
      const attack = squareAttack({ eps: 0.01, queries: 130, norm: 'l2' });
      expect(attack.settings).toEqual({ attack: 'square', norm: 'l2', eps: 0.01, queries: 130, pInit: 0.8 });
      const run = async (signal?: AbortSignal): Promise<void> => {
        const adversarial = await attack.run(net, x, labels, { generator: new Generator(1), signal });
        expect(adversarial.shape).toEqual(x.shape);
        adversarial.dispose();
      };
      await run();
      const before = device.memory();
      await run();
      expect(device.memory()).toEqual(before);
      expect(modes()).toEqual(training);
      await expect(run(AbortSignal.abort(new RangeError('enough')))).rejects.toThrow('enough');
      expect(device.memory()).toEqual(before);
      let calls = 0;
      const broken = (batch: Tensor): Tensor => {
        if (++calls > 2) throw new RangeError('broken');
        return inEvalMode(net, () => net.forward(batch));
      };
      const right = device.scope(() => classesOf((batch) => inEvalMode(net, () => net.forward(batch)), x));
      await expect(squareSearch(broken, x, right, { eps: 0.01, queries: 5 })).rejects.toThrow('broken');
      right.dispose();
      expect(device.memory().tensors).toBe(before.tensors);
      net.dispose();
    }),
  );

  it(
    'refuses bad input by name',
    scoped(async () => {
      const { model } = network(36);
      const x = images(2, [1, 6, 6]);
      const labels = tensor([0, 1], { device, dtype: 'i32' });
      const refused = (change: object): Promise<unknown> => {
        return squareSearch(model, x, labels, { eps: 0.1, ...change });
      };
      await expect(refused({ eps: 8 })).rejects.toThrow(/squareSearch: eps is 8, more than.*8 \/ 255/);
      await expect(refused({ norm: 'l1' })).rejects.toThrow(/norm is l1; expected linf or l2/);
      await expect(refused({ queries: 0 })).rejects.toThrow(/queries is 0/);
      await expect(refused({ pInit: 0 })).rejects.toThrow(/pInit is 0/);
      expect(() => squareAttack({ eps: 0.1, queries: 1.5 })).toThrow(/queries is 1.5/);
      await expect(refused({ targets: slice(labels, [{ end: 1 }]) })).rejects.toThrow(/squareSearch: targets \[1\]/);
      await expect(squareSearch(model, flatten(x, 1), labels, { eps: 0.1 })).rejects.toThrow(ShapeError);
      const one = (batch: Tensor): Tensor => slice(model(batch), [null, { end: 1 }]);
      await expect(squareSearch(one, x, labels, { eps: 0.1 })).rejects.toThrow(/has 1 classes; needs at least 2/);
    }),
  );
});
