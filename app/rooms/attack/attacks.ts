/** The attacks that the room offers, by the names that the library gives them. */
export const ATTACKS = {
  fgsm: { title: 'FGSM', steps: undefined, bounded: true },
  bim: { title: 'BIM', steps: 10, bounded: true },
  rfgsm: { title: 'R+FGSM', steps: undefined, bounded: true },
  ffgsm: { title: 'Fast FGSM', steps: undefined, bounded: true },
  pgd: { title: 'PGD', steps: 10, bounded: true },
  cw: { title: 'CW (margin of logits)', steps: 10, bounded: true },
  deepfool: { title: 'DeepFool (no bound)', steps: 50, bounded: false },
} as const satisfies Readonly<Record<string, AttackFacts>>;

/** What there is to choose of an attack. */
interface AttackFacts {
  readonly title: string;
  /** How many steps it takes unless told; undefined where it takes one by its definition. */
  readonly steps: number | undefined;
  /** Whether it keeps within eps. */
  readonly bounded: boolean;
}

export type AttackName = keyof typeof ATTACKS;

/** What is asked for. */
export interface AttackRequest {
  readonly attack: AttackName;
  readonly eps: number;
  readonly steps: number;
  /** 28 x 28 values from 0 to 1. */
  readonly pixels: Float32Array;
  /** What the picture shows; unless it is known, each model is led away from what it says itself. */
  readonly label: number | undefined;
}

/** What an attack on one model came to. */
export interface Outcome {
  /** The changed picture, 28 x 28 values from 0 to 1. */
  readonly pixels: Float32Array;
  /** Probabilities of the ten digits, of the picture as it was and as it is. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** What the attack raises, at its start and after each step. */
  readonly path: readonly number[];
  /** The largest change of a pixel. */
  readonly distance: number;
}

/** What {@link Outcome.path} is of: what the attack raises. */
export function lossOf(attack: AttackName): 'cross-entropy' | 'margin' {
  return attack === 'cw' || attack === 'deepfool' ? 'margin' : 'cross-entropy';
}

/** The place of the largest probability. */
export function mostLikely(probabilities: readonly number[]): number {
  return probabilities.indexOf(Math.max(...probabilities));
}
