import { Option, type Command } from 'commander';
import { OPTIMIZERS } from '../../adversarial/named-optimizer.js';
import { OBJECTIVES } from '../../adversarial/objectives/registry.js';
import { PRESET_NAMES, type PresetName } from '../../adversarial/preset-named.js';
import { MNIST_PAPER, MNIST_RECOMMENDED } from '../../adversarial/presets.js';
import type { AdapterOptions } from '../../node/adapter.js';
import { CNN4_INITS } from '../../nn/models/cnn4.js';
import { DATASETS, type ConfigPatch, type TrainConfig } from '../config.js';
import { UsageError } from '../errors.js';
import {
  COUNT,
  EPS,
  WIDTH,
  dataOption,
  flagOf,
  imageSizeOption,
  modelOption,
  named,
  numberOption,
  numeric,
  settingOption,
  type NumberDomain,
} from '../options.js';
import { EVALUATION_SAMPLES, resolveConfig } from '../resolve-config.js';

/** The options of `bulwark train` that are no settings of the run. */
export interface Options {
  readonly preset?: PresetName;
  readonly config?: string;
  readonly data?: string;
  readonly checkpointEvery?: number;
  readonly resume?: string;
  readonly out?: string;
  readonly force?: boolean;
  readonly adapter?: AdapterOptions['adapter'];
}

const FROM_ZERO: NumberDomain = { least: 0 };
const PART: NumberDomain = { least: 0, most: 1 };
const ABOVE: NumberDomain = { least: 0, above: true };
const COUNT_OR_NONE: NumberDomain = { least: 0, integer: true };

/** An option that is a setting of the run: what it takes, and where in the configuration it goes. */
interface Setting {
  readonly option: Option;
  /** The setting's place, or what an option that stands for several says of the configuration. */
  readonly to: string | ((value: unknown) => ConfigPatch);
  /** The place that its default is at, where it is not a place by itself. */
  readonly at?: string;
}

const number = (flags: string, text: string, domain: NumberDomain, to: Setting['to'], at?: string): Setting => ({
  option: numeric(flags, text, domain),
  to,
  ...(at !== undefined && { at }),
});
const choice = (
  flags: string,
  what: string,
  text: string,
  known: readonly string[],
  to: Setting['to'],
  at?: string,
): Setting => ({ option: named(flags, what, text, known), to, ...(at !== undefined && { at }) });

const DATA: readonly Setting[] = [
  choice('--dataset <name>', 'dataset', `what to learn: ${DATASETS.join(', ')}`, DATASETS, 'dataset.name'),
  { option: dataOption(), to: 'dataset.folder' },
  { option: imageSizeOption(), to: 'dataset.imageSize' },
  number('--subset <count>', 'train on the first images only (default: all)', COUNT, 'dataset.subset'),
  choice(
    '--augment <name>',
    'augmentation',
    'crop-flip: random crops of padded images, mirrored or not; crop; none',
    ['crop-flip', 'crop', 'none'],
    (name) => ({
      augmentation: name === 'none' ? null : { padCropFlip: { padding: 4, flip: name === 'crop-flip' } },
    }),
    'augmentation',
  ),
  number(
    '--crop-padding <pixels>',
    'zeros around images that are cropped',
    COUNT_OR_NONE,
    'augmentation.padCropFlip.padding',
  ),
  number('--cutout <pixels>', 'a square of this side is blotted out', COUNT, 'augmentation.cutout.size'),
  number('--cutout-fill <value>', 'what the square is filled with, 0 to 1', PART, 'augmentation.cutout.fill'),
  number(
    '--color-jitter <strength>',
    'of brightness, contrast and saturation',
    FROM_ZERO,
    (strength) => ({
      augmentation: {
        colorJitter: { brightness: Number(strength), contrast: Number(strength), saturation: Number(strength) },
      },
    }),
    'augmentation.colorJitter',
  ),
  ...['brightness', 'contrast', 'saturation'].map((part) =>
    number(`--${part} <strength>`, 'of the color jitter alone', FROM_ZERO, `augmentation.colorJitter.${part}`),
  ),
  number(
    '--validation <count>',
    'training images set aside to measure robust accuracy on; 0 for none',
    COUNT_OR_NONE,
    (samples) => ({
      validation: samples === 0 ? null : { samples: Number(samples) },
    }),
    'validation.samples',
  ),
  number(
    '--validate-every <epochs>',
    'epochs between two validations, on 1000 images unless told',
    COUNT,
    'validation.every',
  ),
  number(
    '--validation-steps <count>',
    'PGD steps of a validation, on 1000 images unless told',
    COUNT,
    'validation.steps',
  ),
  number(
    '--patience <count>',
    'end after so many validations without a better one, on 1000 images unless told',
    COUNT,
    'validation.patience',
  ),
];

