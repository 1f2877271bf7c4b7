import type { Command } from 'commander';
import { formatShape } from '../../engine/shape.js';
import { NORMALIZATION_KEYS, describeModel, fitTensors, modelMetadata, type KnownModel } from '../../nn/model-file.js';
import { withoutWrappers, type KeyMapping } from '../../nn/pytorch/map-keys.js';
import { shown } from '../../nn/pytorch/value.js';
import { encodeSafetensors, type SafetensorsTensor } from '../../nn/safetensors.js';
import { exists, writeFileAtomic } from '../../node/files.js';
import { buildModel, modelConfigOf, readCheckpoint, type Checkpoint } from '../checkpoint.js';
import type { ModelConfig } from '../config.js';
import type { Context, RunCommand } from '../context.js';
import { openDevice } from '../device.js';
import { EXIT, UsageError, asUsage } from '../errors.js';
import { COUNT, WIDTH, modelOption, numeric } from '../options.js';

interface Options extends KnownModel {
  readonly key?: string;
  readonly prefix?: string;
  readonly force?: boolean;
}

const EXAMPLES = `
Examples:
  bulwark convert mnist.pt mnist.safetensors --model cnn4
  bulwark convert checkpoint.pth.tar model.safetensors --key state_dict
  bulwark convert trained.pt teacher.safetensors --model cnn4 --prefix ema.

Nothing in the file is executed: one that asks for more than tensors, numbers, texts, lists and dicts is refused. With --model
every name and shape is checked, and the names become the model's own; the file then says which model it is of.`;

/** Adds `bulwark convert`. */
export function addConvertCommand(program: Command, run: RunCommand): void {
  program
    .command('convert')
    .description('Make a safetensors file of a checkpoint that torch.save wrote, without Python.')
    .argument('<input>', 'a .pt, .pth or .safetensors file')
    .argument('<output>', 'the .safetensors file to write')
    .addOption(modelOption('network to check against (default: as the file says, if it does)'))
    .addOption(numeric('--width <factor>', 'multiplies its channels (default: as the file says, or 1)', WIDTH))
    .addOption(numeric('--classes <count>', 'its logits (default: as the file says, or 10)', COUNT))
    .option('--key <key>', 'where in the file the state dict is (default: found where there is one only)')
    .option('--prefix <text>', "what stands before the network's names (default: found where there is one only)")
    .option('--force', 'replace the output where there is one')
    .option('--debug', 'on an error, show its stack and its causes')
    .addHelpText('after', EXAMPLES)
    .action((input: string, output: string, options: Options) =>
      run((context) => convert(input, output, options, context)),
    );
}

/** What is written, and what is told about it. */
interface Converted {
  readonly tensors: Readonly<Record<string, SafetensorsTensor>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
}

/** `bulwark convert`; returns the exit code. */
export async function convert(input: string, output: string, options: Options, context: Context): Promise<number> {
  if (!output.endsWith('.safetensors')) throw new UsageError(`${output}: name a file that ends in .safetensors`);
  if (!options.force && (await exists(output))) {
    throw new UsageError(`${output}: is there already; name another file, or replace it with --force`);
  }
  const checkpoint = await readCheckpoint(input, { key: options.key });
  const isNamed = (options.model ?? checkpoint.metadata['model']) !== undefined;
  const converted = isNamed ? await convertNamed(checkpoint, options) : convertUnnamed(checkpoint, options);
  const { tensors, metadata, notes } = converted;
  for (const line of listed(tensors)) context.out(line);
  for (const note of notes) context.out(note);
  const bytes = encodeSafetensors(tensors, metadata);
  await writeFileAtomic(output, bytes);
  context.out(`wrote ${output} (${bytes.length} bytes, ${Object.keys(tensors).length} tensors)`);
  return EXIT.success;
}

/** Under the names of a model, whose shapes are checked; no kernel runs for that, so it needs no adapter. */
async function convertNamed(checkpoint: Checkpoint, { prefix, ...options }: Options): Promise<Converted> {
  const config = modelConfigOf(checkpoint, options);
  const { device } = await openDevice('null');
  try {
    const mapping = asUsage(() => fitTensors(checkpoint, buildModel(config, device), config, { prefix }));
    const metadata = { ...checkpoint.metadata, ...modelMetadata(config), ...normalizationOf(mapping) };
    return { tensors: mapping.tensors, metadata, notes: notesOn(mapping, config) };
  } finally {
    device.destroy();
  }
}

function normalizationOf({ normalization }: KeyMapping): Record<string, string> {
  if (!normalization) return {};
  const { mean, std } = normalization;
  return { [NORMALIZATION_KEYS.mean]: mean.join(','), [NORMALIZATION_KEYS.std]: std.join(',') };
}

function notesOn({ prefix, ignored, supplied, normalization }: KeyMapping, config: ModelConfig): string[] {
  return [
    `fits ${describeModel(config)}`,
    ...(prefix === '' ? [] : [`dropped the prefix ${prefix}`]),
    ...ignored.map(({ name, reason }) => `left out ${name}: ${reason}`),
    ...supplied.map((name) => `set ${name} to 0: an old file, without such counters`),
    ...(normalization
      ? [
          `the network takes images normalised by mean ${normalization.mean.join(', ')} and std ${normalization.std.join(', ')}; noted in the metadata`,
        ]
      : []),
  ];
}

/** Under the names that the file has, without what wrappers of PyTorch add to them. */
function convertUnnamed({ path, tensors, metadata }: Checkpoint, { prefix, width, classes }: Options): Converted {
  const without = [
    prefix !== undefined && '--prefix',
    width !== undefined && '--width',
    classes !== undefined && '--classes',
  ];
  const useless = without.find((option) => option !== false);
  if (useless !== undefined) throw new UsageError(`${useless}: says something of a model; say which by --model`);
  const names = Object.keys(tensors).map((name) => [name, withoutWrappers(name)] as const);
  const isDistinct = new Set(names.map(([, plain]) => plain)).size === names.length;
  const renamed = names.filter(([name, plain]) => isDistinct && name !== plain);
  const entries = Object.entries(tensors).map(
    ([name, tensor]) => [isDistinct ? withoutWrappers(name) : name, tensor] as const,
  );
  return {
    tensors: Object.fromEntries(entries),
    metadata: { format: 'pt', ...metadata },
    notes: [
      ...(renamed.length > 0 ? [`renamed ${renamed.length} tensors, such as ${renamed[0]?.join(' to ') ?? ''}`] : []),
      `${path}: not checked against a model; name one by --model`,
    ],
  };
}

function listed(tensors: Readonly<Record<string, SafetensorsTensor>>): string[] {
  const entries = Object.entries(tensors).map(([name, tensor]) => ({ name: shown(name), ...tensor }));
  const width = entries.reduce((most, { name }) => Math.max(most, name.length), 0);
  return entries.map(({ name, dtype, shape }) => `${name.padEnd(width)}  ${dtype.padEnd(4)} ${formatShape(shape)}`);
}
