import type { OpReference } from '../reference.js';
import { activationReferences } from './activation.js';
import { convReferences } from './conv.js';
import { elementwiseReferences } from './elementwise.js';
import { indexingReferences } from './indexing.js';
import { lossReferences } from './losses.js';
import { matmulReferences } from './matmul.js';
import { movementReferences } from './movement.js';
import { normReferences } from './norm.js';
import { poolReferences } from './pool.js';
import { randomReferences } from './random.js';
import { reduceReferences } from './reduce.js';
import { softmaxReferences } from './softmax.js';
import { sortReferences } from './sort.js';
import { statisticsReferences } from './statistics.js';

/** The definition of every op in float64, by the op's name, given a sample's attributes. */
export const references: Readonly<Record<string, OpReference>> = {
  ...elementwiseReferences,
  ...activationReferences,
  ...movementReferences,
  ...indexingReferences,
  ...reduceReferences,
  ...statisticsReferences,
  ...sortReferences,
  ...softmaxReferences,
  ...matmulReferences,
  ...convReferences,
  ...poolReferences,
  ...normReferences,
  ...lossReferences,
  ...randomReferences,
};
