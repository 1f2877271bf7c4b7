import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ArgumentError,
  DTypeError,
  GradError,
  Generator,
  ShapeError,
  argmax,
  clamp,
  detectAnomaly,
  grad,
  noGrad,
  sign,
  slice,
  tensor,
  where,
  type Device,
  type Tensor,
} from '../../engine/index.js';
import { Dropout, Linear, Sequential, saveStateDict, type Module } from '../../nn/index.js';
import {
  apgd,
  bim,
  budgetWarning,
  cwLinf,
  cwLoss,
  deepfool,
  ffgsm,
  fgsm,
  fgsmAttack,
  inputGradient,
  klPgd,
  linfStep,
  pgd,
  pgdAttack,
  rfgsm,
  sampleCrossEntropy,
  standardAttacks,
} from '../../adversarial/index.js';
import { testDevice } from '../support/device.js';
import { expectGolden, expectGoldenEqual, expectGoldenMaxAbs, goldenTolerance, loadGolden } from '../support/golden.js';
import { uniformFloats } from '../support/values.js';
import { AttackNet, goldenInput } from './golden-networks.js';

let device: Device;
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  device.destroy();
});

/** Runs an asynchronous test with everything it makes freed at its end. */
const scoped = (body: () => Promise<void>) => () => device.scope(body);

