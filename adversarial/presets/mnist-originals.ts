import { StepSchedule, TrapezoidSchedule } from '../../nn/optim/schedule.js';
import { fgsmAttack } from '../attacks/fgsm.js';
import { pgdAttack } from '../attacks/pgd.js';
import type { Original } from './original.js';
import type { PresetTraining } from './preset.js';

const OTHER_NETWORK = "the publication's MNIST network is another one; this is cnn4";

/** The adversary of the MNIST challenge, which others took over. */
const PGD_40 = { eps: 0.3, stepSize: 0.01, steps: 40 } as const;

/** Adam at 1e-4 for 100,000 steps. */
const CHALLENGE: PresetTraining = {
  attack: { ...PGD_40, start: 'uniform' },
  batchSize: 50,
  steps: 100_000,
  optimizer: 'adam',
  lr: new StepSchedule({ baseLr: 1e-4 }),
  momentum: 0,
  weightDecay: 0,
};

const MODELS = ['cnn4'] as const;

/** How publications train on MNIST, by objective. */
export const MNIST_ORIGINALS: Readonly<Record<string, readonly Original[]>> = {
  'standard-at': [
    {
      source: "Madry et al. (2018), the MNIST challenge's code",
      models: MODELS,
      options: {},
      training: CHALLENGE,
      doubts: [OTHER_NETWORK],
    },
  ],
  'fast-at': [
    {
      source: "Wong, Rice and Kolter (2020), the published code's for MNIST",
      models: MODELS,
      options: { stepSize: 1.25, craftIn: 'train' },
      training: {
        attack: { eps: 0.3, stepSize: 0.375, steps: 1, start: 'uniform' },
        batchSize: 100,
        epochs: 10,
        optimizer: 'adam',
        lr: new TrapezoidSchedule({ baseLr: 5e-3, warmup: 0.4, decay: 0.6 }),
        momentum: 0,
        weightDecay: 0,
      },
      doubts: [OTHER_NETWORK],
    },
  ],
  alp: [
    {
      source: 'Kannan, Kurakin and Goodfellow (2018)',
      models: MODELS,
      options: { lambda: 0.5 },
      training: CHALLENGE,
      doubts: [
        OTHER_NETWORK,
        "the optimiser is the MNIST challenge's, on which the publication builds",
        'the publication adds the cross-entropy of natural images, which this objective does not have',
      ],
    },
  ],
  trades: [
    {
      source: "Zhang et al. (2019), the published code's for MNIST",
      models: MODELS,
      options: { lambda: 1, passes: 'original' },
      training: {
        attack: { ...PGD_40, start: 'normal' },
        batchSize: 128,
        epochs: 100,
        lr: new StepSchedule({ baseLr: 0.01, drops: [55, 75, 90] }),
        momentum: 0.9,
        weightDecay: 0,
      },
      attacks: { fgsm: fgsmAttack({ eps: PGD_40.eps }), 'pgd-40': pgdAttack(PGD_40) },
      doubts: [],
    },
  ],
  mma: [
    {
      source: "Ding et al. (2020), the published code's for MNIST, with the margin 0.45",
      models: MODELS,
      options: { dMax: 0.45, minEps: 0.1, steps: 40, searchSteps: 10, cleanWeight: 1 / 3 },
      training: CHALLENGE,
      doubts: [OTHER_NETWORK],
    },
  ],
  'mma-fixed': [
    {
      source: "Ding et al. (2020), the published code's for MNIST, at the fixed eps 0.3",
      models: MODELS,
      options: {},
      training: CHALLENGE,
      doubts: [OTHER_NETWORK, 'the publication searches for the eps of each sample, which objective mma does'],
    },
  ],
  mart: [
    {
      source: "Wang et al. (2020), the published code's for ResNet-18",
      models: MODELS,
      options: { lambda: 5, martCompat: true },
      training: {
        attack: { ...PGD_40, start: 'normal' },
        batchSize: 128,
        epochs: 120,
        lr: new StepSchedule({ baseLr: 0.01, drops: [75, 90, 100] }),
        momentum: 0.9,
        weightDecay: 3.5e-3,
      },
      doubts: [
        "the published code trains on CIFAR-10 only: its optimiser is here with the adversary of TRADES' MNIST code",
      ],
    },
  ],
};
