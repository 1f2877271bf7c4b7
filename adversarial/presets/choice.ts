import type { OptionValues } from '../../engine/named-options.js';
import { modelEntry } from '../../nn/models/registry.js';
import type { Preset } from './preset.js';

/** The datasets that presets are for; `folder` is any folder of images. */
export const PRESET_DATASETS = ['mnist', 'fashion-mnist', 'cifar10', 'cifar100', 'shapes32', 'folder'] as const;
/** One of {@link PRESET_DATASETS}. */
export type PresetDataset = (typeof PRESET_DATASETS)[number];

/** What a preset is asked for. */
export interface PresetChoice {
  /** Name of an objective that there is. */
  readonly objective: string;
  readonly dataset: PresetDataset;
  /** Name of a model that there is; the preset's own unless told. */
  readonly model?: string | undefined;
}

/** How texts call the datasets. */
export const DATASET_TITLES: Readonly<Record<PresetDataset, string>> = {
  mnist: 'MNIST',
  'fashion-mnist': 'Fashion-MNIST',
  cifar10: 'CIFAR-10',
  cifar100: 'CIFAR-100',
  shapes32: 'shapes32',
  folder: 'a folder of images',
};

/** Whether settings for MNIST fit a dataset: gray images of 28 x 28. The others are in the way of CIFAR-10. */
export function isLikeMnist(dataset: PresetDataset): boolean {
  return dataset === 'mnist' || dataset === 'fashion-mnist';
}

/** Whether a model is a wide residual network. */
export function isWide(model: string): boolean {
  return model.startsWith('wrn-');
}

/** A model with these options in place of its own defaults. */
export function modelWith(name: string, options: OptionValues = {}): Preset['model'] {
  return { name, options: { ...modelEntry(name).options, ...options } };
}
