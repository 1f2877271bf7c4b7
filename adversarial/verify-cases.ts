import type { Device } from '../engine/device.js';
import { tensor, zeros } from '../engine/ops/create.js';
import type { Tensor } from '../engine/tensor.js';
import { KERNEL_CASES } from '../engine/verify/checks.js';
import { leaf, normal, type Expectation, type KernelCase } from '../engine/verify/kernel-case.js';
import { valueAt, type Values } from '../engine/verify/reference.js';
export { verifyKernels } from '../engine/verify/verify.js';
import { AdamW } from '../nn/optim/adam.js';
import { Linear } from '../nn/layers/linear.js';
import { clipGradNorm, clipGradValue } from '../nn/optim/clip.js';
import type { Optimizer } from '../nn/optim/optimizer.js';
import { RMSprop } from '../nn/optim/rmsprop.js';
import { SGD } from '../nn/optim/sgd.js';
import { linfStep } from './attacks/linf.js';
import { WeightPerturbation } from './awp.js';
import { MetricsRing, NATURAL_ACCURACY } from './step-metrics.js';

const COUNT = 301;

/** Two steps of an optimiser from the same start with the same gradients. */
function twoSteps(device: Device, make: (parameters: Tensor[]) => Optimizer, expected: Values): Expectation[] {
  const parameter = leaf(device, [COUNT], 40).t.detach();
  const optimizer = make([parameter]);
  for (const seed of [41, 42]) optimizer.step([leaf(device, [COUNT], seed).t]);
  optimizer.dispose();
  return [{ got: parameter, expected }];
}

/** The elements after two steps, each worked out by itself. */
function stepped(update: (p: number, first: number, second: number) => number): Values {
  const [p, first, second] = [normal(COUNT, 40), normal(COUNT, 41), normal(COUNT, 42)];
  return Float64Array.from(p, (value, i) => update(value, valueAt(first, i), valueAt(second, i)));
}

const SGD_STEPS: KernelCase = {
  name: 'SGD with momentum and weight decay',
  tolerance: 1e-6,
  run: (device) => {
    const [lr, momentum, weightDecay] = [0.1, 0.9, 0.01];
    const expected = stepped((p, first, second) => {
      const velocity = first + weightDecay * p;
      const next = p - lr * velocity;
      return next - lr * (momentum * velocity + second + weightDecay * next);
    });
    return twoSteps(device, (parameters) => new SGD(parameters, { lr, momentum, weightDecay }), expected);
  },
};

const ADAM_STEPS: KernelCase = {
  name: 'AdamW',
  tolerance: 1e-6,
  run: (device) => {
    const [lr, weightDecay, eps] = [0.1, 0.05, 1e-8];
    const expected = stepped((start, first, second) => {
      let [p, m, v] = [start, 0, 0];
      [first, second].forEach((g, t) => {
        m = 0.9 * m + 0.1 * g;
        v = 0.999 * v + 0.001 * g * g;
        const [mean, square] = [m / (1 - 0.9 ** (t + 1)), v / (1 - 0.999 ** (t + 1))];
        p = p * (1 - lr * weightDecay) - (lr * mean) / (Math.sqrt(square) + eps);
      });
      return p;
    });
    return twoSteps(device, (parameters) => new AdamW(parameters, { lr, weightDecay }), expected);
  },
};

const RMSPROP_STEPS: KernelCase = {
  name: 'RMSprop, centered and with momentum',
  tolerance: 1e-5,
  run: (device) => {
    const [lr, alpha, momentum, weightDecay, eps] = [0.1, 0.9, 0.5, 0.05, 1e-3];
    const expected = stepped((start, first, second) => {
      let [p, v, a, buf] = [start, 0, 0, 0];
      for (const gradient of [first, second]) {
        const g = gradient + weightDecay * p;
        v = alpha * v + (1 - alpha) * g * g;
        a = alpha * a + (1 - alpha) * g;
        buf = momentum * buf + g / (Math.sqrt(v - a * a) + eps);
        p -= lr * buf;
      }
      return p;
    });
    const options = { lr, alpha, momentum, weightDecay, eps, centered: true };
    return twoSteps(device, (parameters) => new RMSprop(parameters, options), expected);
  },
};

