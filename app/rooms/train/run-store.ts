import { createStore, del, get, set } from 'idb-keyval';
import type { Curves } from './curves.js';
import type { TrainSettings } from './settings.js';

/** A run as it is kept in the browser: what it takes to go on after the page was closed. */
export interface KeptRun {
  readonly settings: TrainSettings;
  readonly curves: Curves;
  /** A training checkpoint, as `encodeTrainingCheckpoint` writes it. */
  readonly checkpoint: Uint8Array<ArrayBuffer>;
  readonly step: number;
  /** Whether it learns from the images that the page ships: others do not outlive the page. */
  readonly isShipped: boolean;
}

const store = createStore('bulwark-playground', 'runs');
const KEY = 'run';

/** Keeps a run, whole or not at all, in place of the one before. */
export async function keepRun(run: KeptRun): Promise<void> {
  await set(KEY, run, store);
}

/** The run that was kept; undefined where there is none, or the browser keeps nothing. */
export async function keptRun(): Promise<KeptRun | undefined> {
  try {
    return await get<KeptRun>(KEY, store);
  } catch {
    // Private windows may keep nothing.
    return undefined;
  }
}

/** Forgets the run. */
export async function discardRun(): Promise<void> {
  await del(KEY, store).catch(() => undefined);
}
