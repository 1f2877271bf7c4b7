import { join } from 'node:path';
import { objectiveNamed } from '../adversarial/objectives/registry.js';
import type { WeightAverageOptions } from '../adversarial/weight-average.js';
import type { AugmentationOptions } from '../data/augmentation.js';
import { writeFileAtomic } from '../node/files.js';
import type { OpenedDevice } from './device.js';
import { version } from '../package.json';
import type { ModelConfig, ScheduleConfig, TrainConfig } from './config.js';
import { RUN_FILES } from './folders.js';
import type { ReportData } from './report/data.js';

/** Writes the report into a folder, and returns its path. */
export async function writeReport(folder: string, data: ReportData): Promise<string> {
  // Loaded when it is needed: what draws the charts takes longer to load than everything else together.
  const { renderReport } = await import('./report/page.js');
  const path = join(folder, RUN_FILES.report);
  await writeFileAtomic(path, renderReport(data));
  return path;
}

/** What a report says of the machine. */
export function environmentOf({ choice }: OpenedDevice): Record<string, string> {
  return {
    adapter: `${choice.kind}: ${choice.driver}`,
    bulwark: version,
    'Node.js': `${process.version} on ${process.platform} ${process.arch}`,
    date: new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC',
  };
}

const number = (value: number): string => String(Number(value.toPrecision(6)));

/** The adversary of a run in a few words: the objective's own settings, or else the run's. */
function attackWords({ objective, attack }: TrainConfig): string {
  const { needs, craft, attackPlan: plan = {} } = objectiveNamed(objective.name, objective.options);
  if (!needs.adversarial) return 'none';
  if (craft) return `that of ${objective.name} itself`;
  const { steps = attack.steps } = plan;
  const stepSize = attack.stepSize === null ? 'eps / 4' : number(attack.stepSize);
  return [
    `PGD, eps ${number(attack.eps)}`,
    `${plan.start ?? attack.start} start`,
    `${steps} ${steps === 1 ? 'step' : 'steps'} of ${plan.stepSize === undefined ? stepSize : `${number(plan.stepSize)} eps`}`,
    ...(plan.craftIn === 'train' ? ['in training mode'] : []),
    `eps ramped up over ${number(100 * attack.rampFraction)} % of the run`,
  ].join(', ');
}

/** The settings of a run as a report lists them. */
export function settingsOf(config: TrainConfig): Record<string, string> {
  const { dataset, validation, augmentation, model, objective, training, seed, preset } = config;
  const options = Object.entries(objective.options).map(([name, value]) => `${name} ${String(value)}`);
  return {
    preset,
    dataset: `${dataset.name}${dataset.subset === null ? '' : `, the first ${dataset.subset} images`}`,
    ...modelSettings(model),
    objective: [objective.name, ...options].join(', '),
    'training attack': attackWords(config),
    length: training.steps === null ? `${training.epochs} epochs` : `${training.steps} steps`,
    'batch size': `${training.batchSize}${training.accumulate > 1 ? `, in ${training.accumulate} parts` : ''}`,
    optimiser: training.optimizer + (training.nesterov ? " with Nesterov's momentum" : ''),
    'learning rate': [number(training.lr), ...scheduleWords(training.schedule)].join(', '),
    momentum: number(training.momentum),
    'weight decay': number(training.weightDecay),
    ...(training.maxNorm !== null && { 'gradients clipped to norm': number(training.maxNorm) }),
    ...(augmentation && { augmentation: augmentationWords(augmentation) }),
    ...(training.average && { 'average of parameters': averageWords(training.average) }),
    ...(training.perturbation && { 'perturbed weights': perturbationWords(training.perturbation) }),
    ...(validation && { validation: validationWords(validation) }),
    seed: String(seed),
  };
}

function augmentationWords({ padCropFlip, colorJitter = {}, cutout }: AugmentationOptions): string {
  const { padding = 4, flip = true } = padCropFlip ?? {};
  const strengths = Object.entries(colorJitter).map(([name, strength]) => `${name} by ${number(strength)}`);
  return [
    ...(padCropFlip ? [`crops of images padded by ${padding}${flip ? ', mirrored or not' : ''}`] : []),
    ...strengths,
    ...(cutout ? [`squares of ${cutout.size} cut out`] : []),
  ].join('; ');
}

function averageWords(average: WeightAverageOptions): string {
  if (average.kind === 'ema') return `exponential, decay ${number(average.decay)}`;
  return `the mean over epochs, from ${percent(average.start)} of the run on`;
}

function perturbationWords({ gamma, after }: NonNullable<TrainConfig['training']['perturbation']>): string {
  return `gamma ${number(gamma)}${after > 0 ? `, after ${after} epochs` : ''}`;
}

function validationWords({ samples, every, steps, patience }: NonNullable<TrainConfig['validation']>): string {
  const when = every === 1 ? 'each epoch' : `every ${every} epochs`;
  const end = patience === null ? '' : `; an end after ${patience} without a better one`;
  return `${samples} of the training images, PGD-${steps}, ${when}${end}`;
}

function scheduleWords(schedule: ScheduleConfig): string[] {
  switch (schedule.name) {
    case 'step': {
      const { drops = [], gamma = 0.1, warmup } = schedule;
      const dropping = drops.length > 0 ? [`times ${gamma} at epochs ${drops.join(', ')}`] : [];
      return [...overPart('rising over the first', warmup), ...dropping];
    }
    case 'trapezoid':
      return [
        ...overPart('rising over the first', schedule.warmup),
        ...overPart('falling over the last', schedule.decay),
      ];
    case 'cosine':
      return [
        ...overPart('rising over the first', schedule.warmup),
        `falling along a cosine to ${number(schedule.minLr ?? 0)}`,
      ];
    case 'cyclic': {
      const { minLr = 0, peak = 0.5 } = schedule;
      return [`at its peak ${percent(peak)} of the way, ${number(minLr)} at both ends`];
    }
    default:
      return schedule satisfies never;
  }
}

function overPart(words: string, part = 0): string[] {
  return part > 0 ? [`${words} ${percent(part)}`] : [];
}

function percent(part: number): string {
  return `${Number((100 * part).toPrecision(3))} %`;
}

/** A model's settings as a report lists them. */
export function modelSettings({ name, classes, options }: ModelConfig): Record<string, string> {
  const words = Object.entries(options).map(([option, value]) => `${option} ${String(value)}`);
  return { model: [name, ...words, `${classes} classes`].join(', ') };
}
