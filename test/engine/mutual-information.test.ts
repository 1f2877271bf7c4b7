import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mutualInformationReference } from '../support/references/mutual-information.js';
import { grad } from '../../engine/autograd.js';
import type { Device } from '../../engine/device.js';
import { DTypeError, ShapeError } from '../../engine/errors.js';
import { tensor } from '../../engine/ops/create.js';
import { add, mul } from '../../engine/ops/elementwise.js';
import {
  mutualInformation,
  mutualInformationComposed,
  mutualInformationParts,
} from '../../engine/ops/mutual-information.js';
import { sum } from '../../engine/ops/reduce.js';
import type { Tensor } from '../../engine/tensor.js';
import { testDevice } from '../support/device.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

interface Batch {
  readonly m: number;
  readonly classes: number;
  readonly natural: Float32Array;
  readonly adversarial: Float32Array;
}

/** Logits of two views of the same samples: alike, but not equal, in [-scale - 1, scale + 1]. */
function batch(m: number, classes: number, { seed = 1, scale = 4 } = {}): Batch {
  const natural = uniformFloats(m * classes, seed, -scale, scale);
  const noise = uniformFloats(m * classes, seed + 1);
  return { m, classes, natural, adversarial: natural.map((z, at) => z + (noise[at] ?? 0)) };
}

function upload({ m, classes, natural, adversarial }: Batch, on = device): [Tensor, Tensor] {
  const options = { shape: [m, classes], device: on };
  return [tensor(natural, options).requireGrad(), tensor(adversarial, options).requireGrad()];
}

function l2(values: ArrayLike<number>): number {
  return Math.sqrt(Array.from(values).reduce((total, value) => total + value * value, 0));
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return l2(Array.from(a, (value, i) => value - (b[i] ?? NaN)));
}

/** Value, joint distribution and both gradients, read back. */
async function evaluate(data: Batch, symmetrize: boolean, on = device) {
  return on.scope(async () => {
    const [natural, adversarial] = upload(data, on);
    const { mi, joint } = mutualInformationParts(natural, adversarial, { symmetrize });
    const [dNatural, dAdversarial] = grad(mi, [natural, adversarial]);
    if (!dNatural || !dAdversarial) throw new Error('no gradients');
    return {
      mi: await mi.item(),
      joint: await joint.floats(),
      dNatural: await dNatural.floats(),
      dAdversarial: await dAdversarial.floats(),
    };
  });
}

/** Compares the fused op with float64. An MI of a few nats has a float32 spacing of half of 1e-6: hence the maximum. */
async function compare(data: Batch, symmetrize: boolean, on = device): Promise<void> {
  const { m, classes } = data;
  const mine = await evaluate(data, symmetrize, on);
  // Float64 gradients of a thousand samples with a thousand classes take a while: some of the rows will do.
  const rows = Math.min(m, 128);
  const reference = mutualInformationReference(data.natural, data.adversarial, m, classes, symmetrize, rows);
  expect(Math.abs(mine.mi - reference.mi)).toBeLessThan(1e-6 * Math.max(1, reference.mi));
  expect(distance(mine.joint, reference.joint)).toBeLessThan(1e-6 * l2(reference.joint));
  for (const side of ['dNatural', 'dAdversarial'] as const) {
    const error = distance(mine[side].subarray(0, rows * classes), reference[side]);
    expect(error).toBeLessThan(5e-6 * l2(reference[side]) + 2e-7);
  }
}

