import type { Device } from '../../engine/device.js';
import { ArgumentError } from '../../engine/errors.js';
import { unknownName, withDefaults, type OptionValues } from '../../engine/named-options.js';
import { Generator } from '../../engine/random.js';
import type { Module } from '../module.js';
import type { ActivationName } from './activation.js';
import { cnn4, type Cnn4Init } from './cnn4.js';
import { preactResnet18 } from './preact-resnet.js';
import type { StridePadding } from './residual.js';
import { resnet18, resnet50 } from './resnet.js';
import { wrn } from './wrn.js';

/** What every model is made with, whatever its name. */
export interface ModelSource {
  readonly device: Device;
  /** Where the initial values come from; the device's own stream for initialisation unless told. */
  readonly generator?: Generator | undefined;
  /** Where dropout's masks come from; the device's own stream for dropout unless told. */
  readonly dropoutGenerator?: Generator | undefined;
  /** Number of logits; 10 unless told. */
  readonly classes?: number;
  /** The first of the model's `imageShape` unless told. */
  readonly inChannels?: number;
  /** Height and width of the images; the model's own unless told. Only `cnn4` goes by it: the others average whatever is left. */
  readonly imageSize?: number;
}

/** A source whose every random number follows from a seed. */
export function seededSource(device: Device, seed: number): ModelSource {
  return {
    device,
    generator: new Generator(seed, { purpose: 'init' }),
    dropoutGenerator: new Generator(seed, { purpose: 'dropout' }),
  };
}

/** A model that can be asked for by its name. */
export interface ModelEntry {
  readonly name: string;
  /** One sentence for a list of choices. */
  readonly summary: string;
  /** Every option with its default. */
  readonly options: OptionValues;
  /** `[channels, height, width]` of the images that it was published for. */
  readonly imageShape: readonly [number, number, number];
  /** The model with these options in place of the defaults; throws an `ArgumentError` for what it does not know. */
  readonly create: (source: ModelSource, options: OptionValues) => Module;
}

/** What a factory gets of a {@link ModelSource}: the shape of the images is settled. */
type SettledSource = ModelSource & Required<Pick<ModelSource, 'inChannels' | 'imageSize'>>;

/** Binds a factory to its defaults, whose names and types are checked before the factory sees the options. */
function entry<O extends OptionValues>(
  about: Pick<ModelEntry, 'name' | 'summary' | 'imageShape'>,
  defaults: O,
  create: (source: SettledSource, options: O) => Module,
): ModelEntry {
  const [inChannels, imageSize] = about.imageShape;
  return {
    ...about,
    options: defaults,
    create: (source, options) =>
      create({ inChannels, imageSize, ...source }, withDefaults(about.name, defaults, options)),
  };
}

/** Options that a name alone does not settle. Type aliases, which unlike interfaces fit {@link OptionValues}. */
type ResidualDefaults = Readonly<{ width: number; activation: ActivationName }>;
type WideDefaults = ResidualDefaults & Readonly<{ dropout: number; padding: StridePadding }>;
type Cnn4Defaults = ResidualDefaults & Readonly<{ dropout: number; init: Cnn4Init }>;

const RESIDUAL: ResidualDefaults = { width: 1, activation: 'relu' };
const WIDE: WideDefaults = { ...RESIDUAL, dropout: 0, padding: 'symmetric' };
const CNN4: Cnn4Defaults = { ...RESIDUAL, dropout: 0.5, init: 'trades' };

const MNIST = [1, 28, 28] as const;
const CIFAR = [3, 32, 32] as const;

function wide(depth: number, widen: number): ModelEntry {
  const name = `wrn-${depth}-${widen}`;
  const summary = `Wide residual network of ${depth} layers, ${widen} times as wide (Zagoruyko and Komodakis 2016).`;
  return entry({ name, summary, imageShape: CIFAR }, WIDE, (source, options) =>
    wrn({ ...source, ...options, depth, widen }),
  );
}

/** Every model that has a name; beside these, `wrn-D-W` for every depth D = 6 n + 4 and widening W. */
export const MODELS: readonly ModelEntry[] = [
  entry(
    {
      name: 'cnn4',
      summary: 'Four convolutions and three linear layers (Carlini and Wagner 2017).',
      imageShape: MNIST,
    },
    CNN4,
    (source, options) => cnn4({ ...source, ...options }),
  ),
  entry(
    { name: 'resnet18', summary: 'ResNet-18 in its form for CIFAR (He et al. 2016).', imageShape: CIFAR },
    RESIDUAL,
    (source, options) => resnet18({ ...source, ...options }),
  ),
  entry(
    {
      name: 'resnet50',
      summary: 'ResNet-50 in its form for CIFAR, with bottlenecks (He et al. 2016).',
      imageShape: CIFAR,
    },
    RESIDUAL,
    (source, options) => resnet50({ ...source, ...options }),
  ),
  entry(
    {
      name: 'preact-resnet18',
      summary: 'Pre-activation ResNet-18 of the work on robust overfitting (He et al. 2016; Rice et al. 2020).',
      imageShape: CIFAR,
    },
    RESIDUAL,
    (source, options) => preactResnet18({ ...source, ...options }),
  ),
  wide(34, 10),
  wide(28, 10),
  wide(28, 4),
  wide(16, 4),
];

/** Beyond what has been published; a file can ask for any name, and a network of such a size takes its time. */
const [DEEPEST, WIDEST, LARGEST] = [1000, 100, 4000];

/**
 * What there is to say of the model of a name, such as 'resnet18' or 'wrn-34-10'.
 *
 * @throws ArgumentError with the nearest name for an unknown one, and for a `wrn-D-W` that cannot be, or is far larger than any
 */
export function modelEntry(name: string): ModelEntry {
  const known = MODELS.find((candidate) => candidate.name === name);
  if (known) return known;
  const [, ...sizes] = /^wrn-(\d+)-(\d+)$/.exec(name) ?? [];
  const [depth, widen] = sizes.map(Number);
  if (depth !== undefined && widen !== undefined) {
    const isOne = depth >= 10 && depth % 6 === 4 && widen >= 1;
    if (isOne && depth <= DEEPEST && widen <= WIDEST && depth * widen <= LARGEST) return wide(depth, widen);
    throw new ArgumentError(
      `model '${name}': there are wrn-D-W of depths D = 6 n + 4 from 10 to ${DEEPEST}, and widenings W from 1 to ${WIDEST}, D W up to ${LARGEST}`,
    );
  }
  const names = MODELS.map((candidate) => candidate.name);
  throw new ArgumentError(`${unknownName('model', name, names)}, and wrn-D-W of any depth D = 6 n + 4 and widening W`);
}

/**
 * The model of a name, freshly initialised, with options by name: `width`, `activation`, and where the model has it `dropout`, `padding` and
 * `init`.
 *
 * @throws ArgumentError with the nearest name for an unknown name or option, and for values that the model refuses
 */
export function modelNamed(
  name: string,
  { options = {}, ...source }: ModelSource & { readonly options?: OptionValues },
): Module {
  return modelEntry(name).create(source, options);
}