describe('golden attacks', () => {
  // Loops capture their step; while anomalies are watched for they run eagerly instead.
  const modes = loadGolden('attacks').cases.flatMap((golden) => [
    { id: golden.id, golden, mode: 'captured', run: (body: () => Promise<void>) => device.scope(body) },
    {
      id: golden.id,
      golden,
      mode: 'eager',
      run: (body: () => Promise<void>) => device.scope(() => detectAnomaly(device, body)),
    },
  ]);
  it.each(modes)('follow the reference trajectories in $id, $mode', async ({ golden, run }) => {
    await run(async () => {
      const net = new AttackNet(golden, device);
      const input = (name: string): Tensor => goldenInput(golden, name, device);
      const [x, y, eps] = [input('x'), input('y'), golden.number('eps')];
      const check = async (key: string, image: Tensor): Promise<void> => {
        expectGoldenMaxAbs(await image.floats(), golden.output(key), goldenTolerance.attackImagesMaxAbs, key);
      };
      const predictions = (image: Tensor): Tensor => noGrad(device, () => argmax(net.eval().forward(image), 1));

      const logits = net.eval().forward(x);
      expectGolden(await logits.floats(), golden.output('logits'), goldenTolerance.attacks, 'logits');
      const gradient = inputGradient(net, x, y, sampleCrossEntropy);
      expectGolden(await gradient.floats(), golden.output('d_x_ce_sum'), goldenTolerance.attacks, 'd_x_ce_sum');

      const fast = fgsm(net, x, y, { eps });
      await check('fgsm', fast);
      expectGoldenEqual(await predictions(fast).data(), golden.output('fgsm_pred'), 'fgsm_pred');

      const stepSize = golden.number('pgd_alpha');
      const start = tensor(Float32Array.from(golden.output('pgd_linf_start').data), { device, shape: x.shape });
      for (const [key, steps] of [
        ['pgd_linf_step1', 1],
        ['pgd_linf_step2', 2],
        ['pgd_linf', golden.number('pgd_steps')],
      ] as const) {
        await check(key, pgd(net, x, y, { eps, stepSize, steps, start }));
      }
      const strong = pgd(net, x, y, { eps, stepSize, steps: golden.number('pgd_steps'), start });
      expectGoldenEqual(await predictions(strong).data(), golden.output('pgd_linf_pred'), 'pgd_linf_pred');

      for (const [key, steps] of [
        ['bim_step1', 1],
        ['bim', golden.number('bim_steps')],
      ] as const) {
        await check(key, pgd(net, x, y, { eps, stepSize: golden.number('bim_alpha'), steps, start: 'none' }));
      }
      const training = { eps, stepSize: golden.number('train_alpha'), steps: golden.number('train_steps') };
      await check('train_pgd', pgd(net, x, y, { ...training, start: x.add(input('normal').mul(0.001)) }));

      const checkWithClasses = async (key: string, image: Tensor): Promise<void> => {
        await check(key, image);
        expectGoldenEqual(await predictions(image).data(), golden.output(`${key}_pred`), `${key}_pred`);
      };
      const [kappa, steps, normal] = [golden.number('kappa'), golden.number('pgd_steps'), input('normal')];
      const cwGradient = inputGradient(net, x, y, cwLoss({ kappa }));
      expectGolden(await cwGradient.floats(), golden.output('d_x_cw_sum'), goldenTolerance.attacks, 'd_x_cw_sum');
      await checkWithClasses('cw_linf', cwLinf(net, x, y, { eps, stepSize, steps, kappa, start }));
      const near = x.add(normal.mul(golden.number('kl_noise')));
      await check('kl_pgd', klPgd(net, x, y, { ...training, start: near }));
      const l2 = { norm: 'l2', eps: golden.number('eps2'), stepSize: golden.number('l2_alpha') } as const;
      const l2Start = tensor(Float32Array.from(golden.output('pgd_l2_start').data), { device, shape: x.shape });
      await check('pgd_l2_step1', pgd(net, x, y, { ...l2, steps: 1, start: l2Start }));
      await checkWithClasses('pgd_l2', pgd(net, x, y, { ...l2, steps: golden.number('l2_steps'), start: l2Start }));
      const uniform = clamp(x.add(input('unit_uniform').mul(eps)), { min: 0, max: 1 });
      await checkWithClasses('ffgsm', ffgsm(net, x, y, { eps, start: uniform }));
      const after = (length: number): Tensor => clamp(x.add(sign(normal).mul(length)), { min: 0, max: 1 });
      await checkWithClasses('rfgsm', rfgsm(net, x, y, { eps, start: after(eps / 2) }));
      const [alpha, taSteps] = [golden.number('rfgsm_ta_alpha'), golden.number('rfgsm_ta_steps')];
      const definition = 'torchattacks';
      await check(
        'rfgsm_torchattacks',
        rfgsm(net, x, y, { eps, definition, stepSize: alpha, steps: taSteps, start: after(alpha) }),
      );
      const overshoot = golden.number('overshoot');
      const maxIterations = golden.number('deepfool_max_iter');
      const fooled = await deepfool(net, x, y, { overshoot, maxIterations });
      await check('deepfool_r', fooled.images.sub(x));
      expectGoldenEqual(await fooled.iterations.data(), golden.output('deepfool_iters'), 'deepfool_iters');
      expectGoldenEqual(await fooled.labels.data(), golden.output('deepfool_labels'), 'deepfool_labels');
      const clipped = await deepfool(net, x, y, { variant: 'torchattacks', overshoot, maxIterations });
      await checkWithClasses('deepfool_clip', clipped.images);
      expectGoldenEqual(await clipped.iterations.data(), golden.output('deepfool_clip_iters'), 'deepfool_clip_iters');
      const bimOptions = { eps, stepSize: golden.number('bim_alpha'), steps: golden.number('bim_steps') };
      await checkWithClasses('bim', bim(net, x, y, bimOptions));

      // The fixture leaves the last sample out.
      const firstOf = (all: Tensor): Tensor => slice(all, [{ end: (x.shape[0] ?? 0) - 1 }]);
      for (const loss of ['ce', 'dlr'] as const) {
        const found = apgd(net, firstOf(x), firstOf(y), {
          eps,
          steps: golden.number('apgd_iters'),
          loss,
          start: firstOf(uniform),
        });
        const key = (name: string): string => `apgd_${loss}_${name}`;
        await check(key('best'), found.best);
        expectGolden(
          await found.bestLoss.floats(),
          golden.output(key('best_loss')),
          goldenTolerance.attacks,
          key('best_loss'),
        );
        expectGoldenEqual(await found.robust.data(), golden.output(key('robust')), key('robust'));
        expectGolden(await found.stepSize.floats(), golden.output(key('step')), goldenTolerance.attacks, key('step'));
        // Where no point was misclassified, the fixture has the start.
        const adversarial = where(found.robust.reshape([-1, 1, 1, 1]), firstOf(uniform), found.images);
        await check(key('adv'), adversarial);
      }
      net.dispose();
    });
  });
});

