import type { Jax, JaxArray, Work } from '../case.js';
import type { Layer } from './layers.js';
import { ATTACK, CLASSES, MIMAE, OPTIMIZER, type TrainingStep } from './step.js';

type Arrays = Record<string, JaxArray>;

/** The whole step as one `jit`, the attack's iterations unrolled in it. */
export function jaxStep(jax: Jax, of: TrainingStep): Work<JaxArray> {
  const { numpy: np, nn, lax, jit, grad, valueAndGrad } = jax;
  const [n] = of.shape;

  /** The logits; takes `x`, leaves the parameters. In training the batch's statistics normalise, otherwise fixed ones. */
  const forward = (parameters: Arrays, input: JaxArray, training: boolean): JaxArray => {
    const named = (name: string): JaxArray => {
      const found = parameters[name];
      if (!found) throw new Error(`jax-js: no parameter ${name}`);
      return found.ref;
    };
    const perChannel = (name: string): JaxArray => named(name).reshape([1, -1, 1, 1]);
    const apply = (x: JaxArray, layer: Layer): JaxArray => {
      switch (layer.kind) {
        case 'conv': {
          const { name, stride, padding, bias } = layer;
          const around: [number, number][] = [
            [padding, padding],
            [padding, padding],
          ];
          const y = lax.convGeneralDilated(x, named(`${name}.weight`), [stride, stride], around);
          return bias ? y.add(perChannel(`${name}.bias`)) : y;
        }
        case 'batchNorm': {
          const [weight, bias] = [perChannel(`${layer.name}.weight`), perChannel(`${layer.name}.bias`)];
          if (!training)
            return x
              .mul(1 / Math.sqrt(1 + 1e-5))
              .mul(weight)
              .add(bias);
          const centred = x.ref.sub(np.mean(x, [0, 2, 3], { keepdims: true }));
          const variance = np.mean(centred.ref.mul(centred.ref), [0, 2, 3], { keepdims: true });
          return centred
            .mul(np.reciprocal(np.sqrt(variance.add(1e-5))))
            .mul(weight)
            .add(bias);
        }
        case 'linear':
          return np.matmul(x, np.transpose(named(`${layer.name}.weight`))).add(named(`${layer.name}.bias`));
        case 'residual': {
          const shortcut = layer.shortcut.reduce(apply, x.ref);
          return nn.relu(layer.main.reduce(apply, x).add(shortcut));
        }
        case 'relu':
          return nn.relu(x);
        case 'maxPool2': {
          const [images = 0, channels = 0, h = 0, w = 0] = x.shape;
          return np.max(x.reshape([images, channels, h / 2, 2, w / 2, 2]), [3, 5]);
        }
        case 'flatten':
          return x.reshape([n, -1]);
        case 'meanOfPixels':
          return np.mean(x, [2, 3]);
        default:
          return layer satisfies never;
      }
    };
    return of.layers.reduce(apply, input);
  };
  const crossEntropy = (logits: JaxArray, y: JaxArray): JaxArray =>
    nn
      .logSoftmax(logits, 1)
      .mul(y)
      .sum()
      .mul(-1 / n);
  const attackLoss = (x: JaxArray, parameters: Arrays, y: JaxArray): JaxArray =>
    crossEntropy(forward(parameters, x, false), y);
  const attack = (parameters: Arrays, x: JaxArray, start: JaxArray, y: JaxArray): JaxArray => {
    const gradient = grad(attackLoss, { argnums: 0 });
    let point = start;
    for (let taken = 0; taken < ATTACK.steps; taken++) {
      const g = gradient(point.ref, jax.tree.ref(parameters), y.ref);
      const moved = point.add(np.sign(g).mul(ATTACK.stepSize));
      const inBall = np.minimum(np.maximum(moved, x.ref.sub(ATTACK.eps)), x.ref.add(ATTACK.eps));
      point = np.clip(inBall, 0, 1);
    }
    return point;
  };
  const mimae = (natural: JaxArray, adversarial: JaxArray, y: JaxArray): JaxArray => {
    const [p, q] = [nn.softmax(natural.ref, 1), nn.softmax(adversarial.ref, 1)];
    const own = q.ref.mul(y.ref).sum(1);
    const rival = np.max(q.ref.sub(y.mul(2)), 1);
    const boosted = np.mean(np.log(own).add(np.log(np.subtract(1, rival)))).mul(-1);
    const product = np.matmul(np.transpose(p), q).mul(1 / n);
    const joint = product.ref.add(np.transpose(product)).mul(0.5);
    const [rows, columns] = [joint.ref.sum(1, { keepdims: true }), joint.ref.sum(0, { keepdims: true })];
    const information = joint.ref.mul(np.log(joint).sub(np.log(rows)).sub(np.log(columns))).sum();
    const distance = np
      .abs(adversarial.sub(natural))
      .sum()
      .mul(1 / n);
    return boosted.sub(information.mul(MIMAE.lambda)).add(distance.mul(MIMAE.beta));
  };
  const objective = (parameters: Arrays, x: JaxArray, moved: JaxArray, y: JaxArray): JaxArray => {
    switch (of.kind) {
      case 'plain':
        return crossEntropy(forward(parameters, x, true), y);
      case 'pgd-10':
        return crossEntropy(forward(parameters, moved, true), y);
      case 'mimae-at':
        return mimae(forward(parameters, x, true), forward(parameters, moved, true), y);
      default:
        return of.kind satisfies never;
    }
  };
  const step = jit((parameters: Arrays, momenta: Arrays, x: JaxArray, start: JaxArray, y: JaxArray) => {
    const moved = of.kind === 'plain' ? x.ref : attack(parameters, x.ref, start, y.ref);
    const [loss, gradients] = valueAndGrad(objective)(jax.tree.ref(parameters), x, moved, y) as [JaxArray, Arrays];
    const next: { parameters: Arrays; momenta: Arrays } = { parameters: {}, momenta: {} };
    for (const [name, parameter] of Object.entries(parameters)) {
      const [momentum, gradient] = [momenta[name], gradients[name]];
      if (!momentum || !gradient) throw new Error(`jax-js: no gradient of ${name}`);
      const velocity = momentum.mul(OPTIMIZER.momentum).add(gradient);
      next.momenta[name] = velocity.ref;
      next.parameters[name] = parameter.sub(velocity.mul(OPTIMIZER.lr));
    }
    return { loss, ...next };
  });

  const made = [...of.parameters].map(([name, { shape, values }]) => {
    return [name, np.array(values, { shape: [...shape] })] as const;
  });
  let parameters: Arrays = Object.fromEntries(made);
  let momenta: Arrays = Object.fromEntries(made.map(([name, { shape }]) => [name, np.zeros(shape)]));
  const shape = [...of.shape];
  const [x, start] = [np.array(of.images, { shape }), np.array(of.start, { shape })];
  const y = nn.oneHot(np.array(of.labels, { shape: [n] }), CLASSES);
  return {
    run: () => {
      const next = step(parameters, momenta, x.ref, start.ref, y.ref);
      ({ parameters, momenta } = next);
      return [next.loss];
    },
    dispose: () => {
      jax.tree.dispose(parameters);
      jax.tree.dispose(momenta);
      for (const each of [x, start, y]) each.dispose();
      step.dispose();
    },
  };
}
