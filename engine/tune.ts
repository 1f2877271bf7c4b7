import type { Device } from './device.js';
import type { Variant } from './variants.js';

/** Options of {@link tune}. */
export interface TuneOptions {
  /** Milliseconds to spend in all; 3,000 unless told. What there is no time for is left as expected. */
  readonly budget?: number;
  /** Called after each choice. */
  readonly onTuned?: (tuned: Tuned) => void;
}

/** What came of one choice. */
export interface Tuned {
  readonly key: string;
  readonly chosen: Variant;
  /** What would have been taken without measurement. */
  readonly expected: Variant;
  /** Milliseconds of each variant, a median; those that disagree with the plain one have none. */
  readonly times: readonly { readonly variant: Variant; readonly ms: number | undefined }[];
}

/** `tune` where it is worth it unasked: on a real GPU, for what was computed for the first time. */
export async function tuneAtFirstUse(device: Device): Promise<void> {
  if (!device.caps.software && device.variants.isAsked) await tune(device);
}

/**
 * Measures the variants of everything that the device has computed so far by expectation only, in turn, and takes the fastest of
 * those that agree with the plain one. Meant for real GPUs; on software adapters, where each variant takes long to compile, only
 * when one asks for it. What was chosen is kept in the device's store, if it has one (see `useVariantStore`).
 */
export async function tune(device: Device, options: TuneOptions = {}): Promise<Tuned[]> {
  const { measureVariants } = await import('./measure-variants.js');
  return measureVariants(device, options);
}
