import { enableGrad, grad, noGrad } from '../engine/autograd.js';
import type { Tensor } from '../engine/tensor.js';
import type { Module } from '../nn/module.js';
import { inEvalMode, type Model } from './model.js';
import type { AttackLoss } from './attacks/input-gradient.js';
import type { Objective, ObjectiveValue } from './objectives/objective.js';

/** What one training step computes before the optimiser's turn. */
export interface StepValues extends ObjectiveValue {
  /** The adversarial images, where the objective wants them. */
  readonly adversarialImages: Tensor | undefined;
  readonly naturalLogits: Tensor | undefined;
  readonly adversarialLogits: Tensor | undefined;
  /** One gradient of the total for each of the parameters given. */
  readonly gradients: readonly Tensor[];
}

/** One mini-batch and what to do with it. */
export interface StepOptions {
  readonly model: Module;
  /** What to differentiate with respect to. */
  readonly parameters: readonly Tensor[];
  readonly objective: Objective;
  /**
   * Makes the adversarial images; it sees to evaluation mode itself, as `pgd` does. `loss` is what the objective's own attack raises. For an
   * objective that crafts in training mode, `model` is a function, which stays in that mode.
   */
  readonly attack: (model: Model, x: Tensor, labels: Tensor, loss?: AttackLoss) => Tensor;
  /** Natural images `[m, ...]`. */
  readonly x: Tensor;
  /** Classes, i32 `[m]`. */
  readonly labels: Tensor;
}

/**
 * One step of adversarial training up to the gradients (algorithm 1 of Atsague, Fakorede and Tian 2021):
 *
 *     x' = attack(x)                 with the current weights; a constant in what follows
 *     z  = f(x),  z' = f(x')         in training mode, natural batch first, each normalised by its own statistics
 *     g  = grad_theta objective(z, z', y)   through both
 *
 * Leaves the model in training mode. Only records work; the caller's scope owns what it returns.
 */
export function adversarialStep({ model, parameters, objective, attack, x, labels }: StepOptions): StepValues {
  const { natural, adversarial, naturalAgain = false } = objective.needs;
  const loss = adversarial
    ? objective.attackLoss?.(inEvalMode(model, () => noGrad(x.device, () => model.forward(x))))
    : undefined;
  const victim = objective.attackPlan?.craftIn === 'train' ? inTrainMode(model) : model;
  const adversarialImages = adversarial ? attack(victim, x, labels, loss).detach() : undefined;
  model.train();
  return enableGrad(x.device, () => {
    const naturalLogits = natural ? model.forward(x) : undefined;
    const adversarialLogits = adversarialImages && model.forward(adversarialImages);
    const again = naturalAgain ? model.forward(x) : undefined;
    const logits = { natural: naturalLogits, adversarial: adversarialLogits, naturalAgain: again };
    const value = objective.loss(logits, labels);
    const gradients = grad(value.total, parameters);
    return { ...value, adversarialImages, naturalLogits, adversarialLogits, gradients };
  });
}

/** The model as a function that attacks leave in training mode. */
function inTrainMode(model: Module): Model {
  model.train();
  return (x) => model.forward(x);
}