describe('mutualInformation against float64', () => {
  const sizes = [2, 3, 10, 31, 32, 33, 100].flatMap((classes) =>
    [1, 2, 7, 64, 128, 1000, 1024].map((m) => [m, classes] as const),
  );
  it.each(sizes)('m = %i, C = %i', async (m, classes) => {
    const data = batch(m, classes, { seed: m + 31 * classes });
    for (const symmetrize of [true, false]) await compare(data, symmetrize);
  });

  it.each([1, 7, 128])('m = %i, C = 1000', async (m) => {
    const data = batch(m, 1000, { seed: m });
    for (const symmetrize of [true, false]) await compare(data, symmetrize);
  });

  it('m = 1024, C = 1000', async () => {
    await compare(batch(1024, 1000), true);
  });

  it.each([10, 100])('C = %i: a small MI, where the views are independent, keeps its digits', async (classes) => {
    const m = 512;
    const natural = uniformFloats(m * classes, 17, -0.3, 0.3);
    const adversarial = uniformFloats(m * classes, 18, -0.3, 0.3);
    const { mi } = await evaluate({ m, classes, natural, adversarial }, true);
    const reference = mutualInformationReference(natural, adversarial, m, classes, true);
    expect(reference.mi).toBeLessThan(1e-3);
    expect(Math.abs(mi - reference.mi)).toBeLessThan(1e-3 * reference.mi);
  });

  it.each([10, 100])('C = %i: logits of +-1e4, exactly', async (classes) => {
    const extreme = (seed: number) => uniformFloats(24 * classes, seed).map((u) => (u > 0 ? 1e4 : -1e4));
    const data = { m: 24, classes, natural: extreme(5), adversarial: extreme(6) };
    for (const symmetrize of [true, false]) await compare(data, symmetrize);
  });

  it.each([
    [10, { software: false }],
    [100, { subgroupSize: 32 }],
  ])('C = %i: the workgroup sizes of a GPU give the same', async (classes, caps) => {
    const asGpu = await testDevice();
    Object.defineProperty(asGpu, 'caps', { value: { ...asGpu.caps, ...caps } });
    await compare(batch(133, classes), true, asGpu);
    asGpu.destroy();
  });
});

describe('the identities of mutual information', () => {
  it.each([10, 100])('C = %i: 0 <= mi <= ln min(C, m), unsymmetrised', async (classes) => {
    for (const m of [2, 5, 200]) {
      for (const scale of [0, 1, 40]) {
        const { mi } = await evaluate(batch(m, classes, { scale }), false);
        expect(mi).toBeGreaterThanOrEqual(0);
        expect(mi).toBeLessThanOrEqual(Math.log(Math.min(classes, m)) + 1e-6);
      }
    }
  });

  it.each([2, 10, 33])('C = %i: one sample carries none, unsymmetrised', async (classes) => {
    const { mi, dNatural } = await evaluate(batch(1, classes), false);
    expect(mi).toBeGreaterThanOrEqual(0);
    expect(mi).toBeLessThan(1e-9);
    expect(l2(dNatural)).toBeLessThan(2e-7);
  });

  it.each([2, 10, 32, 50])(
    'C = %i: perfect predictions at 1e4 carry ln(classes), with no gradient',
    async (classes) => {
      const m = 3 * classes;
      const natural = Float32Array.from({ length: m * classes }, (_, at) =>
        at % classes === Math.floor(at / classes) % classes ? 1e4 : -1e4,
      );
      for (const symmetrize of [true, false]) {
        const result = await evaluate({ m, classes, natural, adversarial: natural }, symmetrize);
        expect(Math.abs(result.mi - Math.log(classes))).toBeLessThan(2e-6);
        expect(l2(result.dNatural) + l2(result.dAdversarial)).toBe(0);
      }
    },
  );

  it.each([10, 50])('C = %i: equal logits carry none', async (classes) => {
    const zeros = new Float32Array(9 * classes);
    const result = await evaluate({ m: 9, classes, natural: zeros, adversarial: zeros }, true);
    expect(Math.abs(result.mi)).toBeLessThan(1e-9);
    expect(l2(result.dNatural)).toBeLessThan(1e-7);
  });

  it.each([10, 100])('C = %i: a constant added to a row of logits changes nothing', async (classes) => {
    const data = batch(20, classes);
    const shifted = data.natural.map((z, at) => z + 3 * Math.floor(at / classes) - 25);
    const [before, after] = [await evaluate(data, true), await evaluate({ ...data, natural: shifted }, true)];
    expect(Math.abs(after.mi - before.mi)).toBeLessThan(2e-6);
    expect(distance(after.dNatural, before.dNatural)).toBeLessThan(1e-5 * l2(before.dNatural));
  });

  it.each([10, 100])('C = %i: rows of gradients sum to 0, the joint distribution to 1', async (classes) => {
    const { joint, dNatural, dAdversarial } = await evaluate(batch(20, classes), true);
    for (const gradient of [dNatural, dAdversarial]) {
      for (let row = 0; row < 20; row++) {
        const values = gradient.subarray(row * classes, (row + 1) * classes);
        expect(Math.abs(values.reduce((a, b) => a + b, 0))).toBeLessThan(1e-6 / 20);
      }
    }
    expect(Math.abs(joint.reduce((a, b) => a + b, 0) - 1)).toBeLessThan(1e-6);
  });

  it.each([10, 100])('C = %i: symmetrised, the two batches may change places', async (classes) => {
    const { natural, adversarial, ...sizes } = batch(20, classes);
    const forth = await evaluate({ ...sizes, natural, adversarial }, true);
    const back = await evaluate({ ...sizes, natural: adversarial, adversarial: natural }, true);
    expect(Math.abs(forth.mi - back.mi)).toBeLessThan(1e-6);
    expect(distance(forth.dNatural, back.dAdversarial)).toBeLessThan(1e-5 * l2(forth.dNatural));
  });
});

