/** Names that the goals know cases by. */

/** The convolution that the goals are about. */
export const HEADLINE_CONV = 'conv 3x3 N16 C64 16x16 K64';

/** The training step that the goals are about, whatever its size. */
export const STEP_FOR_GOALS = '4-layer CNN, PGD-10 step';

const QUICK = [
  'matmul 512',
  `${HEADLINE_CONV}, forward`,
  `${HEADLINE_CONV}, forward + both gradients`,
  'x tanh(',
  'softmax cross-entropy of',
];

/** Whether a case is of the handful that gives a first impression. */
export function isQuick(name: string): boolean {
  return QUICK.some((start) =>
    start.endsWith('(') || start.endsWith(' of') ? name.startsWith(start) : name === start,
  );
}
