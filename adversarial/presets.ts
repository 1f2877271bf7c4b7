/** What presets are made of; `presetNamed` finds them by name. */
import { MNIST_PAPER, MNIST_RECOMMENDED } from './presets/mnist.js';
import type { Preset } from './presets/preset.js';

export { standardAttacks } from './presets/attacks.js';
export { PRESET_DATASETS, type PresetDataset } from './presets/choice.js';
export { MNIST_PAPER, MNIST_RECOMMENDED } from './presets/mnist.js';
export type { Preset, PresetTraining } from './presets/preset.js';

/** Presets of MIMAE-AT by dataset and name. */
export const PRESETS = {
  mnist: { recommended: MNIST_RECOMMENDED, paper: MNIST_PAPER },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Preset>>>>;
