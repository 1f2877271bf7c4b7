import type * as jaxModule from '@jax-js/jax';
import type { Array as JaxArray } from '@jax-js/jax';
import type * as tfjsModule from '@tensorflow/tfjs-core';
import type { Tensor as TfjsTensor } from '@tensorflow/tfjs-core';
import type { Device, Tensor } from '../engine/index.js';

/** The libraries that a case may be computed by, and other ways in which bulwark does it. */
export type ContenderName = 'bulwark' | 'jax-js' | 'tfjs' | 'bulwark, eager' | 'bulwark, composed';

/** jax-js's module. */
export type Jax = typeof jaxModule;
/** The module of tfjs. */
export type Tfjs = typeof tfjsModule;
export type { JaxArray, TfjsTensor };

/** What one library does for a case, over and over. */
export interface Work<T> {
  /** Records one repetition and gives what it computes. */
  run(): readonly T[];
  /** The results of the first repetition as bulwark lays them out, where that is different; not timed. */
  toCommonLayout?(results: readonly T[]): readonly T[];
  /** Frees the inputs. */
  dispose(): void;
}

/** Where a line belongs in the report. */
export type CaseGroup = 'matmul' | 'convolution' | 'memory' | 'mutual information' | 'training step';

/** A line of the suite: the same computation by several libraries. */
export interface Case {
  readonly name: string;
  readonly group: CaseGroup;
  /** Floating-point operations by the definition, where they are the measure of the work. */
  readonly flops?: number;
  /** Bytes that must be read and written at least, where they are the measure. */
  readonly bytes?: number;
  /** How far the libraries' first results may be apart: the L2 norm of the difference, relative. */
  readonly tolerance: number;
  readonly bulwark: (device: Device) => Work<Tensor>;
  /** Other ways of bulwark's, which the first is compared with. */
  readonly ways?: Readonly<Partial<Record<ContenderName, (device: Device) => Work<Tensor>>>>;
  readonly jax?: (jax: Jax) => Work<JaxArray>;
  readonly tfjs?: (tf: Tfjs) => Work<TfjsTensor>;
}
