import type { Generator } from '../../engine/random.js';
import type { Tensor } from '../../engine/tensor.js';
import type { Model } from '../model.js';

/** Where an attack's random numbers come from. */
export interface AttackRandom {
  readonly generator: Generator;
  /**
   * The samples' numbers in their dataset, i32 `[m]`: with them, the random numbers of a sample depend on its number alone, in whatever
   * batch it is; without, on its place.
   */
  readonly samples?: Tensor | undefined;
}

/** What a caller sees of an attack on its way. */
export interface Watched {
  /**
   * Called with each point of the attack, of the images' shape: where it starts, then where each step leads. The attack frees them:
   * to keep one, copy it. Within a compiled function it is called when that is captured alone.
   */
  readonly onPoint?: ((point: Tensor) => void) | undefined;
}

/** What an attack that runs from the host gets besides. */
export interface HostedRun extends AttackRandom {
  /** Ends the attack between two of its steps; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

interface AttackSettings {
  /** What a report says of it: names and values of the settings. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** What is doubtful about the settings, in sentences. */
  readonly warnings: readonly string[];
}

/** An attack whose work is only recorded: `evaluate` captures all of it at once (see `compile`). */
export interface RecordedAttack extends AttackSettings {
  readonly hosted?: false;
  /** Adversarial versions of images `[m, ...]` with classes i32 `[m]`. */
  readonly run: (model: Model, x: Tensor, labels: Tensor, random: AttackRandom) => Tensor;
}

/**
 * An attack that is driven from the host: one that looks at values on its way, such as which samples are left, or whose steps are too
 * many to be captured at once. It captures steps by itself. What it gives is the caller's to dispose of.
 */
export interface HostedAttack extends AttackSettings {
  readonly hosted: true;
  /** Adversarial versions of images `[m, ...]` with classes i32 `[m]`. */
  readonly run: (model: Model, x: Tensor, labels: Tensor, run: HostedRun) => Promise<Tensor>;
}

/** An attack with its settings, ready to run on one batch after another. A new one is an object with these members. */
export type Attack = RecordedAttack | HostedAttack;
