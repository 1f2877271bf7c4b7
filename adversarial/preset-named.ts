import { ArgumentError } from '../engine/errors.js';
import { unknownName } from '../engine/named-options.js';
import { modelEntry } from '../nn/models/registry.js';
import { OBJECTIVES, objectiveNamed } from './objectives/registry.js';
import { PRESET_DATASETS, type PresetChoice, type PresetDataset } from './presets/choice.js';
import { originalModels, originalPreset } from './presets/original.js';
import { paperModels, paperPreset } from './presets/paper.js';
import type { Preset } from './presets/preset.js';
import { recommendedModels, recommendedPreset } from './presets/recommended.js';

/** The names of {@link presetNamed}. */
export const PRESET_NAMES = ['recommended', 'paper', 'original'] as const;
/** One of {@link PRESET_NAMES}. */
export type PresetName = (typeof PRESET_NAMES)[number];

const MAKERS: Readonly<Record<PresetName, (choice: PresetChoice) => Preset>> = {
  recommended: recommendedPreset,
  paper: paperPreset,
  original: originalPreset,
};

/** What {@link presetNamed} is asked for. */
export interface PresetNamedOptions {
  /** 'mimae-at' unless told. */
  readonly objective?: string | undefined;
  /** One of `PRESET_DATASETS`; 'mnist' unless told. */
  readonly dataset?: string | undefined;
  /** Any of `modelNamed`; that of the preset unless told. */
  readonly model?: string | undefined;
}

/**
 * Settings of a whole run: 'recommended', what to start from; 'paper', as Atsague, Fakorede and Tian (2021) train all methods; 'original',
 * as the objective's own publication trains. Where a source has nothing for a dataset or a model, the warnings say what the nearest is
 * that the settings are from.
 *
 * @throws ArgumentError with the nearest name for an unknown preset, objective, dataset or model, and for an objective that has no original
 * settings on the dataset
 */
export function presetNamed(name: PresetName, options: PresetNamedOptions = {}): Preset {
  const { objective = 'mimae-at', dataset = 'mnist', model } = options;
  const make = MAKERS[oneOf('preset', name, PRESET_NAMES)];
  return make({
    objective: objectiveNamed(objective).name,
    dataset: oneOf('dataset', dataset, PRESET_DATASETS),
    model: model === undefined ? undefined : modelEntry(model).name,
  });
}

/** A combination that {@link presetNamed} has settings for. */
export interface PresetEntry {
  readonly name: PresetName;
  readonly dataset: PresetDataset;
  readonly model: string;
  readonly objective: string;
  readonly summary: string;
}

/** Every combination that a source has settings for, or that is recommended; {@link presetNamed} takes others too, with a warning. */
export function presets(): PresetEntry[] {
  return PRESET_NAMES.flatMap((name) =>
    PRESET_DATASETS.flatMap((dataset) =>
      OBJECTIVES.flatMap(({ name: objective }) =>
        modelsOf(name, dataset, objective).map((model) => {
          const { summary } = presetNamed(name, { objective, dataset, model });
          return { name, dataset, model, objective, summary };
        }),
      ),
    ),
  );
}

function modelsOf(name: PresetName, dataset: PresetDataset, objective: string): readonly string[] {
  switch (name) {
    case 'recommended':
      return recommendedModels(dataset);
    case 'paper':
      return paperModels(dataset, objective);
    case 'original':
      return originalModels(objective, dataset);
    default:
      return name satisfies never;
  }
}

/** Callers without types can pass anything. */
function oneOf<T extends string>(what: string, name: string, known: readonly T[]): T {
  const found = known.find((each) => each === name);
  if (found === undefined) throw new ArgumentError(unknownName(what, name, known));
  return found;
}
