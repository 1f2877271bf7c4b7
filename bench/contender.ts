import type { ContenderName } from './case.js';

/** One library at one case, ready to be timed. */
export interface Contender {
  readonly name: ContenderName;
  /** Records one repetition. */
  run(): void;
  /** Waits until all that was recorded is done. */
  finish(): Promise<void>;
  /** The numbers that the last repetition computed. */
  values(): Promise<Float32Array[]>;
  /** What one repetition takes, where the library can tell. */
  readonly census?: () => Promise<Census>;
  dispose(): void;
}

/** Exact counts of one repetition. */
export interface Census {
  readonly dispatches: number;
  readonly submits: number;
  /** Made anew. */
  readonly buffers: number;
  readonly bindGroups: number;
  readonly pipelines: number;
  /** Of buffers held at once, inputs and parameters included. */
  readonly peakBytes: number;
}

/** The difference of two results relative to the second, in the L2 norm. */
export function distance(mine: readonly Float32Array[], theirs: readonly Float32Array[]): number {
  let [difference, size] = [0, 0];
  const sizes = (lists: readonly Float32Array[]): string => lists.map(({ length }) => length).join();
  if (sizes(mine) !== sizes(theirs)) return Infinity;
  theirs.forEach((values, index) => {
    values.forEach((value, at) => {
      difference += ((mine[index]?.[at] ?? NaN) - value) ** 2;
      size += value ** 2;
    });
  });
  return size === 0 ? Math.sqrt(difference) : Math.sqrt(difference / size);
}
