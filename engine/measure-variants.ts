import type { Device } from './device.js';
import type { TuneOptions, Tuned } from './tune.js';
import { adapterKey, type Variant, type VariantChoice } from './variants.js';

/** Milliseconds that one choice may take. */
const CHOICE_BUDGET = 200;

/** Rounds in which the candidates take turns. */
const ROUNDS = 3;

/** How far a variant may be from the plain one: the L2 norm of the difference, relative. Winograd's transforms cost a few bits. */
const AGREEMENT = 1e-4;

/** The work of `tune`, which loads it when it is called. */
export async function measureVariants(device: Device, options: TuneOptions): Promise<Tuned[]> {
  const { budget = 3000, onTuned } = options;
  const end = performance.now() + budget;
  const results: Tuned[] = [];
  // Trying the variants of one op may ask for another's: Winograd's for a product.
  for (let [choice] = device.variants.asked; choice && performance.now() < end; [choice] = device.variants.asked) {
    const asked = choice;
    const tuned = await device.scope(() => tuneOne(device, asked, Math.min(end, performance.now() + CHOICE_BUDGET)));
    device.variants.set(asked.key, tuned.chosen);
    results.push(tuned);
    onTuned?.(tuned);
  }
  const { store } = device.variants;
  if (store && results.length > 0) {
    const adapter = adapterKey(device.caps);
    const chosen = Object.fromEntries(results.map((tuned) => [tuned.key, tuned.chosen]));
    // Beside what others have measured meanwhile, or a run has not taken over.
    await store.save(adapter, { ...(await store.load(adapter)), ...chosen });
  }
  return results;
}

async function tuneOne(device: Device, { key, candidates, trial }: VariantChoice, end: number): Promise<Tuned> {
  const inputs = trial.inputs();
  const values = (variant: number): Promise<Float32Array> =>
    device.scope(async () => trial.record(variant, inputs).floats());
  const reference = await values(trial.plain);
  const admitted: { variant: number; times: number[]; repetitions: number }[] = [];
  for (const variant of candidates.keys()) {
    // The expected one is always measured, the others while there is time.
    if (admitted.length > 0 && performance.now() > end) break;
    if (apart(await values(variant), reference) > AGREEMENT) continue;
    const once = await time(device, 1, () => trial.record(variant, inputs));
    admitted.push({ variant, times: [], repetitions: Math.max(1, Math.min(50, Math.ceil(2 / once))) });
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const { variant, times, repetitions } of admitted) {
      times.push(await time(device, repetitions, () => trial.record(variant, inputs)));
    }
  }
  const medians = candidates.map((_, variant) => {
    const own = admitted.find((one) => one.variant === variant)?.times;
    return own && [...own].sort((a, b) => a - b)[own.length >> 1];
  });
  const best = medians.reduce<number>(
    (fastest, ms, variant) => ((ms ?? Infinity) < (medians[fastest] ?? Infinity) ? variant : fastest),
    trial.plain,
  );
  const nameOf = (variant: number): Variant => candidates[variant] ?? key;
  return {
    ...{ key, chosen: nameOf(best), expected: nameOf(0) },
    times: medians.map((ms, variant) => ({ variant: nameOf(variant), ms })),
  };
}

/** Milliseconds of one repetition. */
async function time(device: Device, repetitions: number, record: () => unknown): Promise<number> {
  await device.sync();
  const start = performance.now();
  for (let repetition = 0; repetition < repetitions; repetition++) device.scope(() => void record());
  await device.sync();
  return (performance.now() - start) / repetitions;
}

function apart(mine: Float32Array, reference: Float32Array): number {
  let [difference, size] = [0, 0];
  reference.forEach((value, at) => {
    difference += ((mine[at] ?? NaN) - value) ** 2;
    size += value ** 2;
  });
  const relative = Math.sqrt(difference / (size || 1));
  return Number.isNaN(relative) ? Infinity : relative;
}