/** A small classifier of 6 numbers with a part that behaves otherwise in training. */
function smallNet(): Sequential {
  const generator = new Generator(5);
  return new Sequential(
    new Linear(6, 8, { device, generator }),
    new Dropout(0.5, { generator: new Generator(6) }),
    new Linear(8, 3, { device, generator }),
  );
}

function batch(m = 5): [Tensor, Tensor] {
  const x = tensor(uniformFloats(6 * m, 3, 0, 1), { device, shape: [m, 6] });
  return [
    x,
    tensor(
      Int32Array.from({ length: m }, (_, i) => i % 3),
      { device },
    ),
  ];
}

describe('the step', () => {
  it(
    'is the formula: projection by min and max, clip, and 0 for a gradient of 0 or -0',
    scoped(async () => {
      const x = tensor([0.5, 0.5, 0.5, 0.02, 0.99, 0.3, 0.3], { device });
      const point = tensor([0.5, 0.59, 0.5, 0.01, 0.98, 0.35, 0.1], { device });
      const gradient = tensor([3, 1e-30, 0, -2, 5, -0, -1e-30], { device });
      const result = linfStep(point, gradient, x, { eps: 0.1, stepSize: 0.05, clipMin: 0, clipMax: 1 });
      const expected = [0.55, 0.6, 0.5, 0, 1, 0.35, 0.2].map((value) => Math.fround(value));
      for (const [i, value] of (await result.floats()).entries()) expect(value).toBeCloseTo(expected[i] ?? NaN, 6);
    }),
  );

  it(
    'keeps within the ball and the box whatever the gradient',
    scoped(async () => {
      const m = 4099;
      const x = tensor(uniformFloats(m, 1, 0, 1), { device });
      const eps = 0.031;
      const wild = { eps, stepSize: 0.7, clipMin: 0, clipMax: 1 };
      const moved = linfStep(
        tensor(uniformFloats(m, 2, -3, 3), { device }),
        tensor(uniformFloats(m, 4), { device }),
        x,
        wild,
      );
      const [from, to] = [await x.floats(), await moved.floats()];
      const [low, high] = [from.map((v) => v - Math.fround(eps)), from.map((v) => v + Math.fround(eps))];
      for (const [i, value] of to.entries()) {
        expect(value).toBeGreaterThanOrEqual(Math.max(0, low[i] ?? NaN));
        expect(value).toBeLessThanOrEqual(Math.min(1, high[i] ?? NaN));
      }
    }),
  );

  it('refuses tensors of different shapes', () =>
    device.scope(() => {
      const [a, b] = [tensor([1, 2], { device }), tensor([1, 2, 3], { device })];
      expect(() => linfStep(a, b, a, { eps: 1, stepSize: 1, clipMin: 0, clipMax: 1 })).toThrow(ShapeError);
    }));
});

