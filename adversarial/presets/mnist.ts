import { StepSchedule, TrapezoidSchedule } from '../../nn/optim/schedule.js';
import { mimaeAT } from '../objectives/mimae-at.js';
import { budgetDoubts, paperAttacks, standardAttacks } from './attacks.js';
import { modelWith } from './choice.js';
import type { Preset } from './preset.js';

/** MIMAE-AT on MNIST in 400 steps at eps 0.2: what to start from. */
export const MNIST_RECOMMENDED: Preset = {
  name: 'recommended',
  dataset: 'mnist',
  summary:
    'MIMAE-AT at eps 0.2 in 400 steps: eps grows over the first 60 % of the run, the rate over the first half, and the L1 term ' +
    'weighs 0.1, so that training leaves the uniform solution and stays away. About 97 % natural and 91 % PGD-20 accuracy.',
  warnings: [],
  model: modelWith('cnn4', { width: 0.5, init: 'kaimingNormal', dropout: 0 }),
  objective: mimaeAT({ lambda: 0.4, beta: 0.1 }),
  training: {
    attack: { eps: 0.2, steps: 5, rampFraction: 0.6 },
    batchSize: 64,
    steps: 400,
    lr: new TrapezoidSchedule({ baseLr: 0.03, warmup: 0.5, decay: 0.3 }),
    momentum: 0.9,
    weightDecay: 2e-4,
  },
  attacks: standardAttacks(0.2),
};

const PAPER_BUDGET = { eps: 0.3, stepSize: 0.01, steps: 10 };
const PAPER_OBJECTIVE = mimaeAT({ lambda: 0.4, beta: 1 });
const PAPER_ATTACKS = paperAttacks(0.3, 0.005, [20, 40]);

/** MIMAE-AT on MNIST as Atsague, Fakorede and Tian (2021) describe it. */
export const MNIST_PAPER: Preset = {
  name: 'paper',
  dataset: 'mnist',
  summary:
    'MIMAE-AT on MNIST with the settings of Atsague, Fakorede and Tian (2021): eps 0.3, 100 epochs; lambda and beta, which ' +
    'the paper gives for ResNet-18 only, 0.4 and 1.',
  warnings: [
    ...budgetDoubts(PAPER_OBJECTIVE, PAPER_BUDGET, PAPER_ATTACKS),
    'beta 1 on the summed L1 term can keep the loss at the value of uniform predictions for hundreds of steps',
  ],
  model: modelWith('cnn4', { width: 1, init: 'trades', dropout: 0.5 }),
  objective: PAPER_OBJECTIVE,
  training: {
    attack: PAPER_BUDGET,
    batchSize: 128,
    epochs: 100,
    lr: new StepSchedule({ baseLr: 0.01, drops: [55, 75, 90] }),
    momentum: 0.9,
    weightDecay: 2e-4,
  },
  attacks: PAPER_ATTACKS,
};