describe('the composed version', () => {
  it.each([
    [1, 10],
    [7, 3],
    [128, 10],
    [64, 33],
  ])('agrees with float64 for m = %i, C = %i', async (m, classes) => {
    const data = batch(m, classes);
    for (const symmetrize of [true, false]) {
      const reference = mutualInformationReference(data.natural, data.adversarial, m, classes, symmetrize);
      await device.scope(async () => {
        const [natural, adversarial] = upload(data);
        const mi = mutualInformationComposed(natural, adversarial, { symmetrize });
        const [dNatural, dAdversarial] = grad(mi, [natural, adversarial]);
        expect(Math.abs((await mi.item()) - reference.mi)).toBeLessThan(3e-6);
        expect(distance((await dNatural?.floats()) ?? [], reference.dNatural)).toBeLessThan(3e-6);
        expect(distance((await dAdversarial?.floats()) ?? [], reference.dAdversarial)).toBeLessThan(3e-6);
      });
    }
  });

  it.each([
    [6, 4],
    [9, 33],
  ])('has the second derivative of the fused op, m = %i, C = %i', async (m, classes) => {
    const [data, directions] = [batch(m, classes), batch(m, classes, { seed: 77 })];
    for (const symmetrize of [true, false]) {
      const products: Float32Array[] = [];
      for (const op of [mutualInformationComposed, mutualInformation]) {
        await device.scope(async () => {
          const [natural, adversarial] = upload(data);
          const [v, w] = upload(directions);
          const [first, second] = grad(op(natural, adversarial, { symmetrize }), [natural, adversarial], {
            createGraph: true,
          });
          if (!first || !second) throw new Error('no gradients');
          const along = add(sum(mul(first, v)), sum(mul(second, w)));
          for (const result of grad(along, [natural, adversarial])) products.push(await result.floats());
        });
      }
      const [composedNatural, composedAdversarial, fusedNatural, fusedAdversarial] = products;
      for (const [fused, composed] of [
        [fusedNatural, composedNatural],
        [fusedAdversarial, composedAdversarial],
      ] as const) {
        expect(distance(fused ?? [], composed ?? [])).toBeLessThan(2e-5 * l2(composed ?? []) + 2e-6);
      }
    }
  });

  it.each([4, 33])('C = %i: the joint distribution has a gradient too', async (classes) => {
    const data = batch(5, classes);
    const weights = uniformFloats(classes * classes, 3);
    const value = ({ natural, adversarial }: Batch): number =>
      mutualInformationReference(natural, adversarial, 5, classes, true).joint.reduce(
        (total, p, at) => total + p * (weights[at] ?? 0),
        0,
      );
    await device.scope(async () => {
      const [natural, adversarial] = upload(data);
      const { joint } = mutualInformationParts(natural, adversarial);
      const [gradient] = grad(sum(mul(joint, tensor(weights, { shape: [classes, classes], device }))), [natural]);
      const mine = await (gradient?.floats() ?? []);
      for (const at of [0, 3, classes + 1, 4 * classes + 2]) {
        const nudged = (by: number) => value({ ...data, natural: data.natural.with(at, (data.natural[at] ?? 0) + by) });
        const slope = (nudged(2 ** -8) - nudged(-(2 ** -8))) / 2 ** -7;
        expect(Math.abs((mine[at] ?? NaN) - slope)).toBeLessThan(2e-6);
      }
    });
  });
});