describe('pgd and fgsm', () => {
  it(
    'leave parameters, gradients, running statistics and modes alone, and raise the loss',
    scoped(async () => {
      const golden = loadGolden('attacks').case('attacks-0');
      const net = new AttackNet(golden, device).train();
      net.bn1.eval();
      const [x, y] = [goldenInput(golden, 'x', device), goldenInput(golden, 'y', device)];
      const before = await saveStateDict(net);
      const modes = net.modules().map((module) => module.training);
      const loss = async (images: Tensor): Promise<number> =>
        noGrad(device, () => sampleCrossEntropy(net.eval().forward(images), y).sum()).item();
      const adversarial = pgd(net, x, y, { eps: 0.1, stepSize: 0.02, steps: 5, generator: new Generator(1) });
      const fast = fgsm(net, x, y, { eps: 0.1 });
      expect(net.modules().map((module) => module.training)).toEqual(modes);
      expect(await saveStateDict(net)).toEqual(before);
      expect(net.parameters().every((parameter) => parameter.grad === null)).toBe(true);
      expect(await loss(fast)).toBeGreaterThan(await loss(x));
      expect(await loss(adversarial)).toBeGreaterThan(await loss(fast));
      expect(adversarial.tracksGrad).toBe(false);
      net.dispose();
    }),
  );

  it(
    "restore every module's own mode after an exception",
    scoped(async () => {
      const net = smallNet();
      const [x, y] = batch();
      const [dropout] = net.modules().filter((module) => module instanceof Dropout);
      dropout?.eval();
      const seen: boolean[][] = [];
      const failing = (): Tensor => {
        seen.push(net.modules().map((module) => module.training));
        throw new Error('the loss failed');
      };
      expect(() => pgd(net, x, y, { eps: 0.1, stepSize: 0.1, steps: 1, loss: failing })).toThrow('the loss failed');
      expect(() => fgsm(net, x, y, { eps: 0.1, loss: failing })).toThrow('the loss failed');
      expect(seen).toEqual(Array(2).fill(net.modules().map(() => false)));
      expect(net.modules().map((module) => module.training)).toEqual(net.modules().map((module) => module !== dropout));
      net.dispose();
      await device.sync();
    }),
  );

  it(
    'compute no gradient of a weight, and read nothing back',
    scoped(async () => {
      const net = smallNet().eval();
      const [x, y] = batch();
      const dispatches = (work: () => unknown): number => {
        const before = device.counters.dispatches;
        device.scope(work);
        return device.counters.dispatches - before;
      };
      const gradients = (parameters: Tensor[]): Tensor[] => {
        const leaf = x.detach().requireGrad();
        const losses = sampleCrossEntropy(net.forward(leaf), y);
        return grad(losses, [leaf, ...parameters], { gradOutput: losses.onesLike() });
      };
      const toInput = dispatches(() => gradients([]));
      const toEverything = dispatches(() => gradients(net.parameters()));
      expect(toInput).toBeLessThan(toEverything);
      const before = { ...device.counters };
      const attack = (steps: number) => () => pgd(net, x, y, { eps: 0.1, stepSize: 0.1, steps, start: 'none' });
      expect(dispatches(attack(3))).toBe(3 * (toInput + 1));
      // A captured step has no more of them.
      expect(dispatches(attack(7))).toBeLessThanOrEqual(7 * (toInput + 1));
      expect(dispatches(() => fgsm(net, x, y, { eps: 0.1 }))).toBe(toInput + 1);
      expect(device.counters.readbacks).toBe(before.readbacks);
      // One, before the captured step is given up.
      expect(device.counters.submits).toBe(before.submits + 1);
      net.dispose();
      await device.sync();
    }),
  );

  it(
    'need no more memory for more steps, and leave one tensor behind',
    scoped(async () => {
      const net = smallNet();
      const [x, y] = batch();
      const attack = (steps: number): Tensor => pgd(net, x, y, { eps: 0.1, stepSize: 0.1, steps });
      attack(3).dispose();
      const before = device.memory();
      attack(40).dispose();
      expect(device.memory()).toEqual(before);
      const kept = attack(2);
      expect(device.memory().tensors).toBe(before.tensors + 1);
      kept.dispose();
      net.dispose();
      await device.sync();
    }),
  );

  it(
    'work inside noGrad, on images that require gradients, and on plain functions',
    scoped(async () => {
      const net = smallNet().eval();
      const [x, y] = batch();
      const options = { eps: 0.1, stepSize: 0.05, steps: 2, start: 'none' } as const;
      const usual = await pgd(net, x, y, options).floats();
      expect(await noGrad(device, () => pgd(net, x, y, options)).floats()).toEqual(usual);
      expect(await pgd((images) => net.forward(images), x, y, options).floats()).toEqual(usual);
      const tracked = x.detach().requireGrad();
      const again = pgd(net, tracked, y, options);
      expect(again.tracksGrad).toBe(false);
      expect(await again.floats()).toEqual(usual);
      expect(() => pgd(() => tensor([[0, 1, 2]], { device }), x, y, options)).toThrow();
      expect(() => pgd((images) => net.forward(images.detach()), x, y, options)).toThrow(GradError);
      net.dispose();
    }),
  );

  it(
    'ascend the loss they are given',
    scoped(async () => {
      const net = smallNet().eval();
      const [x, y] = batch();
      const options = { eps: 0.1, stepSize: 0.1, steps: 1, start: 'none' } as const;
      const up = await pgd(net, x, y, options).floats();
      const downwards = (logits: Tensor, labels: Tensor): Tensor => sampleCrossEntropy(logits, labels).neg();
      const down = await pgd(net, x, y, { ...options, loss: downwards }).floats();
      const summed = await pgd(net, x, y, { ...options, loss: (...args) => downwards(...args).sum() }).floats();
      expect(summed).toEqual(down);
      const from = await x.floats();
      for (const [i, value] of from.entries()) {
        const [a = 0, b = 0] = [up[i], down[i]];
        if (value > 0.1 && value < 0.9) expect(a - value).toBeCloseTo(value - b, 6);
      }
      net.dispose();
    }),
  );
});

