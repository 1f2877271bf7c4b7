import { ArgumentError } from '../../engine/errors.js';
import type { OptionValues } from '../objectives/objective.js';
import { objectiveNamed } from '../objectives/registry.js';
import type { Attack } from '../attacks/attack.js';
import { standardAttacks } from './attacks.js';
import { DATASET_TITLES, isLikeMnist, isWide, modelWith, type PresetChoice, type PresetDataset } from './choice.js';
import { CIFAR_AUGMENTATION } from './cifar-options.js';
import { CIFAR10_ORIGINALS } from './cifar10-originals.js';
import { MNIST_PAPER } from './mnist.js';
import { MNIST_ORIGINALS } from './mnist-originals.js';
import { paperModels, paperPreset } from './paper.js';
import type { Preset, PresetTraining } from './preset.js';

/** How an objective's own publication trains. */
export interface Original {
  /** Where the settings come from. */
  readonly source: string;
  /** The networks that they are for, the usual one first. */
  readonly models: readonly [string, ...string[]];
  readonly options: OptionValues;
  readonly training: PresetTraining;
  /** Of the publication's evaluation; `standardAttacks` at the eps of training unless told. */
  readonly attacks?: Readonly<Record<string, Attack>>;
  /** Where the settings cannot be the publication's. */
  readonly doubts: readonly string[];
}

/** By dataset and objective; where networks have settings of their own, those of the usual one first. */
const ORIGINALS: Readonly<Partial<Record<PresetDataset, Readonly<Record<string, readonly Original[]>>>>> = {
  mnist: MNIST_ORIGINALS,
  cifar10: CIFAR10_ORIGINALS,
};

/** What the paper of MIMAE-AT has results on; of the others' publications, none has on anything else. */
const PAPER_DATASETS: readonly PresetDataset[] = ['mnist', 'cifar10', 'cifar100'];

/**
 * An objective with the settings of its own publication.
 *
 * Throws an `ArgumentError` for an objective that has none on the dataset.
 */
export function originalPreset({ objective: name, dataset, model }: PresetChoice): Preset {
  if (name === 'mimae-at' && PAPER_DATASETS.includes(dataset)) {
    return { ...paperPreset({ objective: name, dataset, model }), name: 'original' };
  }
  const originals = ORIGINALS[dataset]?.[name] ?? [];
  const [usual] = originals;
  if (!usual) throw new ArgumentError(nothing(name, dataset));
  const original = model === undefined ? usual : (nearest(originals, model) ?? usual);
  const { source, models, options, training, attacks, doubts } = original;
  const chosen = model ?? models[0];
  const other = models.includes(chosen) ? [] : [`the settings are those for ${models[0]}, not for ${chosen}`];
  return {
    name: 'original',
    dataset,
    summary: `${name} on ${DATASET_TITLES[dataset]} with the settings of ${source}.`,
    warnings: [...doubts, ...other],
    model: chosen === 'cnn4' && isLikeMnist(dataset) ? MNIST_PAPER.model : modelWith(chosen),
    objective: objectiveNamed(name, options),
    ...(!isLikeMnist(dataset) && { augmentation: CIFAR_AUGMENTATION }),
    training,
    attacks: attacks ?? standardAttacks(training.attack.eps),
  };
}

/** The networks that an objective's own publication has settings for, the usual one first; none where it has nothing on the dataset. */
export function originalModels(name: string, dataset: PresetDataset): readonly string[] {
  if (name === 'mimae-at') return PAPER_DATASETS.includes(dataset) ? paperModels(dataset) : [];
  return (ORIGINALS[dataset]?.[name] ?? []).flatMap(({ models }) => models);
}

/** The settings for a network, or for one of its kind. */
function nearest(originals: readonly Original[], model: string): Original | undefined {
  const exact = originals.find(({ models }) => models.includes(model));
  return exact ?? originals.find(({ models: [first] }) => isWide(first) === isWide(model));
}

function nothing(name: string, dataset: PresetDataset): string {
  const on = (each: PresetDataset): string[] =>
    Object.keys(ORIGINALS[each] ?? {}).concat(PAPER_DATASETS.includes(each) ? ['mimae-at'] : []);
  const elsewhere = PAPER_DATASETS.filter((each) => on(each).includes(name));
  const known = on(dataset);
  const where = elsewhere.length > 0 ? ` on ${DATASET_TITLES[dataset]}, but on ${elsewhere.join(', ')}` : '';
  return [
    `preset original: ${name} has no settings of its own${where}`,
    known.length > 0
      ? `those that have on ${DATASET_TITLES[dataset]} are ${known.join(', ')}`
      : `no objective has on ${DATASET_TITLES[dataset]}; there are some on ${PAPER_DATASETS.join(', ')}`,
  ].join('; ');
}
