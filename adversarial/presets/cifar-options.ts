import type { OptionValues } from '../objectives/objective.js';

/** Zeros around the images, a crop at random, and mirroring of every other image on average: He et al. 2016. */
export const CIFAR_AUGMENTATION = { padCropFlip: { padding: 4, flip: true } } as const;

/** MMA's for CIFAR-10: margins up to 32 / 255, rounded as published; those by default are for MNIST. */
export const CIFAR_MMA: OptionValues = { dMax: 0.1255, minEps: 0.005, steps: 10, searchSteps: 10, cleanWeight: 1 / 3 };
