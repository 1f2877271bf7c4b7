/** Names that the goals know cases by. */

/** The convolution that the goals are about. */
export const HEADLINE_CONV = 'conv 3x3 N16 C64 16x16 K64';

/** The training step that the goals are about, whatever its size. */
export const STEP_FOR_GOALS = '4-layer CNN, PGD-10 step';
