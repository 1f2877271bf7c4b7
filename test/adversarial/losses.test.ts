import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  alpLoss,
  boostedCrossEntropy,
  klDivergence,
  l1Pairing,
  martLoss,
  mimaeLoss,
  mmaFixedLoss,
  msePairing,
  tradesLoss,
} from '../../adversarial/objectives/losses.js';
import { grad } from '../../engine/autograd.js';
import { compile } from '../../engine/compile.js';
import type { Device } from '../../engine/device.js';
import { ArgumentError, DTypeError, ShapeError } from '../../engine/errors.js';
import { boostedCrossEntropyComposed } from '../../engine/ops/boosted-cross-entropy.js';
import { tensor } from '../../engine/ops/create.js';
import { crossEntropy } from '../../engine/ops/cross-entropy.js';
import { add, mul, sub } from '../../engine/ops/elementwise.js';
import {
  mutualInformation,
  mutualInformationComposed,
  mutualInformationParts,
} from '../../engine/ops/mutual-information.js';
import { sum } from '../../engine/ops/reduce.js';
import type { Tensor } from '../../engine/tensor.js';
import { testDevice } from '../support/device.js';
import { expectGolden, loadGolden, lossTolerance, type GoldenCase } from '../support/golden.js';
import { uniformFloats } from '../support/values.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

type Loss = (natural: Tensor, adversarial: Tensor, labels: Tensor) => Tensor;

/** Every scalar loss of the golden group, by its key, from fused kernels where there are some. */
function fusedLosses(c: GoldenCase): Record<string, Loss> {
  const [lambda, beta] = [c.number('mimae_lambda'), c.number('mimae_beta')];
  const mimae =
    (options: Parameters<typeof mimaeLoss>[3]): Loss =>
    (n, a, y) =>
      mimaeLoss(n, a, y, { lambda, beta, ...options }).loss;
  return {
    ce: (_, a, y) => crossEntropy(a, y),
    bce: (_, a, y) => boostedCrossEntropy(a, y),
    bce_compat: (_, a, y) => boostedCrossEntropy(a, y, { martCompat: true }),
    mi: (n, a) => mutualInformation(n, a, { symmetrize: false }),
    mi_sym: (n, a) => mutualInformation(n, a),
    l1: (n, a) => l1Pairing(n, a),
    l1_mean: (n, a) => l1Pairing(n, a, { reduction: 'mean' }),
    mse_sum: (n, a) => msePairing(n, a),
    alp: (n, a, y) => alpLoss(n, a, y, { lambda: c.number('alp_lambda') }),
    kl: (n, a) => klDivergence(n, a),
    trades: (n, a, y) => tradesLoss(n, a, y, { lambda: c.number('trades_lambda') }),
    mma: (n, a, y) => mmaFixedLoss(n, a, y),
    mart: (n, a, y) => martLoss(n, a, y, { lambda: c.number('mart_lambda') }),
    mart_compat: (n, a, y) => martLoss(n, a, y, { lambda: c.number('mart_lambda'), martCompat: true }),
    mimae: mimae({}),
    mimae_unsym: mimae({ symmetrize: false }),
    mimae_mse: mimae({ pairing: 'mse' }),
    mimae_ce: mimae({ classification: 'ce' }),
  };
}

/** The losses that have a fused kernel, made of plain ops. */
function composedLosses(c: GoldenCase): Record<string, Loss> {
  const [lambda, beta] = [c.number('mimae_lambda'), c.number('mimae_beta')];
  return {
    bce: (_, a, y) => boostedCrossEntropyComposed(a, y),
    bce_compat: (_, a, y) => boostedCrossEntropyComposed(a, y, { martCompat: true }),
    mi: (n, a) => mutualInformationComposed(n, a, { symmetrize: false }),
    mi_sym: (n, a) => mutualInformationComposed(n, a),
    mimae: (n, a, y) =>
      add(
        sub(boostedCrossEntropyComposed(a, y), mul(mutualInformationComposed(n, a), lambda)),
        mul(l1Pairing(n, a), beta),
      ),
  };
}

interface Arguments {
  readonly natural: Tensor;
  readonly adversarial: Tensor;
  readonly labels: Tensor;
}

function argumentsOf(c: GoldenCase): Arguments {
  const { shape } = c.input('logits_nat');
  return {
    natural: tensor(c.floats('logits_nat'), { shape, device }).requireGrad(),
    adversarial: tensor(c.floats('logits_adv'), { shape, device }).requireGrad(),
    labels: tensor(c.ints('y'), { device }),
  };
}