describe('random starts', () => {
  /** A model without a gradient anywhere, so that a step stays where it started. */
  const flat = (x: Tensor): Tensor => x.mul(0).slice([null, { end: 3 }]);
  const options = { eps: 0.1, stepSize: 0.1, steps: 1 } as const;
  const started = async (x: Tensor, start: 'uniform' | 'normal', seed: number): Promise<Float32Array> => {
    const y = tensor(new Int32Array(x.shape[0] ?? 0), { device });
    return pgd(flat, x, y, { ...options, start, generator: new Generator(seed) }).floats();
  };

  it(
    "'uniform' fills the ball, within the box; the same seed starts alike",
    scoped(async () => {
      const x = tensor(new Float32Array(4000).fill(0.5), { device, shape: [8, 500] });
      const values = await started(x, 'uniform', 3);
      expect(values).toEqual(await started(x, 'uniform', 3));
      expect(values).not.toEqual(await started(x, 'uniform', 4));
      expect(Math.max(...values)).toBeLessThanOrEqual(0.5 + 0.1 + 1e-7);
      expect(Math.max(...values)).toBeGreaterThan(0.599);
      expect(Math.min(...values)).toBeLessThan(0.401);
      expect(Math.abs(values.reduce((sum, v) => sum + v - 0.5, 0) / 4000)).toBeLessThan(0.004);
      const dark = await started(tensor(new Float32Array(4000), { device, shape: [8, 500] }), 'uniform', 3);
      expect(Math.min(...dark)).toBe(0);
      expect(dark.filter((v) => v === 0).length).toBeGreaterThan(1800);
    }),
  );

  it(
    "'normal' is 0.001 wide",
    scoped(async () => {
      const x = tensor(new Float32Array(4000).fill(0.5), { device, shape: [8, 500] });
      const values = await started(x, 'normal', 3);
      const variance = values.reduce((sum, v) => sum + (v - 0.5) ** 2, 0) / 4000;
      expect(Math.sqrt(variance)).toBeGreaterThan(0.00095);
      expect(Math.sqrt(variance)).toBeLessThan(0.00105);
    }),
  );

  it(
    "give a sample the same start in any batching, also where samples do not fill the generator's blocks",
    scoped(async () => {
      for (const size of [8, 7]) {
        const images = uniformFloats(10 * size, 1, 0.2, 0.8);
        const pieces = async (lengths: readonly number[]): Promise<number[]> => {
          const generator = new Generator(9);
          const values: number[] = [];
          for (const [i, length] of lengths.entries()) {
            const from = lengths.slice(0, i).reduce((sum, n) => sum + n, 0);
            const part = images.slice(from * size, (from + length) * size);
            const x = tensor(part, { device, shape: [length, size] });
            const y = tensor(new Int32Array(length), { device });
            values.push(...(await pgd(flat, x, y, { ...options, generator }).floats()));
          }
          return values;
        };
        const whole = await pieces([10]);
        expect(await pieces([3, 3, 3, 1])).toEqual(whole);
        expect(await pieces([1, 9])).toEqual(whole);
      }
    }),
  );
});

