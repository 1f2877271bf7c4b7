import type { SanityCheck, Verdict } from '../../../adversarial/sanity-checks.js';
import type { Proportion } from '../../../adversarial/statistics.js';

/** What images are classified as: as they are, or under an attack. */
export const VERSIONS = { natural: 'Natural', fgsm: 'FGSM', 'pgd-20': 'PGD-20' } as const;
export type Version = keyof typeof VERSIONS;

/** The radii of the curve. */
export const RADII = [0, 0.1, 0.2, 0.3, 0.4, 0.5] as const;

/** What is asked for. */
export interface EvaluationRequest {
  /** The titles of the models, each different. */
  readonly titles: readonly string[];
  /** How many test images, as many of each digit. */
  readonly images: number;
  /** The radius of the table and of the sanity checks. */
  readonly eps: number;
  /** Whether to make the sanity checks too. */
  readonly sanity: boolean;
}

/** What was found of one model so far. */
export interface Findings {
  readonly title: string;
  readonly accuracies: Readonly<Partial<Record<Version, Proportion>>>;
  /** Accuracy under PGD-20 against its radius, as far as it is known, by {@link RADII}. */
  readonly curve: readonly { readonly eps: number; readonly accuracy: Proportion }[];
  readonly sanity?: { readonly verdict: Verdict; readonly checks: readonly SanityCheck[] };
}

/** Nothing yet. */
export function noFindings(title: string): Findings {
  return { title, accuracies: {}, curve: [] };
}

/** How far an evaluation has come. */
export interface Progress {
  /** What is being measured, in words. */
  readonly doing: string;
  /** 0 to 1. */
  readonly share: number;
}

/** A fraction of one in per cent with one decimal. */
export function percent(value: number): string {
  return (100 * value).toFixed(1);
}

/** A proportion with its 95 % interval, such as `96.5 % (95.2 to 97.5)`. */
export function inWords({ value, low, high }: Proportion): string {
  return `${percent(value)} % (${percent(low)} to ${percent(high)})`;
}
