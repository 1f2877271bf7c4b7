import { StepSchedule } from '../../nn/optim/schedule.js';
import type { OptionValues } from '../objectives/objective.js';
import { objectiveNamed } from '../objectives/registry.js';
import { marginAttacks } from './attacks.js';
import { DATASET_TITLES, isLikeMnist, isWide, modelWith, type PresetChoice, type PresetDataset } from './choice.js';
import { CIFAR_AUGMENTATION, CIFAR_MMA } from './cifar-options.js';
import { MNIST_RECOMMENDED } from './mnist.js';
import type { Preset } from './preset.js';

/** What to start from: on MNIST what was tried, elsewhere what the literature since the paper has found to matter. */
export function recommendedPreset(choice: PresetChoice): Preset {
  return isLikeMnist(choice.dataset) ? forMnist(choice) : forCifar(choice);
}

/** The networks that the recommended settings are meant for, the usual one first. */
export function recommendedModels(dataset: PresetDataset): readonly string[] {
  return isLikeMnist(dataset) ? ['cnn4'] : ['resnet18', 'preact-resnet18', 'wrn-28-10', 'wrn-34-10'];
}

function forMnist({ objective: name, dataset, model = 'cnn4' }: PresetChoice): Preset {
  const own = name === 'mimae-at' ? MNIST_RECOMMENDED.objective : objectiveNamed(name);
  const title = DATASET_TITLES[dataset];
  const same = name === 'mimae-at' && dataset === 'mnist' && model === 'cnn4';
  return {
    ...MNIST_RECOMMENDED,
    dataset,
    summary: same
      ? MNIST_RECOMMENDED.summary
      : `${name} on ${title} with the settings that are recommended for MIMAE-AT on MNIST at eps 0.2 in 400 steps.`,
    warnings: [
      ...(dataset === 'mnist' ? [] : [`these settings were chosen on MNIST, not on ${title}`]),
      ...(model === 'cnn4' ? [] : [`these settings were chosen for cnn4, not for ${model}`]),
    ],
    model: model === 'cnn4' ? MNIST_RECOMMENDED.model : modelWith(model),
    objective: own,
  };
}

const EPS = 8 / 255;

/** Of Pang et al., "Bag of tricks for adversarial training", ICLR 2021: a long first phase, and an end soon after the drop. */
const LONG = { epochs: 110, drops: [100, 105] } as const;
/** For a task that is learned sooner. */
const SHORT = { epochs: 30, drops: [25, 28] } as const;

function forCifar({ objective: name, dataset, model = 'resnet18' }: PresetChoice): Preset {
  const { epochs, drops } = dataset === 'shapes32' ? SHORT : LONG;
  // Without batch norm the usual rate throws a network back to uniform predictions.
  const normalised = model !== 'cnn4';
  return {
    name: 'recommended',
    dataset,
    summary:
      `${name} on ${DATASET_TITLES[dataset]} at eps 8/255 in ${epochs} epochs: weight decay and schedule of Pang et al. (2021), an exponential ` +
      'average of the parameters (Gowal et al. 2020), and eps growing over the first fifth of the run' +
      (isValidated(name, dataset)
        ? '; 1,000 training images are kept apart to choose the checkpoint by (Rice et al. 2020)'
        : '') +
      '. Adversarial weight perturbation, at about one more pass a step, is left off.',
    warnings: doubtsOf(name, dataset, model),
    model: modelWith(model, modelOptions(dataset, model)),
    objective: objectiveNamed(name, optionsOf(name, isWide(model))),
    augmentation: CIFAR_AUGMENTATION,
    training: {
      attack: { eps: EPS, stepSize: 2 / 255, steps: 10, rampFraction: 0.2, start: 'normal' },
      batchSize: 128,
      epochs,
      lr: new StepSchedule({ baseLr: normalised ? 0.1 : 0.01, drops }),
      momentum: 0.9,
      weightDecay: 5e-4,
      average: { kind: 'ema', decay: 0.995 },
    },
    // A network trained without an adversary has no robust accuracy to choose by. No patience: the drop of the rate comes late.
    ...(isValidated(name, dataset) && { validation: { samples: 1000, every: 1, steps: 10, patience: null } }),
    attacks: marginAttacks(EPS),
  };
}

/** A folder may have few images, of which 1,000 are too many to spare. */
function isValidated(name: string, dataset: PresetDataset): boolean {
  return name !== 'plain' && dataset !== 'folder';
}

/** `shapes32` is there for where there is little to compute with. */
function modelOptions(dataset: PresetDataset, model: string): OptionValues {
  if (model === 'cnn4') return { init: 'kaimingNormal', dropout: 0 };
  return dataset === 'shapes32' && !isWide(model) ? { width: 0.25 } : {};
}

function optionsOf(name: string, wide: boolean): OptionValues {
  switch (name) {
    case 'mart':
      return { lambda: wide ? 6 : 5 };
    case 'mimae-at':
      // The mean over the classes: the sum can keep the loss at the value of uniform predictions.
      return { lambda: wide ? 0.6 : 0.4, beta: 1, pairReduction: 'mean' };
    case 'mma':
      return CIFAR_MMA;
    default:
      return {};
  }
}

function doubtsOf(name: string, dataset: PresetDataset, model: string): string[] {
  return [
    'each setting has its publication, but no whole run of them together has been measured here',
    ...(model === 'cnn4' ? ['cnn4 has no batch norm: its rate is 0.01, a guess'] : []),
    ...(dataset === 'folder'
      ? [
          'the length of the run is that for 50,000 images of 32 x 32; with fewer images take more epochs, and keep some of them apart for validation',
        ]
      : []),
    ...(name === 'fast-at'
      ? [
          'fast-at can lose all its robustness within an epoch of a long run; ' +
            (isValidated(name, dataset)
              ? 'the validations choose a model from before'
              : 'without a validation nothing chooses a model from before'),
        ]
      : []),
  ];
}