describe('bad input', () => {
  const good = { eps: 0.1, stepSize: 0.1, steps: 1 };
  const refusals: [string, object, RegExp][] = [
    ['a negative eps', { eps: -0.1 }, /eps is -0.1; expected 0 or more/],
    ['an eps that is NaN', { eps: NaN }, /eps is NaN/],
    ['an eps in units of 0 .. 255', { eps: 8 }, /eps is 8.*8 \/ 255 is 0.03137/],
    ['a step size in units of 0 .. 255', { stepSize: 2 }, /stepSize is 2.*2 \/ 255/],
    ['a step size of 0', { stepSize: 0 }, /stepSize is 0; expected a number above 0/],
    ['steps of 0', { steps: 0 }, /steps is 0; expected an integer from 1 up/],
    ['steps that are no integer', { steps: 1.5 }, /steps is 1.5/],
    ['an unknown norm', { norm: 'l3' }, /norm is l3; expected linf, l2 or l1/],
    ['restarts of 0', { restarts: 0 }, /restarts is 0; expected an integer from 1 up/],
    ['restarts from one point', { restarts: 2, start: 'none' }, /2 restarts from one start end alike/],
    ['an unknown start', { start: 'random' }, /unknown start 'random'; there are none, uniform, normal/],
    ['an empty range', { clipMin: 1, clipMax: 0 }, /clipMin 1 and clipMax 0/],
  ];
  const refuse = (net: Module, change: object, [x, y]: [Tensor, Tensor] = batch()): (() => Tensor) => {
    return () => pgd(net, x, y, { ...good, ...change });
  };

  it.each(refusals)('%s is refused', (_, change, message) => {
    device.scope(() => {
      const net = smallNet();
      expect(refuse(net, change)).toThrow(ArgumentError);
      expect(refuse(net, change)).toThrow(message);
      net.dispose();
    });
  });

  it('attacks with settings refuse them at once', () => {
    expect(() => fgsmAttack({ eps: -1 })).toThrow(ArgumentError);
    expect(() => pgdAttack({ eps: 0.1, stepSize: 0, steps: 1 })).toThrow(ArgumentError);
    expect(Object.keys(standardAttacks(0))).toEqual(['fgsm', 'pgd-20']);
  });

  it('batches that are none are refused', () => {
    device.scope(() => {
      const net = smallNet();
      const [x, y] = batch();
      expect(refuse(net, {}, [x, x])).toThrow(DTypeError);
      expect(refuse(net, {}, [x, batch(4)[1]])).toThrow(ShapeError);
      expect(refuse(net, { start: batch(4)[0] })).toThrow(ShapeError);
      expect(() => fgsm(net, y, y, { eps: 0.1 })).toThrow(DTypeError);
      expect(() => fgsm(net, x, y, { eps: -1 })).toThrow(ArgumentError);
      net.dispose();
    });
  });

  it(
    'an eps of 0 and the whole range are allowed',
    scoped(async () => {
      const net = smallNet();
      const [x, y] = batch();
      expect(await pgd(net, x, y, { eps: 0, stepSize: 0.1, steps: 2 }).floats()).toEqual(await x.floats());
      expect(await fgsm(net, x, y, { eps: 0 }).floats()).toEqual(await x.floats());
      expect(pgd(net, x, y, { eps: 1, stepSize: 1, steps: 1 }).shape).toEqual(x.shape);
      net.dispose();
    }),
  );

  it('a budget that cannot reach its ball is told', () => {
    expect(budgetWarning({ eps: 0.3, stepSize: 0.01, steps: 10 })).toMatch(
      /10 steps of 0.01 move 0.1 at most.*take 30 steps/,
    );
    expect(budgetWarning({ eps: 0.3, stepSize: 0.03, steps: 10 })).toBeUndefined();
  });
});
