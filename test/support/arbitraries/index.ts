import { elementwiseArbitraries } from './elementwise.js';
import { movementArbitraries } from './movement.js';
import { networkArbitraries } from './network.js';
import { reduceArbitraries } from './reduce.js';
import type { Drawing } from './shapes.js';

/** What each op is drawn from in property tests, by the op's name. */
export const arbitraries: Readonly<Record<string, Drawing>> = {
  ...elementwiseArbitraries,
  ...movementArbitraries,
  ...reduceArbitraries,
  ...networkArbitraries,
};
