import { presetNamed } from '../../adversarial/preset-named.js';
import type { DatasetName, TrainConfig } from '../config.js';
import { UsageError } from '../errors.js';
import { resolveConfig } from '../resolve-config.js';
import type { PaperTable, RowSetting } from './tables.js';

/** What runs of a table have in common beside what the paper says. */
export interface RunChoices {
  /** What to take the images from instead of the paper's dataset. */
  readonly dataset?: DatasetName | undefined;
  /** Where its files are. */
  readonly data?: string | undefined;
  /** Whether pairing terms sum over the classes, as the formulas do, or take their mean; 'sum' unless told. */
  readonly pairReduction?: 'sum' | 'mean' | undefined;
  readonly seed: number;
}

/** Datasets of the shape and number of classes of the paper's, that can stand for them. */
const SUBSTITUTES: Readonly<Record<PaperTable['dataset'], readonly DatasetName[]>> = {
  mnist: ['mnist', 'fashion-mnist'],
  cifar10: ['cifar10', 'shapes32'],
  cifar100: ['cifar100', 'cifar10', 'shapes32'],
};

/** Training and test images of each dataset of these. */
export const DATASET_SIZES = {
  mnist: [60_000, 10_000],
  cifar10: [50_000, 10_000],
  cifar100: [50_000, 10_000],
} as const;

/**
 * The whole configuration of a row: preset `paper` with what the row changes. The trained model is not evaluated by the run itself.
 *
 * @throws UsageError for a dataset whose images are of another shape
 */
export function paperConfig(
  { dataset: own }: Pick<PaperTable, 'dataset'>,
  model: string,
  setting: RowSetting,
  { dataset = own, data, pairReduction, seed }: RunChoices,
): TrainConfig {
  if (!SUBSTITUTES[own].includes(dataset)) {
    throw new UsageError(`--dataset ${dataset}: cannot stand for ${own}; ${SUBSTITUTES[own].join(', ')} can`);
  }
  const options = {
    ...setting.options,
    ...(setting.objective === 'mimae-at' && pairReduction && { pairReduction }),
  };
  const { objective: name, batchSize } = setting;
  return resolveConfig(presetNamed('paper', { objective: name, dataset: own, model }), {
    dataset: { name: dataset, folder: data ?? null },
    objective: { name, options },
    training: batchSize === undefined ? {} : { batchSize },
    validation: null,
    evaluation: { samples: 0 },
    seed,
  });
}
