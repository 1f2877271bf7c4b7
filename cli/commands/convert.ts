import { Option, type Command } from 'commander';
import type { OptionValues } from '../../engine/named-options.js';
import { formatShape } from '../../engine/shape.js';
import {
  NORMALIZATION_KEYS,
  buildModelOf,
  describeModel,
  fitTensors,
  modelMetadata,
  normalizationFor,
} from '../../nn/model-file.js';
import { USUAL_STATISTICS } from '../../nn/models/normalized.js';
import { seededSource } from '../../nn/models/registry.js';
import { withoutWrappers, type KeyMapping, type NormalizationConstants } from '../../nn/pytorch/map-keys.js';
import { shown } from '../../nn/pytorch/value.js';
import { encodeSafetensors, type SafetensorsTensor } from '../../nn/safetensors.js';
import { exists, writeFileAtomic } from '../../node/files.js';
import { modelConfigOf, readCheckpoint, type Checkpoint } from '../checkpoint.js';
import type { ModelConfig } from '../config.js';
import type { Context, RunCommand } from '../context.js';
import { openDevice } from '../device.js';
import { EXIT, UsageError, asUsage } from '../errors.js';
import { COUNT, WIDTH, flagOf, modelOption, numeric, settingOption } from '../options.js';

/** Options that say something of a model. */
interface ModelOptions {
  readonly width?: number;
  readonly classes?: number;
  readonly channels?: number;
  readonly imageSize?: number;
  readonly set?: OptionValues;
  readonly prefix?: string;
  readonly normalize?: NormalizationConstants;
}

interface Options extends ModelOptions {
  readonly model?: string;
  readonly key?: string;
  readonly force?: boolean;
}

const EXAMPLES = `
Examples:
  bulwark convert mnist.pt mnist.safetensors --model cnn4
  bulwark convert checkpoint.pth.tar model.safetensors --key state_dict
  bulwark convert trained.pt teacher.safetensors --model cnn4 --prefix ema.
  bulwark convert Rice2020Overfitting.pt rice.safetensors --model wrn-34-20 --normalize cifar10
  bulwark convert gowal.pt gowal.safetensors --model wrn-28-10 --set padding=same --set activation=silu --normalize cifar10

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
    .addOption(
      numeric('--channels <count>', "its images' (default: as the file says, or as the network has them)", COUNT),
    )
    .addOption(
      numeric('--image-size <pixels>', 'their side (default: as the file says, or as the network has it)', COUNT),
    )
    .addOption(
      new Option(
        '--set <name=value>',
        'another option of the network, such as activation=silu; may be given several times (default: as the file says)',
      ).argParser(settingOption('--set')),
    )
    .addOption(
      new Option(
        '--normalize <what>',
        `what the network's images are normalised by, where the file does not say: ${[...USUAL_STATISTICS.keys()].join(', ')}, or means/deviations`,
      ).argParser(normalizeOption),
    )
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
async function convertNamed(checkpoint: Checkpoint, options: Options): Promise<Converted> {
  const { model, width, classes, channels: inChannels, imageSize, set, prefix, normalize } = options;
  if (width !== undefined && set?.['width'] !== undefined) {
    throw new UsageError('--width and --set width: give one of them');
  }
  const config = modelConfigOf(checkpoint, { model, width, classes, inChannels, imageSize, options: set });
  const { device } = await openDevice('null');
  try {
    const fitted = asUsage(() => {
      const network = buildModelOf(checkpoint, config, seededSource(device, 0));
      return fitTensors(checkpoint, network, config, { prefix });
    });
    const mapping = { ...fitted, normalization: normalizationOf(fitted, normalize, config) };
    const metadata = { ...checkpoint.metadata, ...modelMetadata(config), ...normalizationMetadata(mapping) };
    return { tensors: mapping.tensors, metadata, notes: notesOn(mapping, config) };
  } finally {
    device.destroy();
  }
}

