import type { Tensor2D, Tensor4D, Variable } from '@tensorflow/tfjs-core';
import type { Tfjs, TfjsTensor, Work } from '../case.js';
import { permuted } from '../data.js';
import type { Layer } from './layers.js';
import { ATTACK, CLASSES, MIMAE, OPTIMIZER, type TrainingStep } from './step.js';

/** The step on variables, with tfjs's own momentum optimiser. */
export function tfjsStep(tf: Tfjs, of: TrainingStep): Work<TfjsTensor> {
  const [n, c, size] = of.shape;
  const variables = new Map<string, Variable>();
  for (const [name, { shape, values }] of of.parameters) {
    const [k = 1, inputs = 1, r = 1, q = 1] = shape;
    const value =
      shape.length === 4
        ? tf.tensor4d(permuted(values, shape, [2, 3, 1, 0]), [r, q, inputs, k])
        : tf.tensor(values, [...shape]);
    variables.set(name, tf.variable(value));
    value.dispose();
  }
  const named = (name: string): TfjsTensor => {
    const found: TfjsTensor | undefined = variables.get(name);
    if (!found) throw new Error(`tfjs: no parameter ${name}`);
    return found;
  };

  /** The logits. In training the batch's statistics normalise, otherwise fixed ones. */
  const forward = (input: Tensor4D, training: boolean): Tensor2D => {
    const apply = (x: TfjsTensor, layer: Layer): TfjsTensor => {
      switch (layer.kind) {
        case 'conv': {
          const { name, stride, padding, bias } = layer;
          const around: [[0, 0], [number, number], [number, number], [0, 0]] = [
            [0, 0],
            [padding, padding],
            [padding, padding],
            [0, 0],
          ];
          const y = tf.conv2d(x as Tensor4D, named(`${name}.weight`) as Tensor4D, stride, around);
          return bias ? tf.add(y, named(`${name}.bias`)) : y;
        }
        case 'batchNorm': {
          const [weight, bias] = [named(`${layer.name}.weight`), named(`${layer.name}.bias`)];
          if (!training) return tf.add(tf.mul(tf.mul(x, 1 / Math.sqrt(1 + 1e-5)), weight), bias);
          const { mean, variance } = tf.moments(x, [0, 1, 2]);
          return tf.batchNorm(x, mean, variance, bias, weight, 1e-5);
        }
        case 'linear':
          return tf.add(tf.matMul(x, named(`${layer.name}.weight`), false, true), named(`${layer.name}.bias`));
        case 'residual':
          return tf.relu(tf.add(layer.main.reduce(apply, x), layer.shortcut.reduce(apply, x)));
        case 'relu':
          return tf.relu(x);
        case 'maxPool2':
          return tf.maxPool(x as Tensor4D, 2, 2, 'valid');
        case 'flatten':
          // In the order of the other libraries: channels first.
          return tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [n, -1]);
        case 'meanOfPixels':
          return tf.mean(x, [1, 2]);
        default:
          return layer satisfies never;
      }
    };
    return of.layers.reduce(apply, input) as Tensor2D;
  };
  const y = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(of.labels), CLASSES), 'float32'));
  const crossEntropy = (logits: TfjsTensor): TfjsTensor => tf.losses.softmaxCrossEntropy(y, logits);
  const attackGradient = tf.grad((point) => crossEntropy(forward(point as Tensor4D, false)));
  const nhwc = (values: Float32Array): Tensor4D =>
    tf.tensor4d(permuted(values, of.shape, [0, 2, 3, 1]), [n, size, size, c]);
  const [x, start] = [nhwc(of.images), nhwc(of.start)];
  const attack = (): Tensor4D => {
    let point: TfjsTensor = start;
    const [low, high] = [tf.sub(x, ATTACK.eps), tf.add(x, ATTACK.eps)];
    for (let taken = 0; taken < ATTACK.steps; taken++) {
      const from = point;
      point = tf.tidy(() => {
        const moved = tf.add(from, tf.mul(tf.sign(attackGradient(from)), ATTACK.stepSize));
        return tf.clipByValue(tf.minimum(tf.maximum(moved, low), high), 0, 1);
      });
      if (from !== start) from.dispose();
    }
    return point as Tensor4D;
  };
  const mimae = (natural: Tensor2D, adversarial: Tensor2D): TfjsTensor => {
    const [p, q] = [tf.softmax(natural), tf.softmax(adversarial)];
    const own = tf.sum(tf.mul(q, y), 1);
    const rival = tf.max(tf.sub(q, tf.mul(y, 2)), 1);
    const boosted = tf.neg(tf.mean(tf.add(tf.log(own), tf.log(tf.sub(1, rival)))));
    const product = tf.mul(tf.matMul(p, q, true), 1 / n);
    const joint = tf.mul(tf.add(product, tf.transpose(product)), 0.5);
    const [rows, columns] = [tf.sum(joint, 1, true), tf.sum(joint, 0, true)];
    const information = tf.sum(tf.mul(joint, tf.sub(tf.sub(tf.log(joint), tf.log(rows)), tf.log(columns))));
    const distance = tf.mul(tf.sum(tf.abs(tf.sub(adversarial, natural))), 1 / n);
    return tf.add(tf.sub(boosted, tf.mul(information, MIMAE.lambda)), tf.mul(distance, MIMAE.beta));
  };
  const objective = (moved: Tensor4D): TfjsTensor => {
    switch (of.kind) {
      case 'plain':
        return crossEntropy(forward(x, true));
      case 'pgd-10':
        return crossEntropy(forward(moved, true));
      case 'mimae-at':
        return mimae(forward(x, true), forward(moved, true));
      default:
        return of.kind satisfies never;
    }
  };
  const optimizer = tf.train.momentum(OPTIMIZER.lr, OPTIMIZER.momentum);
  return {
    run: () => {
      const moved = of.kind === 'plain' ? x : attack();
      const loss = optimizer.minimize(() => objective(moved) as never, true, [...variables.values()]);
      return loss ? [loss] : [];
    },
    dispose: () => {
      optimizer.dispose();
      for (const each of [x, start, y, ...variables.values()]) each.dispose();
    },
  };
}
