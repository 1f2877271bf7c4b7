import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  fgsmAttack,
  noiseAttack,
  pgd,
  pgdAttack,
  quantized,
  squareAttack,
  type Attack,
  type Norm,
  type RecordedAttack,
} from '../../adversarial/index.js';
import {
  ArgumentError,
  Generator,
  argmax,
  compile,
  flatten,
  noGrad,
  tensor,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import { Linear, ReLU, Sequential } from '../../nn/index.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

const scoped = (body: () => Promise<void>) => () => device.scope(body);
const [M, SIZE] = [10, 36];

/** Natural images of an n-bit file, with some of black and white. */
function natural(bits: number): Float32Array<ArrayBuffer> {
  const steps = 2 ** bits - 1;
  return uniformFloats(M * SIZE, 7, -0.2, 1.2).map(
    (value) => Math.round(Math.min(Math.max(value, 0), 1) * steps) / steps,
  );
}

function images(bits: number): Tensor {
  return tensor(natural(bits), { device, shape: [M, 1, 6, 6] });
}

function network(): { net: Sequential; model: (x: Tensor) => Tensor } {
  const generator = new Generator(5);
  const linear = (inputs: number, outputs: number): Linear => new Linear(inputs, outputs, { device, generator });
  const net = new Sequential(linear(SIZE, 16), new ReLU(), linear(16, 4));
  return { net, model: (x) => net.forward(flatten(x, 1)) };
}

/** An attack that gives what it is told. */
function giving(move: (x: Tensor) => Tensor, settings: Attack['settings']): RecordedAttack {
  return { settings, warnings: [], run: (_, x) => move(x) };
}

const lengthOf = (norm: Norm, d: readonly number[]): number => {
  if (norm === 'linf') return Math.max(...d.map(Math.abs));
  return norm === 'l2' ? Math.hypot(...d) : d.reduce((sum, v) => sum + Math.abs(v), 0);
};

/** How far each sample is from the natural one, in float64. */
function distances(norm: Norm, values: Float32Array, from: Float32Array): number[] {
  return Array.from({ length: M }, (_, row) =>
    lengthOf(
      norm,
      Array.from({ length: SIZE }, (__, i) => (values[row * SIZE + i] ?? NaN) - (from[row * SIZE + i] ?? NaN)),
    ),
  );
}

function expectOnGrid(values: Float32Array, bits: number): void {
  const steps = 2 ** bits - 1;
  for (const value of values) {
    expect(Math.abs(value - Math.round(value * steps) / steps)).toBeLessThan(1e-7);
    expect(value >= 0 && value <= 1).toBe(true);
  }
}

describe('quantized', () => {
  it.each([
    ['linf', 8 / 255, 8],
    ['linf', 0.031, 8],
    ['linf', 0.3, 4],
    ['linf', 1e-3, 8],
    ['l2', 0.5, 8],
    ['l2', 0.02, 8],
    ['l1', 2, 8],
    ['l1', 1, 4],
    ['linf', 0.4, 1],
  ] as const)('puts an %s ball of %f on the grid of %i bits, nearly as far out', async (norm, eps, bits) => {
    await device.scope(async () => {
      const x = images(bits);
      const from = await x.floats();
      const moves = uniformFloats(M * SIZE, 11, -1, 1);
      const attack = giving(
        () => {
          const moved = from.map((value, at) => {
            const row = Math.floor(at / SIZE);
            const d = Array.from(moves.subarray(row * SIZE, (row + 1) * SIZE));
            const part = norm === 'linf' ? Math.sign(moves[at] ?? NaN) : (moves[at] ?? NaN) / lengthOf(norm, d);
            return Math.min(Math.max(value + eps * part, 0), 1);
          });
          return tensor(moved, { device, shape: x.shape });
        },
        { attack: 'given', norm, eps },
      );
      const { model, net } = network();
      const labels = tensor(new Int32Array(M), { device });
      const generator = new Generator(1);
      const [plain, rounded] = [attack, quantized(attack, bits)].map((each) =>
        each.run(model, x, labels, { generator }),
      );
      if (!plain || !rounded) throw new RangeError('no images');
      const [before, values] = [await plain.floats(), await rounded.floats()];
      expectOnGrid(values, bits);
      const [far, furthest] = [distances(norm, values, from), distances(norm, before, from)];
      const step = 1 / (2 ** bits - 1);
      far.forEach((distance, row) => {
        expect(distance).toBeLessThanOrEqual(eps * (1 + 1e-5));
        // The grid is coarse for small balls.
        if (norm === 'linf') expect(distance).toBeGreaterThan((furthest[row] ?? NaN) - step);
        else if (eps >= 0.5 && bits === 8) expect(distance).toBeGreaterThan(0.93 * (furthest[row] ?? NaN));
      });
      net.dispose();
    });
  });

  it(
    'rounds to the nearest point within an Linf ball, and leaves the bits of what ends where it began',
    scoped(async () => {
      const x = images(8);
      const from = await x.floats();
      const moves = uniformFloats(M * SIZE, 3, -0.02, 0.02);
      const eps = 4.6 / 255;
      const moved = from.map((value, at) =>
        Math.min(Math.max(value + Math.max(-eps, Math.min(moves[at] ?? NaN, eps)), 0), 1),
      );
      const attack = giving(() => tensor(moved, { device, shape: x.shape }), { norm: 'linf', eps });
      const image = quantized(attack, 8).run((each) => each, x, tensor([0], { device, dtype: 'i32' }), {
        generator: new Generator(1),
      });
      const values = await image.floats();
      let [stayed, held] = [0, 0];
      values.forEach((value, at) => {
        const start = Math.round((from[at] ?? NaN) * 255);
        const nearest = Math.round((moved[at] ?? NaN) * 255);
        const within = Math.min(Math.max(nearest, start - 4), start + 4);
        if (within !== nearest) held++;
        expect(Math.round(value * 255)).toBe(within);
        if (within === start) {
          expect(value).toBe(from[at]);
          stayed++;
        }
      });
      expect(stayed).toBeGreaterThan(0);
      expect(held).toBeGreaterThan(0);
    }),
  );

  it(
    'rounds to the nearest point anywhere for an attack without a bound',
    scoped(async () => {
      const x = images(8);
      const moved = uniformFloats(M * SIZE, 3, 0, 1);
      const attack = giving(() => tensor(moved, { device, shape: x.shape }), { attack: 'deepfool' });
      const image = quantized(attack, 8).run((each) => each, x, x, { generator: new Generator(1) });
      (await image.floats()).forEach((value, at) =>
        expect(value).toBeCloseTo(Math.round((moved[at] ?? NaN) * 255) / 255, 6),
      );
    }),
  );

  it(
    'takes recorded attacks, also compiled, and hosted ones, whose images it frees',
    scoped(async () => {
      const { model, net } = network();
      const x = images(8);
      const labels = noGrad(device, () => argmax(model(x), 1));
      const recorded = quantized(pgdAttack({ eps: 6 / 255, stepSize: 2 / 255, steps: 4 }), 8);
      expect(recorded.settings).toMatchObject({ attack: 'pgd', quantize: 8 });
      const eager = await recorded.run(model, x, labels, { generator: new Generator(2) }).floats();
      const compiled = compile((a: Tensor, b: Tensor) => recorded.run(model, a, b, { generator: new Generator(2) }));
      expect(await compiled(x, labels).floats()).toEqual(eager);
      compiled.dispose();
      expectOnGrid(eager, 8);
      const hosted = quantized(squareAttack({ eps: 6 / 255, queries: 20 }), 8);
      const run = async (): Promise<Float32Array> => {
        const image = await hosted.run(model, x, labels, { generator: new Generator(2) });
        const values = await image.floats();
        image.dispose();
        return values;
      };
      const values = await run();
      const before = device.memory();
      expect(await run()).toEqual(values);
      expect(device.memory()).toEqual(before);
      expectOnGrid(values, 8);
      expect(Math.max(...distances('linf', values, await x.floats()))).toBeLessThanOrEqual((6 / 255) * (1 + 1e-5));
      expect(Math.max(...distances('linf', values, await x.floats()))).toBeGreaterThan(5.9 / 255);
      net.dispose();
    }),
  );

  it('refuses bits that make no grid', () => {
    for (const bits of [0, 17, 7.5, NaN]) {
      expect(() => quantized(fgsmAttack({ eps: 0.1 }), bits)).toThrow(ArgumentError);
      expect(() => quantized(noiseAttack({ eps: 0.1 }), bits)).toThrow(/bits; expected an integer from 1 to 16/);
    }
  });
});

describe('pgd with quantize', () => {
  it(
    'rounds in each step: the steps of a plain implementation',
    scoped(async () => {
      const { model, net } = network();
      const x = images(8);
      const labels = noGrad(device, () => argmax(model(x), 1));
      const options = { eps: 8 / 255, stepSize: 3.3 / 255, start: 'none' } as const;
      const from = await x.floats();
      let point = x;
      for (let steps = 1; steps <= 6; steps++) {
        // One step of plain PGD from the rounded point, then rounded by plain numbers.
        const next = await pgd(model, x, labels, { ...options, start: point, steps: 1 }).floats();
        const rounded = next.map((value, at) => {
          const start = Math.round((from[at] ?? NaN) * 255);
          return Math.min(Math.max(Math.round(value * 255), start - 8), start + 8) / 255;
        });
        point = tensor(rounded, { device, shape: x.shape });
        const found = await pgd(model, x, labels, { ...options, quantize: 8, steps }).floats();
        found.forEach((value, at) => expect(value).toBeCloseTo(rounded[at] ?? NaN, 6));
        expectOnGrid(found, 8);
      }
      net.dispose();
    }),
  );

  it(
    'gives images on the grid in the ball, from a random start too',
    scoped(async () => {
      const { model, net } = network();
      const x = images(8);
      const labels = noGrad(device, () => argmax(model(x), 1));
      const attack = pgdAttack({ eps: 0.031, stepSize: 0.007, steps: 5, quantize: 8, restarts: 2 });
      expect(attack.settings).toMatchObject({ quantize: 8 });
      const values = await attack.run(model, x, labels, { generator: new Generator(3) }).floats();
      expectOnGrid(values, 8);
      const far = distances('linf', values, await x.floats());
      expect(Math.max(...far)).toBeLessThanOrEqual(0.031);
      expect(Math.min(...far)).toBeGreaterThan(6.9 / 255);
      net.dispose();
    }),
  );

  it('refuses what a grid cannot do', () => {
    const good = { eps: 0.1, stepSize: 0.02, steps: 2, quantize: 8 };
    const refuse = (change: object): (() => unknown) => {
      return () => pgdAttack({ ...good, ...change });
    };
    expect(refuse({})).not.toThrow();
    expect(refuse({ quantize: 0 })).toThrow(/pgd: 0 bits/);
    expect(refuse({ norm: 'l2' })).toThrow(
      /quantize in a ball of norm l2; expected linf; quantized\(\) takes any attack/,
    );
    expect(refuse({ clipMin: -1 })).toThrow(/quantize for data in \[-1, 1\]; expected \[0, 1\]/);
    expect(refuse({ stepSize: 0.0019 })).toThrow(/a stepSize of 0.0019 is rounded to nothing with 8 bits/);
    expect(refuse({ stepSize: 0.002 })).not.toThrow();
  });
});
