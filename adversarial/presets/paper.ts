import { StepSchedule } from '../../nn/optim/schedule.js';
import type { OptionValues } from '../objectives/objective.js';
import { objectiveNamed } from '../objectives/registry.js';
import { budgetDoubts, paperAttacks } from './attacks.js';
import { DATASET_TITLES, isLikeMnist, isWide, modelWith, type PresetChoice, type PresetDataset } from './choice.js';
import { CIFAR_AUGMENTATION, CIFAR_MMA } from './cifar-options.js';
import { MNIST_PAPER } from './mnist.js';
import type { Preset } from './preset.js';

/** The networks that the paper has results of, on what; the first is the one unless told. */
const PAPER_MODELS = {
  mnist: ['cnn4'],
  cifar10: ['resnet18', 'wrn-34-10'],
  cifar100: ['resnet18'],
} as const satisfies Partial<Record<PresetDataset, readonly string[]>>;

/** The methods that the paper compares. */
const COMPARED = ['standard-at', 'trades', 'mart', 'mimae-at'];

const EPS = 0.031;

/** The settings of Atsague, Fakorede and Tian (2021) in section 5, or, for what they have not, the nearest. */
export function paperPreset({ objective: name, dataset, model }: PresetChoice): Preset {
  const gray = isLikeMnist(dataset);
  const chosen = model ?? PAPER_MODELS[sourceOf(dataset)][0];
  const wide = !gray && isWide(chosen);
  const objective = objectiveNamed(name, optionsOf(name, gray, wide));
  const doubts = doubtsOf(name, dataset, chosen);
  const about = `${name} on ${DATASET_TITLES[dataset]} with the settings of Atsague, Fakorede and Tian (2021)`;
  if (gray) {
    const stuck = name === 'mimae-at' ? MNIST_PAPER.warnings.slice(-1) : [];
    return {
      ...MNIST_PAPER,
      dataset,
      summary: name === 'mimae-at' && dataset === 'mnist' ? MNIST_PAPER.summary : `${about}: eps 0.3, 100 epochs.`,
      warnings: [...budgetDoubts(objective, MNIST_PAPER.training.attack, MNIST_PAPER.attacks), ...stuck, ...doubts],
      model: chosen === 'cnn4' ? MNIST_PAPER.model : modelWith(chosen),
      objective,
    };
  }
  const attack = { eps: EPS, stepSize: 0.007, steps: 10, start: 'normal' } as const;
  const attacks = paperAttacks(EPS, 0.003, [20, 50]);
  return {
    name: 'paper',
    dataset,
    summary: `${about}: eps 0.031, 100 epochs. The paper does not say which epoch counts; after two drops of the rate robustness may be past its best.`,
    warnings: [...budgetDoubts(objective, attack, attacks), ...doubts],
    model: modelWith(chosen),
    objective,
    augmentation: CIFAR_AUGMENTATION,
    training: {
      attack,
      batchSize: 128,
      epochs: 100,
      lr: new StepSchedule({ baseLr: 0.1, drops: [75, 90] }),
      momentum: 0.9,
      weightDecay: wide ? 5e-4 : 2e-4,
    },
    attacks,
  };
}

/** The networks that the paper has results of by an objective, the usual one first; none where it has nothing on the dataset. */
export function paperModels(dataset: PresetDataset, objective = 'mimae-at'): readonly string[] {
  const source = sourceOf(dataset);
  return source === dataset && COMPARED.includes(objective) ? PAPER_MODELS[source] : [];
}

/** The dataset of the paper whose settings are those of a dataset, or the nearest. */
function sourceOf(dataset: PresetDataset): keyof typeof PAPER_MODELS {
  if (isLikeMnist(dataset)) return 'mnist';
  return dataset === 'cifar100' ? dataset : 'cifar10';
}

function optionsOf(name: string, gray: boolean, wide: boolean): OptionValues {
  switch (name) {
    case 'trades':
      return { lambda: 4 };
    case 'mart':
      return { lambda: 5 };
    case 'mimae-at':
      return { lambda: wide ? 0.6 : 0.4, beta: 1 };
    case 'mma':
      return gray ? {} : CIFAR_MMA;
    default:
      return {};
  }
}

/** Where the paper has nothing of the kind. */
function doubtsOf(name: string, dataset: PresetDataset, model: string): string[] {
  const known: readonly string[] = PAPER_MODELS[sourceOf(dataset)];
  const source = DATASET_TITLES[sourceOf(dataset)];
  const title = DATASET_TITLES[dataset];
  const nearest = isLikeMnist(dataset) ? 'cnn4' : isWide(model) ? 'wrn-34-10 on CIFAR-10' : 'resnet18';
  return [
    ...(title === source ? [] : [`the paper has nothing on ${title}; these are its settings for ${source}`]),
    ...(known.includes(model) ? [] : [`the paper has no ${model} on ${source}; these are its settings for ${nearest}`]),
    ...(COMPARED.includes(name)
      ? []
      : [`the paper has no results of ${name} on ${source}; these are its settings with ${name}'s own options`]),
  ];
}