const MODEL: readonly Setting[] = [
  { option: modelOption('network'), to: 'model.name' },
  number('--width <factor>', 'multiplies the channels', WIDTH, 'model.options.width'),
  choice('--activation <name>', 'activation', 'relu or silu', ['relu', 'silu'], 'model.options.activation'),
  number('--dropout <part>', 'where the network has it', PART, 'model.options.dropout'),
  choice(
    '--stride-padding <name>',
    'padding',
    "symmetric, or same: TensorFlow's, of wrn",
    ['symmetric', 'same'],
    'model.options.padding',
  ),
  choice('--init <name>', 'initialisation', CNN4_INITS.join(' or ') + ', of cnn4', CNN4_INITS, 'model.options.init'),
];

const OBJECTIVE: readonly Setting[] = [
  choice(
    '--objective <name>',
    'objective',
    `what to minimise: ${OBJECTIVES.map(({ name }) => name).join(', ')}`,
    OBJECTIVES.map(({ name }) => name),
    'objective.name',
  ),
  number(
    '--lambda <weight>',
    'weight of mimae-at: MI, trades and mart: KL, alp: pairing',
    FROM_ZERO,
    'objective.options.lambda',
  ),
  number('--beta <weight>', 'mimae-at: weight of the L1 term', FROM_ZERO, 'objective.options.beta'),
  number(
    '--label-smoothing <part>',
    'of objectives with a plain cross-entropy',
    PART,
    'objective.options.labelSmoothing',
  ),
  {
    option: new Option('--pair-reduction <sum|mean>', 'mimae-at: over the classes, the L1 term is a sum or a mean'),
    to: 'objective.options.pairReduction',
  },
];

const TRAINING: readonly Setting[] = [
  number('--steps <count>', 'training steps, instead of --epochs', COUNT, 'training.steps'),
  number('--epochs <count>', 'passes over the data, instead of --steps', COUNT, 'training.epochs'),
  number('--batch-size <count>', 'images in a step', COUNT, 'training.batchSize'),
  number('--accumulate <parts>', 'learn from each batch in so many parts: less memory', COUNT, 'training.accumulate'),
  choice('--optimizer <name>', 'optimizer', OPTIMIZERS.join(', '), OPTIMIZERS, 'training.optimizer'),
  number('--lr <rate>', 'learning rate that the schedule starts from', FROM_ZERO, 'training.lr'),
  choice(
    '--schedule <name>',
    'schedule',
    'how the rate changes: step, trapezoid, cosine, cyclic',
    ['step', 'trapezoid', 'cosine', 'cyclic'],
    'training.schedule.name',
  ),
  {
    option: new Option(
      '--drops <epochs>',
      'schedule step: epochs from which on the rate is a tenth, such as 75,90',
    ).argParser((text: string) => text.split(',').map(numberOption('--drops', COUNT))),
    to: 'training.schedule.drops',
  },
  number('--gamma <factor>', 'schedule step: what a drop multiplies by', FROM_ZERO, 'training.schedule.gamma'),
  number(
    '--decay <part>',
    'schedule trapezoid: part of the run over which the rate falls',
    PART,
    'training.schedule.decay',
  ),
  number('--peak <part>', 'schedule cyclic: where the rate is highest', PART, 'training.schedule.peak'),
  number('--warmup <part>', 'part of the run over which the rate rises', PART, 'training.schedule.warmup'),
  number('--min-lr <rate>', 'schedule cosine, cyclic: where the rate ends', FROM_ZERO, 'training.schedule.minLr'),
  number('--momentum <factor>', 'momentum of sgd and rmsprop', PART, 'training.momentum'),
  { option: new Option('--nesterov', "Nesterov's momentum of sgd"), to: 'training.nesterov' },
  number('--weight-decay <factor>', 'L2 penalty; of adamw, decoupled', FROM_ZERO, 'training.weightDecay'),
  number('--clip-norm <norm>', 'clip the gradients to this L2 norm', ABOVE, 'training.maxNorm'),
  number(
    '--ema <decay>',
    'end with an exponential average of the parameters',
    PART,
    (decay) => ({
      training: { average: { kind: 'ema', decay: Number(decay) } },
    }),
    'training.average',
  ),
  number(
    '--swa <part>',
    'end with the mean of the parameters over epochs, from this part of the run on',
    PART,
    (start) => ({
      training: { average: { kind: 'swa', start: Number(start) } },
    }),
    'training.average',
  ),
  number(
    '--awp <gamma>',
    'adversarial weight perturbation, such as 0.01; 0 for none',
    FROM_ZERO,
    (gamma) => ({
      training: { perturbation: gamma === 0 ? null : { gamma: Number(gamma) } },
    }),
    'training.perturbation.gamma',
  ),
  number('--awp-after <epochs>', 'epochs before the perturbation begins', COUNT_OR_NONE, 'training.perturbation.after'),
];

const ATTACK: readonly Setting[] = [
  number('--eps <radius>', 'Linf radius of the attack, in units of the data, 0 to 1', EPS, 'attack.eps'),
  number(
    '--attack-steps <count>',
    'PGD steps of the training attack; fast-at and mma have their own',
    COUNT,
    'attack.steps',
  ),
  number(
    '--step-size <length>',
    'length of such a step, in units of the data; fast-at and mma have their own',
    { ...EPS, above: true },
    'attack.stepSize',
  ),
  choice(
    '--attack-start <name>',
    'start',
    'where the attack begins: none, at the image; uniform in the ball; normal, beside the image',
    ['none', 'uniform', 'normal'],
    'attack.start',
  ),
  number('--ramp <part>', 'part of the run over which eps grows from 0', PART, 'attack.rampFraction'),
];

