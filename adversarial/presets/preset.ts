import type { AugmentationOptions } from '../../data/augmentation.js';
import type { Schedule, ScheduleConfig } from '../../nn/optim/schedule.js';
import type { Attack } from '../attacks/attack.js';
import type { OptimizerName } from '../named-optimizer.js';
import type { Objective, OptionValues } from '../objectives/objective.js';
import type { TrainingAttack } from '../training-attack.js';
import type { WeightAverageOptions } from '../weight-average.js';

/** How a preset trains: for `Trainer`, beside the model, the dataset, the objective, the augmentation and the seed. */
export interface PresetTraining {
  readonly attack: TrainingAttack;
  readonly batchSize: number;
  /** How long: one of `steps` and `epochs`. */
  readonly steps?: number;
  readonly epochs?: number;
  /** 'sgd' unless told. */
  readonly optimizer?: OptimizerName;
  readonly lr: Schedule & { readonly config: ScheduleConfig };
  readonly momentum: number;
  /** False unless told. */
  readonly nesterov?: boolean;
  readonly weightDecay: number;
  /** Clips the gradients to this L2 norm; not unless told. */
  readonly maxNorm?: number;
  /** An average of the parameters, which `Trainer.adoptAverage` has the model hold after the run; none unless told. */
  readonly average?: WeightAverageOptions;
  /** Adversarial weight perturbation by a share `gamma`, once `after` epochs are done; none unless told. */
  readonly perturbation?: { readonly gamma: number; readonly after: number };
}

/** Settings of a whole run: model, objective, optimiser, adversary and evaluation. */
export interface Preset {
  readonly name: string;
  /** Such as 'mnist' or 'cifar10'. */
  readonly dataset: string;
  /** A few sentences: where it comes from, what to expect of it. */
  readonly summary: string;
  /** What is doubtful about it, in sentences. */
  readonly warnings: readonly string[];
  /** For `modelNamed`, with every option. */
  readonly model: { readonly name: string; readonly options: OptionValues };
  readonly objective: Objective;
  /** What training images go through; nothing unless told. */
  readonly augmentation?: AugmentationOptions;
  readonly training: PresetTraining;
  /**
   * Training images to keep apart and measure robust accuracy on, by PGD with so many steps, every so many epochs; the run ends after
   * `patience` validations that were no better than the best before, or, where that is null, at its end. None unless told. With a dataset
   * and an attack besides, it is the trainer's option `validation`.
   */
  readonly validation?: {
    readonly samples: number;
    readonly every: number;
    readonly steps: number;
    readonly patience: number | null;
  };
  /** For `evaluate`. */
  readonly attacks: Readonly<Record<string, Attack>>;
}
