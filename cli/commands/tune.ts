import type { Command } from 'commander';
import { takeTuningStep } from '../../adversarial/tuning-step.js';
import { adapterKey, tune, type Tuned, type Variant } from '../../engine/index.js';
import type { AdapterOptions } from '../../node/adapter.js';
import { variantFiles } from '../../node/variant-cache.js';
import type { Context, RunCommand } from '../context.js';
import { openComputingDevice } from '../device.js';
import { EXIT } from '../errors.js';
import { COUNT, WIDTH, addCommonOptions, modelOption, numeric } from '../options.js';
import { formatTable } from '../table.js';

interface Options {
  readonly model: string;
  readonly width: number;
  readonly batch: number;
  readonly budget: number;
  readonly adapter?: AdapterOptions['adapter'];
}

const EXAMPLES = `
Examples:
  bulwark tune --model resnet18 --batch 128
  bulwark tune --adapter lavapipe --model cnn4 --batch 64 --budget 300

On a GPU, training tunes itself at its first step. On software adapters only this command does: each kernel takes long to compile
there, and the table that comes with bulwark was measured on them.`;

/** Adds `bulwark tune`. */
export function addTuneCommand(program: Command, run: RunCommand): void {
  const command = program
    .command('tune')
    .description('Measure which kernels are fastest here for a training step, and keep the answer for later runs.')
    .addOption(modelOption('whose step to tune').default('cnn4'))
    .addOption(numeric('--width <factor>', "of the model's channels", WIDTH, 1))
    .addOption(numeric('--batch <count>', 'images to a step', COUNT, 128))
    .addOption(numeric('--budget <seconds>', 'when to stop', { least: 0, above: true }, 60))
    .addHelpText('after', EXAMPLES);
  addCommonOptions(command).action((options: Options) => run((context) => tuneCommand(options, context)));
}

async function tuneCommand(options: Options, context: Context): Promise<number> {
  const { device, choice } = await openComputingDevice(options.adapter);
  try {
    context.err(`${choice.kind}: ${choice.driver}`);
    takeTuningStep(device, options);
    await device.sync();
    const known = Object.keys(device.variants.entries()).length;
    const count = device.variants.asked.length;
    context.err(`${count} choices to measure${known > 0 ? `, ${known} known` : ''}`);
    const tuned = await tune(device, {
      budget: 1000 * options.budget,
      onTuned: ({ key, chosen }) => context.err(`${key}: ${nameOf(chosen)}`),
    });
    if (tuned.length > 0)
      context.out(formatTable([['choice', 'expected', 'fastest', 'times faster'], ...tuned.map(rowOf)]));
    const left = device.variants.asked.length;
    if (left > 0) context.out(`${left} choices are left as expected: the budget of ${options.budget} s was up`);
    context.out(`kept in ${variantFiles().pathOf(adapterKey(device.caps))}`);
    return EXIT.success;
  } finally {
    device.destroy();
  }
}

function nameOf(variant: Variant): string {
  return typeof variant === 'string' ? variant : Object.values(variant).join(' ');
}

function rowOf({ key, chosen, expected, times }: Tuned): string[] {
  const msOf = (variant: Variant): number | undefined => times.find((one) => one.variant === variant)?.ms;
  const [before, after] = [msOf(expected), msOf(chosen)];
  const gain = before !== undefined && after !== undefined ? (before / after).toFixed(2) : '';
  return [key, nameOf(expected), nameOf(chosen), gain];
}