const RUN: readonly Setting[] = [
  number(
    '--checkpoint-every <steps>',
    'steps between two checkpoints, from which an interrupted run goes on',
    COUNT,
    'checkpointEvery',
  ),
  number('--seed <integer>', 'same seed, same adapter, same bits', COUNT_OR_NONE, 'seed'),
  number(
    '--eval-samples <count>',
    `test images to evaluate on afterwards; 0 for none (default: ${EVALUATION_SAMPLES}, or all that there are)`,
    COUNT_OR_NONE,
    'evaluation.samples',
  ),
];

const SETTINGS: readonly Setting[] = [...DATA, ...MODEL, ...OBJECTIVE, ...TRAINING, ...ATTACK, ...RUN];

/** Adds every setting of a training run. */
export function addTrainOptions(command: Command): void {
  const [usual, paper] = [resolveConfig(MNIST_RECOMMENDED), resolveConfig(MNIST_PAPER)];
  const options = [
    named(
      '--preset <name>',
      'preset',
      "settings to start from (default: recommended): recommended, the MIMAE-AT paper's, or those of the objective's original publication",
      PRESET_NAMES,
    ),
    new Option('--config <file>', 'settings as JSON, over those of the preset; options go over both'),
    ...SETTINGS.map((setting) => withDefaults(setting, usual, paper)),
    new Option(
      '--set <name=value>',
      "an option of the objective by its name; may be given several times (default: the preset's)",
    ).argParser(settingOption('--set')),
  ];
  for (const option of options) command.addOption(option);
}

/** The option of a setting, with what MNIST's presets set in its text. */
function withDefaults({ option, to, at }: Setting, usual: TrainConfig, paper: TrainConfig): Option {
  const place = at ?? (typeof to === 'string' ? to : undefined);
  if (place === undefined || option.description.includes('(default')) return option;
  const [value, other] = [valueAt(usual, place), valueAt(paper, place)];
  option.description += ` (default: ${value ?? 'none'}${other === value ? '' : `; paper: ${other ?? 'none'}`})`;
  return option;
}

function valueAt(config: TrainConfig, path: string): string | undefined {
  let value: unknown = config;
  for (const key of path.split('.')) value = (Object(value) as Record<string, unknown>)[key];
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What the command line says of the configuration. Throws a `UsageError` where it says something twice. */
export function patchOf(command: Command): ConfigPatch {
  const given = new Map(Object.entries(command.opts<Record<string, unknown>>()));
  checkTogether(given);
  const patch: Record<string, unknown> = {};
  for (const { option, to } of SETTINGS) {
    const value = given.get(option.attributeName());
    if (value === undefined) continue;
    merge(patch, typeof to === 'string' ? nested(to.split('.'), value) : to(value));
  }
  const named = (patch as ConfigPatch).objective?.options ?? {};
  const set = (given.get('set') ?? {}) as Readonly<Record<string, unknown>>;
  const twice = Object.keys(set).find((name) => name in named);
  if (twice !== undefined)
    throw new UsageError(`--set ${twice}: is given by an option of its own too; take one of the two`);
  if (Object.keys(set).length > 0) merge(patch, { objective: { options: set } });
  return patch;
}

/** Options, the value with which there is none of what they say, and the options that would say more of it. */
const IDLE: readonly (readonly [option: string, none: string | number, others: readonly string[]])[] = [
  ['validation', 0, ['validateEvery', 'validationSteps', 'patience']],
  ['awp', 0, ['awpAfter']],
  ['augment', 'none', ['cropPadding', 'cutout', 'cutoutFill', 'colorJitter', 'brightness', 'contrast', 'saturation']],
];

/** Throws a `UsageError` for options of which one leaves nothing for the other to do. */
function checkTogether(given: ReadonlyMap<string, unknown>): void {
  if (given.has('ema') && given.has('swa'))
    throw new UsageError('--ema and --swa: a run ends with one average; give one of them');
  for (const [option, none, others] of IDLE) {
    const other = given.get(option) === none ? others.find((name) => given.has(name)) : undefined;
    if (other === undefined) continue;
    throw new UsageError(`${flagOf(other)}: there is nothing to do for it with --${option} ${none}`);
  }
}

function nested(path: readonly string[], value: unknown): Record<string, unknown> {
  const [first = '', ...rest] = path;
  return { [first]: rest.length > 0 ? nested(rest, value) : value };
}

/** Puts the parts of one object into those of another. */
function merge(into: Record<string, unknown>, from: object): void {
  for (const [key, value] of Object.entries(from)) {
    const before = into[key];
    const isPart = [before, value].every((each) => typeof each === 'object' && each !== null && !Array.isArray(each));
    if (isPart) merge(before as Record<string, unknown>, value as object);
    else into[key] = value;
  }
}