/** Value and stored gradients of one loss against the golden ones; gives how many values were compared. */
async function compareLoss(c: GoldenCase, key: string, loss: Loss, createGraph = false): Promise<number> {
  const tolerance = lossTolerance(c.string('kind'));
  return device.scope(async () => {
    const { natural, adversarial, labels } = argumentsOf(c);
    const value = loss(natural, adversarial, labels);
    expectGolden(await value.item(), c.output(key), tolerance, `${c.id} ${key}`);
    const stored = [
      { name: `${key}.d_nat`, input: natural },
      { name: `${key}.d_adv`, input: adversarial },
    ].filter(({ name }) => c.outputs.has(name));
    const gradients = grad(
      value,
      stored.map(({ input }) => input),
      { createGraph },
    );
    for (const [index, { name }] of stored.entries()) {
      const gradient = gradients[index];
      if (!gradient) throw new Error(`${c.id} ${name}: no gradient`);
      expectGolden(await gradient.data(), c.output(name), tolerance, `${c.id} ${name}`);
    }
    return 1 + stored.length;
  });
}

const cases = loadGolden('losses').cases.filter((c) => c.op === 'losses');

describe('golden losses', () => {
  it('has all 16 cases, and a loss for every stored key', () => {
    expect(cases).toHaveLength(16);
    for (const c of cases) {
      const known = Object.keys(fusedLosses(c));
      const others = ['P', 'P_sym', 'ce.vec', 'bce.vec'];
      const unknown = [...c.outputs.keys()].filter(
        (key) => !others.includes(key) && !known.includes(key.replace(/\.d_(nat|adv)$/, '')),
      );
      expect(unknown, c.id).toEqual([]);
    }
  });

  it.each(cases.map((c) => [c.id, c] as const))('%s', async (_, c) => {
    let compared = 0;
    for (const [key, loss] of Object.entries(fusedLosses(c))) compared += await compareLoss(c, key, loss);
    for (const symmetrize of [false, true]) await compareJoint(c, symmetrize);
    await compareRows(c);
    expect(compared + 4).toBe(c.outputs.size);
  });

  it.each(cases.map((c) => [c.id, c] as const))('%s, captured', async (_, c) => {
    const losses = Object.entries(fusedLosses(c));
    const labels = tensor(c.ints('y'), { device });
    const all = compile((natural: Tensor, adversarial: Tensor) =>
      losses.map(([key, loss]) => {
        const [n, a] = [natural.detach().requireGrad(), adversarial.detach().requireGrad()];
        const value = loss(n, a, labels);
        const inputs = [
          { name: `${key}.d_nat`, input: n },
          { name: `${key}.d_adv`, input: a },
        ].filter(({ name }) => c.outputs.has(name));
        const gradients = grad(
          value,
          inputs.map(({ input }) => input),
        );
        return [[key, value] as const, ...inputs.map(({ name }, index) => [name, gradients[index] ?? value] as const)];
      }),
    );
    const { shape } = c.input('logits_nat');
    const logits = ['logits_nat', 'logits_adv'].map((name) => tensor(c.floats(name), { shape, device }));
    const [natural, adversarial] = logits;
    if (!natural || !adversarial) throw new Error('two tensors');
    // The second time all is replayed.
    for (const time of [1, 2]) {
      for (const [name, value] of all(natural, adversarial).flat()) {
        expectGolden(
          await value.floats(),
          c.output(name),
          lossTolerance(c.string('kind')),
          `${c.id} ${name}, call ${time}`,
        );
        value.dispose();
      }
    }
    all.dispose();
    for (const each of [labels, ...logits]) each.dispose();
  });

  it.each(cases.map((c) => [c.id, c] as const))('%s, composed of plain ops', async (_, c) => {
    for (const [key, loss] of Object.entries(composedLosses(c))) await compareLoss(c, key, loss);
  });

  it.each(cases.map((c) => [c.id, c] as const))('%s, by the rules for every order', async (_, c) => {
    const losses = fusedLosses(c);
    for (const key of ['ce', 'bce', 'bce_compat', 'mi', 'mi_sym']) {
      const loss = losses[key];
      if (loss) await compareLoss(c, key, loss, true);
    }
  });
});

