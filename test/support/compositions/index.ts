import { arrangeCompositions } from './arrange.js';
import type { Composition } from './composition.js';
import { convCompositions } from './conv.js';
import { lossCompositions } from './losses.js';
import { normCompositions } from './norm.js';
import { poolCompositions } from './pool.js';
import { statisticsCompositions } from './statistics.js';

/** Every public function that computes tensors from tensors and has no record of its own. */
export const compositions: readonly Composition[] = [
  ...arrangeCompositions,
  ...statisticsCompositions,
  ...convCompositions,
  ...poolCompositions,
  ...normCompositions,
  ...lossCompositions,
];
