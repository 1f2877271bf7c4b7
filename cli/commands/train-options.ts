import { Option, type Command } from 'commander';
import { OBJECTIVES } from '../../adversarial/objectives/registry.js';
import { PRESET_NAMES, type PresetName } from '../../adversarial/preset-named.js';
import { PRESETS } from '../../adversarial/presets.js';
import type { AdapterOptions } from '../../node/adapter.js';
import {
  DATASETS,
  EVALUATION_SAMPLES,
  MODELS,
  OPTIMIZERS,
  resolveConfig,
  type TrainConfig,
  type TrainOptions,
} from '../config.js';
import {
  COUNT,
  EPS,
  WIDTH,
  dataOption,
  named,
  numeric,
  seedOption,
  settingOption,
  type NumberDomain,
} from '../options.js';

/** The options of `bulwark train`. */
export interface Options extends TrainOptions {
  readonly preset: PresetName;
  readonly checkpointEvery: number;
  readonly resume?: string;
  readonly out?: string;
  readonly force?: boolean;
  readonly adapter?: AdapterOptions['adapter'];
}

const FROM_ZERO: NumberDomain = { least: 0 };
const PART: NumberDomain = { least: 0, most: 1 };

/** An option that sets a number of the configuration: what it means, what it may be, what the presets make it. */
type Setting = readonly [
  flags: string,
  text: string,
  domain: NumberDomain,
  preset: (config: TrainConfig) => number | string | boolean | null | undefined,
];

const OBJECTIVE_SETTINGS: readonly Setting[] = [
  [
    '--lambda <weight>',
    'weight of mimae-at: MI, trades and mart: KL, alp: pairing',
    FROM_ZERO,
    (c) => c.objective.options['lambda'],
  ],
  ['--beta <weight>', 'mimae-at: weight of the L1 term', FROM_ZERO, (c) => c.objective.options['beta']],
];

const TRAINING_SETTINGS: readonly Setting[] = [
  ['--steps <count>', 'training steps, instead of --epochs', COUNT, (c) => c.training.steps],
  ['--epochs <count>', 'passes over the data, instead of --steps', COUNT, (c) => c.training.epochs],
  ['--batch-size <count>', 'images in a step', COUNT, (c) => c.training.batchSize],
  ['--lr <rate>', 'learning rate', FROM_ZERO, (c) => c.training.lr],
  ['--momentum <factor>', 'momentum of SGD', PART, (c) => c.training.momentum],
  ['--weight-decay <factor>', 'L2 penalty', FROM_ZERO, (c) => c.training.weightDecay],
];

const ATTACK_SETTINGS: readonly Setting[] = [
  ['--eps <radius>', 'Linf radius of the attack, in units of the data, 0 to 1', EPS, (c) => c.attack.eps],
  [
    '--attack-steps <count>',
    'PGD steps of the training attack; fast-at and mma have their own',
    COUNT,
    (c) => c.attack.steps,
  ],
  [
    '--step-size <length>',
    'length of such a step, in units of the data; fast-at and mma have their own',
    { ...EPS, above: true },
    (c) => c.attack.stepSize ?? 'eps / 4',
  ],
  ['--ramp <part>', 'part of the run over which eps grows from 0', PART, (c) => c.attack.rampFraction],
];

/** Adds every setting of a training run. */
export function addTrainOptions(command: Command): void {
  const objectives = OBJECTIVES.map((objective) => objective.name);
  const pairing = 'mimae-at: over the classes, the L1 term is a sum or a mean (default: sum)';
  const network = `network: ${MODELS.join(', ')}, 4 convolutions and 3 linear layers`;
  const width: Setting = ['--width <factor>', 'multiplies the channels 32, 64', WIDTH, (c) => c.model.width];
  const options = [
    named(
      '--preset <name>',
      'preset',
      "settings to start from: recommended, the MIMAE-AT paper's, or those of the objective's original publication",
      PRESET_NAMES,
      'recommended',
    ),
    named('--dataset <name>', 'dataset', `what to learn: ${DATASETS.join(', ')}`, DATASETS, 'mnist'),
    dataOption(),
    numeric('--subset <count>', 'train on the first images only (default: all)', COUNT),
    named('--model <name>', 'model', network, MODELS, 'cnn4'),
    optionOf(width),
    named(
      '--objective <name>',
      'objective',
      `what to minimise: ${objectives.join(', ')} (default: mimae-at)`,
      objectives,
    ),
    ...OBJECTIVE_SETTINGS.map(optionOf),
    new Option('--pair-reduction <sum|mean>', pairing),
    new Option(
      '--set <name=value>',
      "an option of the objective by its name; may be given several times (default: the preset's)",
    ).argParser(settingOption('--set')),
    named('--optimizer <name>', 'optimizer', `${OPTIMIZERS.join(' or ')} (default: the preset's, sgd)`, OPTIMIZERS),
    ...TRAINING_SETTINGS.map(optionOf),
    ...ATTACK_SETTINGS.map(optionOf),
    seedOption(),
    numeric(
      '--eval-samples <count>',
      `test images to evaluate on afterwards; 0 for none (default: ${EVALUATION_SAMPLES})`,
      { least: 0, integer: true },
    ),
    numeric(
      '--checkpoint-every <steps>',
      'steps between two checkpoints, from which an interrupted run goes on',
      COUNT,
      100,
    ),
  ];
  for (const option of options) command.addOption(option);
}

function optionOf([flags, text, domain, preset]: Setting): Option {
  const nothing: TrainOptions = { dataset: 'mnist', model: 'cnn4', seed: 0 };
  const [usual, paper] = [PRESETS.mnist.recommended, PRESETS.mnist.paper].map((each) =>
    String(preset(resolveConfig(each, nothing)) ?? 'none'),
  );
  return numeric(flags, `${text} (default: ${usual}${paper === usual ? '' : `; paper: ${paper}`})`, domain);
}
