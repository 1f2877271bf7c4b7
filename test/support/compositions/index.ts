import { everyCheck, type RecordCheck } from '../records.js';
import { arrangeCompositions } from './arrange.js';
import { checksOfComposition, type Composition } from './composition.js';
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

/** The checks of all of them, and of every op. */
export function everyCheckAndComposition(): RecordCheck[] {
  return [...everyCheck(), ...compositions.flatMap(checksOfComposition)];
}
