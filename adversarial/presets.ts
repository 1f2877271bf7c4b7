import { StepSchedule, TrapezoidSchedule, type Schedule, type ScheduleConfig } from '../nn/optim/schedule.js';
import type { Attack } from './attacks/attack.js';
import { fgsmAttack } from './attacks/fgsm.js';
import { pgdAttack } from './attacks/pgd.js';
import { budgetWarning } from './attacks/pgd.js';
import { mimaeAT } from './objectives/mimae-at.js';
import type { AugmentationOptions } from '../data/augmentation.js';
import type { WeightPerturbationOptions } from './awp.js';
import type { OptimizerName } from './named-optimizer.js';
import type { Objective, OptionValues } from './objectives/objective.js';
import type { WeightAverageOptions } from './weight-average.js';
import type { TrainingAttack } from './training-attack.js';

/** Settings of a whole run: model, objective, optimiser, adversary and evaluation. */
export interface Preset {
  readonly name: string;
  readonly dataset: string;
  /** One or two sentences: where it comes from, what to expect of it. */
  readonly summary: string;
  /** What is doubtful about it, in sentences. */
  readonly warnings: readonly string[];
  /** For `modelNamed`. */
  readonly model: { readonly name: string; readonly options: OptionValues };
  readonly objective: Objective;
  /** For `Trainer`, beside the model, the dataset, the objective and the seed. */
  readonly training: {
    readonly attack: TrainingAttack;
    readonly batchSize: number;
    readonly steps?: number;
    readonly epochs?: number;
    /** 'sgd' unless told. */
    readonly optimizer?: OptimizerName;
    readonly lr: Schedule & { readonly config: ScheduleConfig };
    readonly momentum: number;
    readonly nesterov?: boolean;
    readonly weightDecay: number;
    readonly maxNorm?: number;
    readonly average?: WeightAverageOptions;
    readonly perturbation?: WeightPerturbationOptions & { readonly after?: number };
  };
  /** Of the images while training; nothing unless told. */
  readonly augmentation?: AugmentationOptions;
  /** Images kept apart, epochs between two validations, steps of their PGD, and how many without a better one end the run. */
  readonly validation?: {
    readonly samples: number;
    readonly every: number;
    readonly steps: number;
    readonly patience: number | null;
  };
  /** For `evaluate`. */
  readonly attacks: Readonly<Record<string, Attack>>;
}

/**
 * The attacks of an MNIST evaluation at radius `eps`: the fast gradient sign method, and projected gradient descent with 20
 * steps of eps / 10 from a uniform start, which can cross the ball from side to side.
 */
export function standardAttacks(eps: number): Record<string, Attack> {
  return {
    fgsm: fgsmAttack({ eps }),
    // At eps 0 every step ends where it began, but it has to have a length.
    'pgd-20': pgdAttack({ eps, stepSize: eps > 0 ? eps / 10 : 1, steps: 20, start: 'uniform' }),
  };
}

/** MIMAE-AT on MNIST in 400 steps at eps 0.2: what to start from. */
export const MNIST_RECOMMENDED: Preset = {
  name: 'recommended',
  dataset: 'mnist',
  summary:
    'MIMAE-AT at eps 0.2 in 400 steps: eps grows over the first 60 % of the run, the rate over the first half, and the L1 term ' +
    'weighs 0.1, so that training leaves the uniform solution and stays away. About 97 % natural and 91 % PGD-20 accuracy.',
  warnings: [],
  model: { name: 'cnn4', options: { width: 0.5, init: 'kaimingNormal', dropout: 0 } },
  objective: mimaeAT({ lambda: 0.4, beta: 0.1 }),
  training: {
    attack: { eps: 0.2, steps: 5, rampFraction: 0.6 },
    batchSize: 64,
    steps: 400,
    lr: new TrapezoidSchedule({ baseLr: 0.03, warmup: 0.5, decay: 0.3 }),
    momentum: 0.9,
    weightDecay: 2e-4,
  },
  attacks: standardAttacks(0.2),
};

const PAPER_BUDGET = { eps: 0.3, stepSize: 0.01, steps: 10 };

/** MIMAE-AT on MNIST as Atsague, Fakorede and Tian (2021) describe it. */
export const MNIST_PAPER: Preset = {
  name: 'paper',
  dataset: 'mnist',
  summary:
    'MIMAE-AT on MNIST with the settings of Atsague, Fakorede and Tian (2021): eps 0.3, 100 epochs; lambda and beta, which ' +
    'the paper gives for ResNet-18 only, 0.4 and 1.',
  warnings: [
    `training: ${budgetWarning(PAPER_BUDGET) ?? ''}`,
    'beta 1 on the summed L1 term can keep the loss at the value of uniform predictions for hundreds of steps',
  ],
  model: { name: 'cnn4', options: { width: 1, init: 'trades', dropout: 0.5 } },
  objective: mimaeAT({ lambda: 0.4, beta: 1 }),
  training: {
    attack: PAPER_BUDGET,
    batchSize: 128,
    epochs: 100,
    lr: new StepSchedule({ baseLr: 0.01, drops: [55, 75, 90] }),
    momentum: 0.9,
    weightDecay: 2e-4,
  },
  attacks: {
    fgsm: fgsmAttack({ eps: 0.3 }),
    'pgd-20': pgdAttack({ eps: 0.3, stepSize: 0.005, steps: 20 }),
    'pgd-40': pgdAttack({ eps: 0.3, stepSize: 0.005, steps: 40 }),
  },
};

/** The presets by dataset and name. */
export const PRESETS = {
  mnist: { recommended: MNIST_RECOMMENDED, paper: MNIST_PAPER },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Preset>>>>;
