import type { Measurement } from './measure.js';

/** Everything that a run of the suite found, as its JSON has it. */
export interface Results {
  /** `lavapipe`, `swiftshader`, `gpu`, or `browser`. */
  readonly adapter: string;
  /** The driver's own description. */
  readonly driver: string;
  /** Day of the run, as 2026-01-31. */
  readonly date: string;
  /** Versions of what took part, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** Multiply-adds of f32 that the hardware can do at most, in GFLOP/s, where it is a GPU whose peak is known. */
  readonly peakGflops?: number;
  /** Cases that failed, and why. */
  readonly failures: readonly { readonly name: string; readonly reason: string }[];
  readonly measurements: readonly Measurement[];
}

/** GFLOP/s or GB/s of a case, by the definition of what it computes; undefined where neither is its measure. */
export function rateOf({ flops, bytes }: Measurement, ms: number): string | undefined {
  if (flops !== undefined) return `${(flops / ms / 1e6).toFixed(1)} GFLOP/s`;
  return bytes === undefined ? undefined : `${(bytes / ms / 1e6).toFixed(1)} GB/s`;
}

/** Milliseconds with three digits. */
export function formatMs(ms: number): string {
  return Number(ms.toPrecision(3)).toString();
}

/** A ratio with its spread, as `4.2 (3.9 to 4.4)`. */
export function formatRatio({ median, least, most }: Measurement['timings'][number]['ratio']): string {
  const text = (value: number): string => Number(value.toPrecision(value < 10 ? 2 : 3)).toString();
  return `${text(median)} (${text(least)} to ${text(most)})`;
}

/** Bytes in MB with one decimal. */
export function formatBytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
