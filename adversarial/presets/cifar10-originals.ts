import { CyclicSchedule, StepSchedule } from '../../nn/optim/schedule.js';
import { fgsmAttack } from '../attacks/fgsm.js';
import { pgdAttack } from '../attacks/pgd.js';
import { CIFAR_MMA } from './cifar-options.js';
import type { Original } from './original.js';
import type { PresetTraining } from './preset.js';

const EPS = 8 / 255;
/** What TRADES took for 8 / 255, and others took over. */
const TRADES_EPS = 0.031;

const TRADES_ADVERSARY = { eps: TRADES_EPS, stepSize: 0.007, steps: 10, start: 'normal' } as const;

/** The evaluation of TRADES and MART. */
const TRADES_ATTACKS = {
  fgsm: fgsmAttack({ eps: TRADES_EPS }),
  'pgd-20': pgdAttack({ eps: TRADES_EPS, stepSize: 0.003, steps: 20 }),
};

const MART_DOUBT = 'the published code chooses its checkpoint on the test images; here the last epoch counts';

/** MMA's, whose rates fall after 20,000, 30,000 and 40,000 steps of 391 to an epoch. */
const MMA_TRAINING: PresetTraining = {
  attack: { eps: EPS, stepSize: 2 / 255, steps: 10, start: 'uniform' },
  batchSize: 128,
  steps: 50_000,
  lr: new StepSchedule({ baseLr: 0.3, drops: [52, 78, 103], gamma: 0.3 }),
  momentum: 0.9,
  weightDecay: 2e-4,
};

const MMA_DOUBTS = [
  'the published rates are 0.3, 0.09, 0.03 and 0.009; those after the second drop are here 0.027 and 0.0081, each 0.3 of the one before',
  'the published drops are at steps 20,000, 30,000 and 40,000; here at the beginnings of the nearest epochs of 391 steps',
];

/** How publications train on CIFAR-10, by objective. */
export const CIFAR10_ORIGINALS: Readonly<Record<string, readonly Original[]>> = {
  'standard-at': [
    {
      source: 'Madry et al. (2018) and the CIFAR-10 challenge',
      models: ['wrn-34-10'],
      options: {},
      training: {
        attack: { eps: EPS, stepSize: 2 / 255, steps: 7, start: 'uniform' },
        batchSize: 128,
        steps: 80_000,
        lr: new StepSchedule({ baseLr: 0.1, drops: [103, 154] }),
        momentum: 0.9,
        weightDecay: 2e-4,
      },
      doubts: [
        "the publication's network is its own kind of wide residual network, of 32 layers; wrn-34-10 is the nearest",
        'the adversary takes the 7 steps of the publication; a configuration of the published code has 10',
        'the published drops are after 40,000 and 60,000 steps; here at the beginnings of the nearest epochs of 391 steps',
        'the published code makes adversarial images with batch norm in training mode; here it is in evaluation mode',
        'the published code standardises each image inside the network; wrn-34-10 does not',
      ],
    },
  ],
  'fast-at': [
    {
      source: "Wong, Rice and Kolter (2020), the published code's for CIFAR-10",
      models: ['preact-resnet18'],
      options: { stepSize: 1.25, craftIn: 'train' },
      training: {
        attack: { eps: EPS, stepSize: 10 / 255, steps: 1, start: 'uniform' },
        batchSize: 128,
        epochs: 15,
        lr: new CyclicSchedule({ baseLr: 0.2, peak: 0.5 }),
        momentum: 0.9,
        weightDecay: 5e-4,
      },
      doubts: ['the published code normalises images by mean and standard deviation, and trains in half precision'],
    },
  ],
  trades: [
    {
      source: "Zhang et al. (2019), the published code's for CIFAR-10",
      models: ['wrn-34-10', 'resnet18'],
      options: { lambda: 6, passes: 'original' },
      training: {
        attack: TRADES_ADVERSARY,
        batchSize: 128,
        // Soon after the first drop; the others are for longer runs.
        epochs: 76,
        lr: new StepSchedule({ baseLr: 0.1, drops: [75, 90, 100] }),
        momentum: 0.9,
        weightDecay: 2e-4,
      },
      attacks: TRADES_ATTACKS,
      doubts: [],
    },
  ],
  mma: [
    {
      source: "Ding et al. (2020), the published code's for CIFAR-10, with the margin 32/255",
      models: ['wrn-28-4'],
      options: CIFAR_MMA,
      training: MMA_TRAINING,
      doubts: MMA_DOUBTS,
    },
  ],
  'mma-fixed': [
    {
      source: "Ding et al. (2020), the published code's for CIFAR-10, at the fixed eps 8/255",
      models: ['wrn-28-4'],
      options: {},
      training: MMA_TRAINING,
      doubts: ['the publication searches for the eps of each sample, which objective mma does', ...MMA_DOUBTS],
    },
  ],
  mart: [
    {
      source: "Wang et al. (2020), the published code's for ResNet-18",
      models: ['resnet18'],
      options: { lambda: 5, martCompat: true },
      training: {
        attack: TRADES_ADVERSARY,
        batchSize: 128,
        epochs: 120,
        lr: new StepSchedule({ baseLr: 0.01, drops: [75, 90, 100] }),
        momentum: 0.9,
        weightDecay: 3.5e-3,
      },
      attacks: TRADES_ATTACKS,
      doubts: [MART_DOUBT],
    },
    {
      source: "Wang et al. (2020), the published code's for WRN-34-10",
      models: ['wrn-34-10'],
      options: { lambda: 6, martCompat: true },
      training: {
        attack: TRADES_ADVERSARY,
        batchSize: 128,
        epochs: 90,
        lr: new StepSchedule({ baseLr: 0.1, drops: [75, 90, 100] }),
        momentum: 0.9,
        weightDecay: 7e-4,
      },
      attacks: TRADES_ATTACKS,
      doubts: [MART_DOUBT],
    },
  ],
};