/** What the file says, or the command line; throws a `UsageError` where they contradict each other. */
function normalizationOf(
  { normalization: found }: KeyMapping,
  asked: NormalizationConstants | undefined,
  config: ModelConfig,
): NormalizationConstants | undefined {
  if (!asked) return found;
  const said = normalizationFor(config, asked);
  if (!said) {
    throw new UsageError(
      `--normalize: is for images of ${asked.mean.length} channels; this ${config.name} takes ${config.inChannels}`,
    );
  }
  const [own, other] = [found, said].map((each) => each && [...each.mean, ...each.std].map(Math.fround).join());
  if (!found || own === other) return said;
  throw new UsageError(
    `--normalize: the file has constants of its own, mean ${found.mean.join(', ')} and std ${found.std.join(', ')}; leave the option out`,
  );
}

/** Reads a dataset's name, or means and standard deviations. */
function normalizeOption(text: string): NormalizationConstants {
  const usual = USUAL_STATISTICS.get(text);
  if (usual) return usual;
  const [mean = [], std = [], ...more] = text
    .split('/')
    .map((list) => list.split(',').map((part) => (part.trim() === '' ? NaN : Number(part))));
  const isPair = more.length === 0 && mean.length === std.length && mean.every(Number.isFinite);
  if (isPair && std.every((value) => value > 0 && value < Infinity)) return { mean, std };
  throw new UsageError(
    `--normalize: '${text}' is none of ${[...USUAL_STATISTICS.keys()].join(', ')}, nor a mean and a standard deviation above 0 for ` +
      'each channel, such as 0.49,0.48,0.45/0.25,0.24,0.26',
  );
}

function normalizationMetadata({ normalization }: KeyMapping): Record<string, string> {
  if (!normalization) return {};
  const { mean, std } = normalization;
  return { [NORMALIZATION_KEYS.mean]: mean.join(','), [NORMALIZATION_KEYS.std]: std.join(',') };
}

function notesOn({ prefix, ignored, supplied, normalization, layout }: KeyMapping, config: ModelConfig): string[] {
  return [
    `fits ${describeModel(config)}`,
    ...(prefix === '' ? [] : [`dropped the prefix ${shown(prefix)}`]),
    ...ignored.map(({ name, reason }) => `left out ${shown(name)}: ${reason}`),
    ...supplied.map((name) => `set ${name} to 0: an old file, without such counters`),
    ...(normalization
      ? [
          `the network takes images normalised by mean ${normalization.mean.join(', ')} and std ${normalization.std.join(', ')}; noted in the metadata`,
        ]
      : []),
    ...(layout === 'deepmind' && !normalization
      ? ["networks of DeepMind's code take normalised images, and this file does not say by what: see --normalize"]
      : []),
  ];
}

const ABOUT_MODELS = ['prefix', 'width', 'classes', 'channels', 'imageSize', 'set', 'normalize'] as const;

/** Under the names that the file has, without what wrappers of PyTorch add to them. */
function convertUnnamed({ path, tensors, metadata }: Checkpoint, options: Options): Converted {
  const useless = ABOUT_MODELS.find((name) => options[name] !== undefined);
  if (useless !== undefined) {
    throw new UsageError(`${flagOf(useless)}: says something of a model; say which by --model`);
  }
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
      ...(renamed.length > 0
        ? [`renamed ${renamed.length} tensors, such as ${renamed[0]?.map((name) => shown(name)).join(' to ') ?? ''}`]
        : []),
      `${path}: not checked against a model; name one by --model`,
    ],
  };
}

function listed(tensors: Readonly<Record<string, SafetensorsTensor>>): string[] {
  const entries = Object.entries(tensors).map(([name, tensor]) => ({ name: shown(name), ...tensor }));
  const width = entries.reduce((most, { name }) => Math.max(most, name.length), 0);
  return entries.map(({ name, dtype, shape }) => `${name.padEnd(width)}  ${dtype.padEnd(4)} ${formatShape(shape)}`);
}
