import type { Dataset } from '../data/dataset.js';
import { splitDataset } from '../data/split.js';
import type { TrainConfig } from './config.js';
import type { Context } from './context.js';
import { loadDataset } from './datasets.js';
import { UsageError, asUsage } from './errors.js';

/** The images of a training run. */
export interface TrainingData {
  readonly training: Dataset;
  /** Undefined where there is to be none. */
  readonly validation: Dataset | undefined;
  /** Undefined where there is to be no evaluation. */
  readonly test: Dataset | undefined;
}

/** Whether the user asked for so many images, or a preset or a default does, which is content with fewer. */
export interface Asked {
  readonly evaluation: boolean;
  readonly validation: boolean;
}

/** The most of few training images that a preset sets aside to validate on. */
const LARGEST_VALIDATION = 1 / 5;

/**
 * Reads what a configuration trains, validates and is evaluated on.
 *
 * @throws UsageError where there are fewer images than the user asked for, or the halves differ; and what `loadDataset` throws
 */
export async function loadTrainingData(
  { dataset, validation, evaluation: { samples }, seed }: TrainConfig,
  asked: Asked,
  context: Context,
): Promise<TrainingData> {
  const from = { folder: dataset.folder ?? undefined, imageSize: dataset.imageSize ?? undefined, context };
  const all = await loadDataset(dataset.name, 'train', {
    ...from,
    count: dataset.subset ?? undefined,
    option: '--subset',
  });
  const most = asked.validation ? Infinity : Math.max(1, Math.floor(LARGEST_VALIDATION * all.size));
  if (validation && asked.validation && validation.samples >= all.size) {
    throw new UsageError(
      `--validation: cannot set ${validation.samples} of the ${all.size} training images aside; ask for fewer`,
    );
  }
  const split =
    validation && asUsage(() => splitDataset(all, { validation: Math.min(validation.samples, most), seed }));
  const parts = { training: split?.training ?? all, validation: split?.validation };
  if (samples === 0) return { ...parts, test: undefined };
  return {
    ...parts,
    test: await loadDataset(dataset.name, 'test', {
      ...from,
      count: samples,
      option: '--eval-samples',
      atMost: !asked.evaluation,
      expected: { shape: all.exampleShape, by: 'the training half has' },
    }),
  };
}

/** The configuration with the numbers of images that there turned out to be. */
export function withCounts(
  config: TrainConfig,
  { validation, test }: Pick<TrainingData, 'validation' | 'test'>,
): TrainConfig {
  return {
    ...config,
    validation: config.validation && { ...config.validation, samples: validation?.size ?? config.validation.samples },
    evaluation: { samples: test?.size ?? config.evaluation.samples },
  };
}
