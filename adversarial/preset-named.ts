import { budgetWarning } from './attacks/pgd.js';
import type { Objective, OptionValues } from './objectives/objective.js';
import { objectiveNamed } from './objectives/registry.js';
import { originalPreset } from './original-presets.js';
import { MNIST_PAPER, MNIST_RECOMMENDED, type Preset } from './presets.js';

/** The names of {@link presetNamed}. */
export const PRESET_NAMES = ['recommended', 'paper', 'original'] as const;
/** One of {@link PRESET_NAMES}. */
export type PresetName = (typeof PRESET_NAMES)[number];

/** What the paper sets for the methods that it compares on MNIST. */
const PAPER_OPTIONS: Readonly<Record<string, OptionValues>> = {
  'standard-at': {},
  trades: { lambda: 4 },
  mart: { lambda: 5 },
  'mimae-at': { lambda: 0.4, beta: 1 },
};

/**
 * Settings of a whole run on MNIST for an objective, 'mimae-at' unless told: 'recommended', what to start from; 'paper', as Atsague,
 * Fakorede and Tian (2021) train all methods; 'original', as the objective's own publication trains.
 *
 * Throws an `ArgumentError` for an unknown objective, or one that has no original settings.
 */
export function presetNamed(name: PresetName, objective = 'mimae-at'): Preset {
  const known = objectiveNamed(objective);
  if (name === 'original') return originalPreset(objective);
  if (objective === 'mimae-at') return name === 'paper' ? MNIST_PAPER : MNIST_RECOMMENDED;
  if (name === 'paper') return paperPreset(known);
  const summary = `${objective} with the settings that are recommended for MIMAE-AT at eps 0.2 in 400 steps.`;
  return { ...MNIST_RECOMMENDED, objective: known, summary };
}

function paperPreset(known: Objective): Preset {
  const { name } = known;
  const options = PAPER_OPTIONS[name];
  const { eps, steps, stepSize = eps / 4 } = MNIST_PAPER.training.attack;
  const budget = usesRunsAttack(known) ? budgetWarning({ eps, steps, stepSize }) : undefined;
  return {
    ...MNIST_PAPER,
    summary: `${name} on MNIST with the settings of Atsague, Fakorede and Tian (2021): eps 0.3, 100 epochs.`,
    warnings: [
      ...(budget === undefined ? [] : [`training: ${budget}`]),
      ...(options
        ? []
        : [`the paper has no results of ${name} on MNIST; these are its settings with ${name}'s own options`]),
    ],
    objective: objectiveNamed(name, options),
  };
}

/** Whether the run's number and size of attack steps count. */
function usesRunsAttack({ needs, attackPlan, craft }: Objective): boolean {
  return needs.adversarial && !craft && attackPlan?.steps === undefined;
}
