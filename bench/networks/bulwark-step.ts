import { adversarialStep, mimaeAT, pgd, plain, standardAT, type Model } from '../../adversarial/index.js';
import { compile, tensor, type Device, type Tensor } from '../../engine/index.js';
import { SGD, type Module } from '../../nn/index.js';
import type { Work } from '../case.js';
import { ATTACK, MIMAE, OPTIMIZER, type TrainingStep } from './step.js';

const OBJECTIVES = { plain, 'pgd-10': standardAT, 'mimae-at': () => mimaeAT(MIMAE) };

/** The step as the trainer takes it, captured unless `eager`; gives the loss before the update. */
export function bulwarkStep(
  device: Device,
  of: TrainingStep,
  build: (device: Device) => Module,
  { eager = false } = {},
): Work<Tensor> {
  const model = build(device);
  const state = model.stateDict();
  for (const [name, { shape, values }] of of.parameters) {
    const value = tensor(values, { device, shape });
    state.get(name)?.copyFrom(value);
    value.dispose();
  }
  const parameters = model.parameters();
  const optimizer = new SGD(parameters, OPTIMIZER);
  const objective = OBJECTIVES[of.kind]();
  const shape = [...of.shape];
  const [x, start] = [tensor(of.images, { device, shape }), tensor(of.start, { device, shape })];
  const labels = tensor(of.labels, { device });
  const step = (images: Tensor, from: Tensor, y: Tensor): Tensor => {
    const attack = (model_: Model, a: Tensor, b: Tensor): Tensor => pgd(model_, a, b, { ...ATTACK, start: from });
    const { total, gradients } = adversarialStep({ model, parameters, objective, attack, x: images, labels: y });
    optimizer.step(gradients);
    return total.detach();
  };
  const captured = compile(step);
  return {
    run: () => [(eager ? step : captured)(x, start, labels)],
    dispose: () => {
      captured.dispose();
      for (const each of [x, start, labels]) each.dispose();
      model.dispose();
    },
  };
}