const CLIPPING: KernelCase = {
  name: 'clipped gradients',
  tolerance: 1e-6,
  run: (device) => {
    const gradients = [41, 42].map((seed) => leaf(device, [COUNT], seed));
    const tensors = gradients.map(({ t }) => t.detach());
    const exact = gradients.map(({ values }) => Array.from({ length: COUNT }, (_, i) => valueAt(values, i)));
    const norm = Math.hypot(...exact.flat());
    const clipped = clipGradNorm(tensors, 0.5);
    const clamped = clipGradValue(tensors, 0.25);
    const shrunk = exact.map((values) => values.map((g) => (g * 0.5) / (norm + 1e-6)));
    const within = exact.map((values) => values.map((g) => Math.min(Math.max(g, -0.25), 0.25)));
    const pairs = [...clipped.gradients, ...clamped].map((got, index) => ({
      got,
      expected: [...shrunk, ...within][index] ?? [],
    }));
    return [{ got: clipped.norm, expected: [norm] }, ...pairs];
  },
};

const WEIGHTS_MOVED: KernelCase = {
  name: 'the perturbation of weights',
  tolerance: 1e-6,
  run: (device) => {
    const [inputs, outputs, gamma] = [43, 7, 0.25];
    const model = new Linear(inputs, outputs, { device });
    const { t, values } = leaf(device, [outputs, inputs], 40);
    model.weight.copyFrom(t);
    const gradient = leaf(device, [outputs, inputs], 41);
    const perturbation = new WeightPerturbation(model, { gamma });
    perturbation.perturb([gradient.t]);
    const got = model.weight.detach().mul(1);
    perturbation.restore();
    const back = model.weight.detach().mul(1);
    model.dispose();
    const normOf = (each: Values): number => Math.hypot(...Array.from(each, Number));
    const factor = (gamma * normOf(values)) / normOf(gradient.values);
    const expected = Float64Array.from(values, (w, i) => w + factor * valueAt(gradient.values, i));
    return [
      { got, expected },
      { got: back, expected: values },
    ];
  },
};

const AVERAGE: KernelCase = {
  name: 'the moving average of parameters',
  tolerance: 1e-6,
  run: (device) => {
    const [decay, lr] = [0.75, 0.5];
    const parameter = leaf(device, [COUNT], 40).t.detach();
    const optimizer = new SGD([parameter], { lr });
    const ema = optimizer.average({ decay });
    for (const seed of [41, 42]) {
      optimizer.step([leaf(device, [COUNT], seed).t]);
      ema.update();
    }
    ema.swap();
    const averages = ema.averages.map((average) => average.mul(1));
    ema.dispose();
    optimizer.dispose();
    const one = stepped((p, first) => p - lr * first);
    const two = stepped((p, first, second) => p - lr * first - lr * second);
    const mean = Float64Array.from(one, (value, i) => decay * value + (1 - decay) * valueAt(two, i));
    return [{ got: parameter, expected: mean }, ...averages.map((got) => ({ got, expected: two }))];
  },
};

const ATTACK_STEP: KernelCase = {
  name: 'the step of an attack',
  tolerance: 1e-6,
  run: (device) => {
    const [point, gradient, centre] = [43, 44, 45].map((seed) => leaf(device, [COUNT], seed));
    if (!point || !gradient || !centre) return [];
    const [eps, stepSize] = [0.3, 0.1];
    const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);
    const expected = Float64Array.from(point.values, (value, i) => {
      const around = valueAt(centre.values, i);
      const moved = value + stepSize * Math.sign(valueAt(gradient.values, i));
      return clamp(clamp(moved, around - eps, around + eps), 0, 1);
    });
    return [{ got: linfStep(point.t, gradient.t, centre.t, { eps, stepSize, clipMin: 0, clipMax: 1 }), expected }];
  },
};

const METRICS: KernelCase = {
  name: 'the accuracy of a batch',
  tolerance: 1e-6,
  run: async (device) => {
    const [rows, classes] = [67, 10];
    const { t, values } = leaf(device, [rows, classes], 46);
    const labels = Int32Array.from({ length: rows }, (_, row) => row % classes);
    const hits = labels.filter((label, row) => {
      const logits = values.subarray(row * classes, (row + 1) * classes);
      return logits.indexOf(Math.max(...logits)) === label;
    });
    const ring = new MetricsRing(1);
    const nothing = { adversarialImages: undefined, adversarialLogits: undefined, gradients: [], terms: {} };
    ring.push(
      1,
      ring.measure({ ...nothing, naturalLogits: t, total: zeros([], { device }) }, tensor(labels, { device })),
    );
    const {
      read: [read],
    } = await ring.read();
    ring.dispose();
    return [{ got: [read?.metrics[NATURAL_ACCURACY] ?? NaN], expected: [hits.length / rows] }];
  },
};

/** Every case, of the engine and of what stands on it. */
export const EVERY_CASE: readonly KernelCase[] = [
  ...KERNEL_CASES,
  SGD_STEPS,
  ADAM_STEPS,
  RMSPROP_STEPS,
  CLIPPING,
  WEIGHTS_MOVED,
  AVERAGE,
  ATTACK_STEP,
  METRICS,
];