async function compareJoint(c: GoldenCase, symmetrize: boolean): Promise<void> {
  const key = symmetrize ? 'P_sym' : 'P';
  await device.scope(async () => {
    const { natural, adversarial } = argumentsOf(c);
    const { joint } = mutualInformationParts(natural, adversarial, { symmetrize });
    expectGolden(await joint.data(), c.output(key), lossTolerance(c.string('kind')), `${c.id} ${key}`);
  });
}

async function compareRows(c: GoldenCase): Promise<void> {
  const tolerance = lossTolerance(c.string('kind'));
  await device.scope(async () => {
    const { adversarial, labels } = argumentsOf(c);
    const ce = crossEntropy(adversarial, labels, { reduction: 'none' });
    const bce = boostedCrossEntropy(adversarial, labels, { reduction: 'none' });
    expectGolden(await ce.data(), c.output('ce.vec'), tolerance, `${c.id} ce.vec`);
    expectGolden(await bce.data(), c.output('bce.vec'), tolerance, `${c.id} bce.vec`);
  });
}

function logits(seed: number, m: number, classes: number, scale = 2): Tensor {
  return tensor(uniformFloats(m * classes, seed, -scale, scale), { shape: [m, classes], device });
}

function labelsFor(m: number, classes: number): Tensor {
  return tensor(
    Int32Array.from({ length: m }, (_, i) => (i * 7) % classes),
    { device },
  );
}

describe('boostedCrossEntropy', () => {
  it('is twice the cross-entropy for two classes', async () => {
    await device.scope(async () => {
      const [z, y] = [logits(3, 65, 2, 8), labelsFor(65, 2)];
      const ce = await crossEntropy(z, y).item();
      expect(Math.abs((await boostedCrossEntropy(z, y).item()) - 2 * ce)).toBeLessThan(2e-6 * ce);
    });
  });

  it('takes the lowest index other than the label where rivals tie', async () => {
    await device.scope(async () => {
      const z = tensor([0, 0, 0, 0, 0, 0, 0, 0, 0], { shape: [3, 3], device }).requireGrad();
      const y = tensor(Int32Array.of(0, 1, 2), { device });
      const loss = boostedCrossEntropy(z, y, { reduction: 'sum' });
      expect(await loss.item()).toBeCloseTo(3 * (Math.log(3) + Math.log(1.5)), 5);
      const [gradient] = grad(loss, [z]);
      // q - onehot(y) + q_k (onehot(k) - r): the rivals are 1, 0, 0.
      const expected = [-5 / 6, 2 / 3, 1 / 6, 2 / 3, -5 / 6, 1 / 6, 2 / 3, 1 / 6, -5 / 6];
      expectGolden(
        await (gradient?.data() ?? []),
        { dtype: 'f64', shape: [9], data: Float64Array.from(expected) },
        NEAR,
      );
    });
  });

  it.each([
    [1, 2],
    [3, 5],
    [67, 33],
    [5, 1000],
  ])('fused equals composed for m = %i, C = %i, value and gradient', async (m, classes) => {
    for (const martCompat of [false, true]) {
      await device.scope(async () => {
        const [z, y] = [logits(11, m, classes, 6).requireGrad(), labelsFor(m, classes)];
        const weights = logits(5, 1, m).reshape([m]);
        const results: Float32Array[] = [];
        for (const loss of [boostedCrossEntropyComposed, boostedCrossEntropy]) {
          const rows = loss(z, y, { reduction: 'none', martCompat });
          const [gradient] = grad(sum(mul(rows, weights)), [z]);
          results.push(await rows.floats(), (await gradient?.floats()) ?? new Float32Array());
        }
        const [rows, gradient, fusedRows, fusedGradient] = results;
        expectGolden(fusedRows ?? [], asReference(rows), NEAR);
        expectGolden(fusedGradient ?? [], asReference(gradient), NEAR);
      });
    }
  });

  it('has a second derivative: the fused op agrees with the composed one', async () => {
    await device.scope(async () => {
      const [z, y, v] = [logits(2, 6, 5).requireGrad(), labelsFor(6, 5), logits(9, 6, 5)];
      const products: Float32Array[] = [];
      for (const loss of [boostedCrossEntropyComposed, boostedCrossEntropy]) {
        for (const martCompat of [false, true]) {
          const [first] = grad(loss(z, y, { martCompat }), [z], { createGraph: true });
          if (!first) throw new Error('no gradient');
          const [second] = grad(sum(mul(first, v)), [z]);
          products.push((await second?.floats()) ?? new Float32Array());
        }
      }
      const [plain, compat, fusedPlain, fusedCompat] = products;
      expectGolden(fusedPlain ?? [], asReference(plain), NEAR);
      expectGolden(fusedCompat ?? [], asReference(compat), NEAR);
    });
  });

  it('is one dispatch forward, before the mean, and one backward', () => {
    device.scope(() => {
      const [z, y] = [logits(2, 6, 10).requireGrad(), labelsFor(6, 10)];
      const upstream = logits(4, 1, 6).reshape([6]);
      const before = device.counters.dispatches;
      const rows = boostedCrossEntropy(z, y, { reduction: 'none' });
      expect(device.counters.dispatches - before).toBe(1);
      grad(rows, [z], { gradOutput: upstream });
      expect(device.counters.dispatches - before).toBe(2);
    });
  });

  it('refuses one class, mismatched labels and labels that are not integers', () => {
    device.scope(() => {
      expect(() => boostedCrossEntropy(logits(1, 4, 1), labelsFor(4, 1))).toThrow(ShapeError);
      expect(() => boostedCrossEntropy(logits(1, 4, 3), labelsFor(5, 3))).toThrow(ShapeError);
      expect(() => boostedCrossEntropy(logits(1, 4, 3), tensor([0, 1, 2, 0], { device }))).toThrow(DTypeError);
    });
  });
});

