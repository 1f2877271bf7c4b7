import { enableGrad, grad, noGrad } from '../engine/autograd.js';
import type { Tensor } from '../engine/tensor.js';
import { keepStatistics } from '../nn/keep-statistics.js';
import type { Module } from '../nn/module.js';
import type { WeightPerturbation } from './awp.js';
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
  /** Moves the weights against the objective before its gradients are taken, and back afterwards; not unless told. */
  readonly perturbation?: WeightPerturbation | undefined;
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
 * Where the objective makes x' itself, the natural pass comes before that. With a `perturbation`, the gradients of one more such pass,
 * which leaves running statistics alone, move the weights before z and z' are computed; losses, logits and gradients are those at the
 * moved weights, which afterwards have the bits that they had. Leaves the model in training mode. Only records work; the caller's scope
 * owns what it returns.
 */
export function adversarialStep(options: StepOptions): StepValues {
  const { model, parameters, objective, perturbation, x } = options;
  const { craft } = objective;
  // What makes its own images goes by the natural logits in training mode.
  const passEarly = (): Tensor | undefined => naturalPass(options);
  const early = craft && (perturbation ? keepStatistics(model, passEarly) : passEarly());
  const { images, remembered }: Partial<Crafted> = craft ? crafted(craft, options, early) : attacked(options);
  const adversarialImages = images?.detach();
  const learn = (natural: Tensor | undefined): StepValues => ({
    ...differentiate(options, { natural, images: adversarialImages, remembered }, parameters),
    adversarialImages,
    remembered,
  });
  if (!perturbation) return learn(craft ? early : naturalPass(options));
  x.device.scope(() => {
    const ascent = keepStatistics(model, () => {
      const natural = craft ? early : naturalPass(options);
      return differentiate(options, { natural, images: adversarialImages, remembered }, perturbation.parameters);
    });
    perturbation.perturb(ascent.gradients);
  });
  try {
    return learn(naturalPass(options));
  } finally {
    perturbation.restore();
  }
}

/** The natural pass in training mode, where the objective wants it. */
function naturalPass({ model, objective, x }: StepOptions): Tensor | undefined {
  model.train();
  return objective.needs.natural ? enableGrad(x.device, () => model.forward(x)) : undefined;
}

/** What the passes after the attack go by. */
interface Attacked {
  /** The natural logits. */
  readonly natural: Tensor | undefined;
  readonly images: Tensor | undefined;
  readonly remembered: Tensor | undefined;
}

/** The other passes, the loss, and its gradients. */
function differentiate(
  { model, objective, x, labels }: StepOptions,
  { natural, images, remembered }: Attacked,
  parameters: readonly Tensor[],
): Omit<StepValues, 'adversarialImages' | 'remembered'> {
  model.train();
  return enableGrad(x.device, () => {
    const adversarial = images && model.forward(images);
    const naturalAgain = objective.needs.naturalAgain ? model.forward(x) : undefined;
    const value = objective.loss({ natural, adversarial, naturalAgain }, labels, remembered);
    const gradients = grad(value.total, parameters);
    return { ...value, naturalLogits: natural, adversarialLogits: adversarial, gradients };
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
