import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { PRESET_NAMES, presetNamed, type PresetName } from '../../adversarial/preset-named.js';
import { imagesOfRun } from '../checkpoint.js';
import { readConfigFile, readRunConfig } from '../config-file.js';
import { ignoredSettings, type ConfigPatch } from '../config.js';
import type { Context, RunCommand } from '../context.js';
import { FormatError } from '../../engine/errors.js';
import { UsageError, asUsage } from '../errors.js';
import { RUN_FILES, chooseFolder } from '../folders.js';
import { addCommonOptions, addPlaceOptions, nameOption } from '../options.js';
import { resolveConfig } from '../resolve-config.js';
import { trainIn } from '../train-run.js';
import { addTrainOptions, patchOf, type Options } from './train-options.js';

const EXAMPLES = `
Examples:
  bulwark train --dataset mnist --model cnn4 --objective mimae-at --steps 200
  bulwark train --objective standard-at --eps 0.3 --attack-steps 10 --epochs 2 --out runs/standard
  bulwark train --preset paper --width 0.5 --subset 6000 --epochs 5
  bulwark train --preset original --objective trades --epochs 3
  bulwark train --objective mimae-at --set classification=ce --set symmetrize=false
  bulwark train --dataset cifar10 --model resnet18 --config settings.json --ema 0.995 --validation 1000
  bulwark train --resume runs/mimae-at

Defaults are those of mimae-at on mnist with cnn4; 'bulwark presets recommended --dataset <name> --objective <name>' says others. The run ends
with the preset's evaluation; with another --eps, with FGSM and PGD-20 at that.

A run's folder holds config.json (every setting, resolved), metrics.jsonl (a line for each step and validation, then the accuracies),
model.safetensors (PyTorch's names), best.safetensors where there is a validation, and report.html; until the run is complete also
checkpoint.safetensors, from which --resume goes on, bit for bit, after Ctrl-C (which finishes the step, saves and exits with 130), a crash
or a loss of power.`;

/** Adds `bulwark train`. */
export function addTrainCommand(program: Command, run: RunCommand): void {
  const command = program
    .command('train')
    .description('Train a classifier, adversarially or not, evaluate it and write a report.')
    .option('--resume <folder>', 'go on with the interrupted run in this folder, with its settings')
    .addHelpText('after', EXAMPLES);
  addTrainOptions(command);
  addPlaceOptions(command, '<objective>');
  addCommonOptions(command).action((options: Options) =>
    run((context) => {
      if (options.resume === undefined) return train(options, patchOf(command), context);
      checkAlone(command);
      return resume(options.resume, options, context);
    }),
  );
}

/** Options that say how a run goes on, not what it is. */
const WITH_RESUME: ReadonlySet<string> = new Set(['resume', 'adapter', 'debug', 'data', 'checkpointEvery']);

/** Throws a `UsageError` where `--resume` is given with an option that the run has already. */
function checkAlone(command: Command): void {
  const other = command.options.find((option) => {
    const name = option.attributeName();
    return command.getOptionValueSource(name) === 'cli' && !WITH_RESUME.has(name);
  });
  if (other) throw new UsageError(`--resume takes every setting from the run; leave ${other.long} out`);
}

/** `bulwark train`, with what the command line says of the configuration; returns the exit code. */
async function train(options: Options, given: ConfigPatch, context: Context): Promise<number> {
  const { preset: named, ...file } = options.config === undefined ? {} : await readConfigFile(options.config);
  const nameOf = (part: 'objective' | 'dataset' | 'model'): string | undefined => given[part]?.name ?? file[part]?.name;
  const choice = { objective: nameOf('objective'), dataset: nameOf('dataset'), model: nameOf('model') };
  const preset = asUsage(() => presetNamed(options.preset ?? presetIn(named), choice));
  const config = resolveConfig(preset, file, given);
  const place = await chooseFolder(options.out, config.objective.name, options.force);
  const doubts = preset.warnings.map((warning) => `preset ${preset.name}: ${warning}`);
  const warnings = [...doubts, ...ignoredSettings(config.objective, given.attack)];
  const asked = {
    evaluation: (given.evaluation?.samples ?? file.evaluation?.samples) !== undefined,
    validation: (given.validation?.samples ?? file.validation?.samples) !== undefined,
  };
  return trainIn(place, config, { ...options, warnings, asked }, context);
}

function presetIn(name = 'recommended'): PresetName {
  return nameOption('preset', PRESET_NAMES)(name);
}

/** `bulwark train --resume`; returns the exit code. */
async function resume(folder: string, options: Options, context: Context): Promise<number> {
  const saved = await readRunConfig(folder);
  const { checkpointEvery = saved.checkpointEvery, data } = options;
  const images = data ?? (await imagesOfRun(folder, saved));
  const config = { ...saved, checkpointEvery, dataset: { ...saved.dataset, folder: images } };
  const names = await readdir(folder);
  if (names.includes(RUN_FILES.report) && !names.includes(RUN_FILES.checkpoint)) {
    throw new UsageError(
      `--resume: the run in ${folder} is complete, or its checkpoint was removed; see ${join(folder, RUN_FILES.report)}`,
    );
  }
  const place = { path: folder, force: false, resume: true };
  return trainIn(place, config, { ...options, warnings: [] }, context).catch((cause: unknown) => {
    if (!(cause instanceof FormatError) || !cause.message.includes(RUN_FILES.checkpoint)) throw cause;
    const anew = `bulwark train --config ${join(folder, RUN_FILES.config)} --out ${folder} --force`;
    throw new FormatError(`${cause.message}; to train it anew: ${anew}`, { cause });
  });
}