const NEAR = { rtol: 2e-6, atol: 2e-6 };

function asReference(values: Float32Array | undefined): { dtype: 'f32'; shape: number[]; data: Float32Array } {
  const data = values ?? new Float32Array();
  return { dtype: 'f32', shape: [data.length], data };
}

describe('the losses', () => {
  it('do not change when a constant is added to a row, but for the pairing terms', async () => {
    await device.scope(async () => {
      const [n, a, y] = [logits(21, 16, 10), logits(22, 16, 10), labelsFor(16, 10)];
      const shift = logits(23, 16, 1, 50);
      const losses = [
        klDivergence,
        (p: Tensor, q: Tensor) => tradesLoss(p, q, y, { lambda: 6 }),
        (p: Tensor, q: Tensor) => martLoss(p, q, y, { lambda: 5 }),
        (p: Tensor, q: Tensor) => mmaFixedLoss(p, q, y),
        (p: Tensor, q: Tensor) => mimaeLoss(p, q, y, { beta: 0 }).loss,
      ];
      for (const loss of losses) {
        const [value, shifted] = [await loss(n, a).item(), await loss(add(n, shift), sub(a, shift)).item()];
        expect(Math.abs(value - shifted)).toBeLessThan(3e-5 * Math.abs(value) + 1e-5);
      }
    });
  });

  it('mimaeLoss gives its unweighted terms, of which the loss is made', async () => {
    await device.scope(async () => {
      const [n, a, y] = [logits(31, 16, 10), logits(32, 16, 10), labelsFor(16, 10)];
      const terms = mimaeLoss(n, a, y, { lambda: 0.6, beta: 0.25, pairReduction: 'mean' });
      const [classification, mi] = [await terms.classification.item(), await terms.mutualInformation.item()];
      const pairing = await terms.pairing.item();
      expect(await terms.loss.item()).toBeCloseTo(classification - 0.6 * mi + 0.25 * pairing, 5);
      expect(classification).toBeCloseTo(await boostedCrossEntropy(a, y).item(), 6);
      expect(mi).toBeCloseTo(await mutualInformation(n, a).item(), 6);
      expect(pairing).toBeCloseTo((await l1Pairing(n, a).item()) / 10, 6);
    });
  });

  it('refuse negative weights and logits of different shapes', () => {
    device.scope(() => {
      const [n, a, y] = [logits(31, 4, 3), logits(32, 4, 3), labelsFor(4, 3)];
      expect(() => mimaeLoss(n, a, y, { lambda: -0.1 })).toThrow(ArgumentError);
      expect(() => mimaeLoss(n, a, y, { beta: NaN })).toThrow(ArgumentError);
      expect(() => tradesLoss(n, a, y, { lambda: -1 })).toThrow(ArgumentError);
      expect(() => l1Pairing(n, logits(1, 4, 2))).toThrow(ShapeError);
      expect(() => klDivergence(n, logits(1, 5, 3))).toThrow(ShapeError);
      expect(() => mmaFixedLoss(n, logits(1, 5, 3), y)).toThrow(ShapeError);
    });
  });
});
