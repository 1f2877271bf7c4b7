import { enableGrad, grad, noGrad } from '../engine/autograd.js';
import type { Tensor } from '../engine/tensor.js';
import type { Module } from '../nn/module.js';
import { inEvalMode, type Model } from './model.js';
import type { AttackLoss } from './attacks/input-gradient.js';
import type { CraftCall, Crafted, Objective, ObjectiveValue } from './objectives/objective.js';

/** What one training step computes before the optimiser's turn. */
export interface StepValues extends ObjectiveValue {
  /** The adversarial images, where the objective wants them. */
  readonly adversarialImages: Tensor | undefined;
  readonly naturalLogits: Tensor | undefined;
  readonly adversarialLogits: Tensor | undefined;
  /** What the objective remembers of the samples, `[m]`, where it does. */
  readonly remembered?: Tensor | undefined;
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
  /** What an objective that makes its own adversarial images goes by besides. */
  readonly crafting?: Omit<CraftCall, 'model' | 'x' | 'labels' | 'logits'>;
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
 * Where the objective makes x' itself, the natural pass comes before that. Leaves the model in training mode. Only records work; the
 * caller's scope owns what it returns.
 */
export function adversarialStep(options: StepOptions): StepValues {
  const { model, parameters, objective, x, labels } = options;
  const { craft, needs } = objective;
  const naturalPass = (): Tensor | undefined => {
    model.train();
    return needs.natural ? enableGrad(x.device, () => model.forward(x)) : undefined;
  };
  // What makes its own images goes by the natural logits in training mode.
  const early = craft && naturalPass();
  const { images, remembered }: Partial<Crafted> = craft ? crafted(craft, options, early) : attacked(options);
  const naturalLogits = craft ? early : naturalPass();
  const adversarialImages = images?.detach();
  model.train();
  return enableGrad(x.device, () => {
    const adversarialLogits = adversarialImages && model.forward(adversarialImages);
    const again = needs.naturalAgain ? model.forward(x) : undefined;
    const logits = { natural: naturalLogits, adversarial: adversarialLogits, naturalAgain: again };
    const value = objective.loss(logits, labels, remembered);
    const gradients = grad(value.total, parameters);
    return { ...value, adversarialImages, naturalLogits, adversarialLogits, remembered, gradients };
  });
}

/** What the objective makes by itself, in training mode. */
function crafted(
  craft: (call: CraftCall) => Crafted,
  { model, x, labels, crafting }: StepOptions,
  natural: Tensor | undefined,
): Crafted {
  return noGrad(x.device, () => craft({ ...crafting, model, x, labels, logits: { natural: natural?.detach() } }));
}

/** The images that the run's attack makes, where the objective wants them. */
function attacked({ model, objective, attack, x, labels }: StepOptions): Partial<Crafted> {
  if (!objective.needs.adversarial) return {};
  const loss = objective.attackLoss?.(inEvalMode(model, () => noGrad(x.device, () => model.forward(x))));
  const victim = objective.attackPlan?.craftIn === 'train' ? inTrainMode(model) : model;
  return { images: attack(victim, x, labels, loss) };
}

/** The model as a function that attacks leave in training mode. */
function inTrainMode(model: Module): Model {
  model.train();
  return (x) => model.forward(x);
}