describe('the op', () => {
  it('is one dispatch forward and one backward for up to 32 classes, a few for more', () => {
    const count = (classes: number): [number, number] =>
      device.scope(() => {
        const [natural, adversarial] = upload(batch(16, classes));
        const upstream = tensor(1, { device });
        const start = device.counters.dispatches;
        const mi = mutualInformation(natural, adversarial);
        const middle = device.counters.dispatches;
        grad(mi, [natural, adversarial], { gradOutput: upstream });
        return [middle - start, device.counters.dispatches - middle];
      });
    expect(count(2)).toEqual([1, 1]);
    expect(count(10)).toEqual([1, 1]);
    expect(count(32)).toEqual([1, 1]);
    expect(count(33)).toEqual([4, 4]);
    expect(count(1000)).toEqual([4, 4]);
  });

  it.each([10, 50])('C = %i: gives the same bits every time', async (classes) => {
    const data = batch(100, classes);
    const [first, second] = [await evaluate(data, true), await evaluate(data, true)];
    expect(second).toEqual(first);
  });

  it.each([10, 50])('C = %i: scales with the upstream gradient and serves one input alone', async (classes) => {
    const data = batch(12, classes);
    const { dNatural, dAdversarial } = await evaluate(data, true);
    await device.scope(async () => {
      const [natural, adversarial] = upload(data);
      natural.requireGrad(false);
      const [one] = grad(mul(mutualInformation(natural, adversarial), -3), [adversarial]);
      expect(
        distance(
          (await one?.floats()) ?? [],
          dAdversarial.map((d) => -3 * d),
        ),
      ).toBeLessThan(1e-6);
      natural.requireGrad();
      adversarial.requireGrad(false);
      const [other] = grad(mutualInformation(natural, adversarial), [natural]);
      expect(await other?.floats()).toEqual(dNatural);
    });
  });

  it.each([10, 50])('C = %i: keeps nothing that is not needed for a gradient', (classes) => {
    device.scope(() => {
      const [natural, adversarial] = upload(batch(12, classes)).map((t) => t.detach());
      if (!natural || !adversarial) throw new Error('no tensors');
      const before = device.memory().tensors;
      mutualInformation(natural, adversarial);
      expect(device.memory().tensors - before).toBe(1);
    });
  });

  it('refuses shapes and dtypes that are not two batches of logits', () => {
    device.scope(() => {
      const [natural] = upload(batch(4, 3));
      const [longer] = upload(batch(5, 3));
      const flat = tensor([1, 2, 3], { device });
      const integers = tensor(Int32Array.of(1, 2, 3), { shape: [1, 3], device });
      const empty = tensor(new Float32Array(), { shape: [0, 3], device });
      expect(() => mutualInformation(natural, longer)).toThrow(ShapeError);
      expect(() => mutualInformation(flat, flat)).toThrow(ShapeError);
      expect(() => mutualInformation(empty, empty)).toThrow(ShapeError);
      expect(() => mutualInformationComposed(natural, longer)).toThrow(ShapeError);
      expect(() => mutualInformation(integers, integers)).toThrow(DTypeError);
    });
  });
});
