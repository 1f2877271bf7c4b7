import type { Command } from 'commander';
import {
  PRESET_NAMES,
  presetNamed,
  presets,
  type PresetEntry,
  type PresetName,
  type PresetNamedOptions,
} from '../../adversarial/preset-named.js';
import { PRESET_DATASETS, type Preset } from '../../adversarial/presets.js';
import { OBJECTIVES } from '../../adversarial/objectives/registry.js';
import { modelEntry } from '../../nn/models/registry.js';
import { readable } from '../readable.js';
import type { Context, RunCommand } from '../context.js';
import { EXIT, asUsage } from '../errors.js';
import { nameOption, named } from '../options.js';
import { formatTable } from '../table.js';

interface Options extends PresetNamedOptions {
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  bulwark presets
  bulwark presets --dataset cifar10 --objective mart
  bulwark presets paper --dataset cifar10 --model wrn-34-10
  bulwark presets original --objective trades --json

Without a name, lists what a publication has settings for, or what is recommended; other combinations take the nearest, with a warning. With
one, says every setting of that preset, where it comes from, and what is doubtful about it. 'bulwark train --preset <name>' starts from it.`;

/** Adds `bulwark presets`. */
export function addPresetsCommand(program: Command, run: RunCommand): void {
  const objectives = OBJECTIVES.map(({ name }) => name);
  program
    .command('presets')
    .description('List the presets, or say every setting of one.')
    .argument(
      '[name]',
      `which: ${PRESET_NAMES.join(', ')} (default: list them all)`,
      nameOption('preset', PRESET_NAMES),
    )
    .addOption(
      named(
        '--dataset <name>',
        'dataset',
        `of this dataset: ${PRESET_DATASETS.join(', ')} (default: all, or with a name, mnist)`,
        PRESET_DATASETS,
      ),
    )
    .option('--model <name>', "with this model (default: all, or with a name, the preset's own)")
    .addOption(
      named(
        '--objective <name>',
        'objective',
        `for this objective: ${objectives.join(', ')} (default: all, or with a name, mimae-at)`,
        objectives,
      ),
    )
    .option('--json', 'print everything as JSON')
    .option('--debug', 'on an error, show its stack and its causes')
    .addHelpText('after', EXAMPLES)
    .action((name: PresetName | undefined, options: Options) =>
      run((context) =>
        Promise.resolve(name === undefined ? listPresets(options, context) : describePreset(name, options, context)),
      ),
    );
}

/** `bulwark presets` without a name; returns the exit code. */
function listPresets({ json, dataset, model, objective }: Options, context: Context): number {
  const known = model === undefined ? undefined : asUsage(() => modelEntry(model).name);
  const found = presets().filter(
    (entry) =>
      (dataset ?? entry.dataset) === entry.dataset &&
      (known ?? entry.model) === entry.model &&
      (objective ?? entry.objective) === entry.objective,
  );
  if (json) context.out(JSON.stringify(found, null, 2));
  else if (found.length > 0)
    context.out(formatTable([['preset', 'dataset', 'models', 'objectives'], ...rowsOf(found)]));
  else context.out('none is meant for these; with a name, the nearest settings are shown, with a warning');
  return EXIT.success;
}

/** A row for all objectives that a preset has the same models for. */
function rowsOf(entries: readonly PresetEntry[]): string[][] {
  const models = new Map<string, string[]>();
  for (const { name, dataset, objective, model } of entries) {
    const key = [name, dataset, objective].join(' ');
    models.set(key, [...(models.get(key) ?? []), model]);
  }
  const objectives = new Map<string, string[]>();
  for (const [key, list] of models) {
    const [name = '', dataset = '', objective = ''] = key.split(' ');
    const row = [name, dataset, list.join(', ')].join('\t');
    objectives.set(row, [...(objectives.get(row) ?? []), objective]);
  }
  return [...objectives].map(([row, list]) => [...row.split('\t'), list.join(', ')]);
}

/** `bulwark presets <name>`; returns the exit code. */
function describePreset(name: PresetName, { json, ...choice }: Options, context: Context): number {
  const settings = settingsOf(asUsage(() => presetNamed(name, choice)));
  context.out(json ? JSON.stringify(settings, null, 2) : describe(settings));
  return EXIT.success;
}

/** Every setting of a preset, the usual ones filled in; null is none, and of the step size a quarter of what the ramp has made of eps. */
function settingsOf({ objective, training, attacks, ...preset }: Preset) {
  const { attack, lr, steps = null, epochs = null, batchSize, momentum, weightDecay } = training;
  const { optimizer = 'sgd', nesterov = false, maxNorm = null, average = null, perturbation = null } = training;
  const { name, dataset, summary, warnings, model, augmentation = null, validation = null } = preset;
  const { eps, stepSize = null, rampFraction = 0, start = 'normal' } = attack;
  return {
    ...{ name, dataset, summary, warnings, model },
    objective: { name: objective.name, options: objective.options },
    augmentation,
    attack: { eps, steps: attack.steps, stepSize, rampFraction, start: typeof start === 'string' ? start : 'given' },
    training: {
      ...{ steps, epochs, batchSize, optimizer, schedule: lr.config },
      ...{ momentum, nesterov, weightDecay, maxNorm, average, perturbation },
    },
    validation,
    attacks: Object.fromEntries(
      Object.entries(attacks).map(([key, each]) => [key, { settings: each.settings, warnings: each.warnings }]),
    ),
  };
}

function describe({ summary, warnings, attacks, ...settings }: ReturnType<typeof settingsOf>): string {
  const { name, dataset, ...shown } = settings;
  return [
    `preset ${name}: ${shown.objective.name} on ${dataset} with ${shown.model.name}`,
    summary,
    '',
    formatTable([['setting', 'value'], ...Object.entries(shown).flatMap(([key, value]) => flat(key, value))]),
    '',
    formatTable([
      ['evaluation', 'settings'],
      ...Object.entries(attacks).map(([key, each]) => [key, listed(each.settings)]),
    ]),
    ...warnings.map((warning, index) => `${index === 0 ? '\n' : ''}warning: ${text(warning)}`),
  ].join('\n');
}

/** A row for each setting within a value, by its path. */
function flat(path: string, value: unknown): string[][] {
  if (value === null) return [[path, path === 'attack.stepSize' ? 'eps / 4' : 'none']];
  if (Array.isArray(value)) return [[path, value.map(text).join(', ') || 'none']];
  if (typeof value !== 'object') return [[path, text(value)]];
  return Object.entries(value).flatMap(([key, each]) => flat(`${path}.${key}`, each));
}

function listed(settings: Readonly<Record<string, string | number>>): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key} ${text(value)}`)
    .join(', ');
}

function text(value: unknown): string {
  return readable(String(value));
}
