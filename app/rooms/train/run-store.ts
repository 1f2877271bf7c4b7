import { createStore, del, get, set } from 'idb-keyval';
import type { ModelDescription } from '../../../nn/model-file.js';
import type { Curves } from './curves.js';
import type { ImagesFacts } from './images.js';
import type { TrainSettings } from './settings.js';

/** A run as it is kept in the browser, and in files: what it takes to go on with it. */
export interface KeptRun {
  readonly settings: TrainSettings;
  /** The network: that of the settings, or of the file that the run began with. */
  readonly model: ModelDescription;
  readonly images: ImagesFacts;
  readonly curves: Curves;
  /** What happened, in sentences, oldest first. */
  readonly notes: readonly string[];
  readonly step: number;
  /** A training checkpoint, as `encodeTrainingCheckpoint` writes it. */
  readonly checkpoint: Uint8Array<ArrayBuffer>;
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
