import { listOPFS, loadFromOPFS, removeFromOPFS, saveToOPFS } from '../data/opfs.js';
import { StorageError } from '../engine/errors.js';
import { decodeTrainingCheckpoint, encodeTrainingCheckpoint, type TrainingCheckpoint } from './training-checkpoint.js';

/** Checkpoints of runs, by the runs' names: what a page needs to go on after it was loaded anew. */
export interface CheckpointStore {
  /** Replaces the run's checkpoint once the new one is written whole; throws a `StorageError` where there is no space. */
  save(run: string, checkpoint: TrainingCheckpoint): Promise<void>;
  /** Undefined where the run has none; throws a `FormatError` where it is broken. */
  load(run: string): Promise<TrainingCheckpoint | undefined>;
  remove(run: string): Promise<void>;
  /** The runs that have one. */
  runs(): Promise<string[]>;
}

const ENDING = '.safetensors';

/**
 * Checkpoints in the origin private file system, in a folder:
 * `trainer.run({ checkpointEvery: 100, onCheckpoint: async () => store.save('run', await trainer.checkpoint()) })`, and after a reload
 * `const checkpoint = await store.load('run')` for `trainer.restore`.
 */
export function opfsCheckpoints(folder = 'checkpoints'): CheckpointStore {
  const pathOf = (run: string): string => `${folder}/${run}${ENDING}`;
  return {
    save: (run, checkpoint) => saveToOPFS(pathOf(run), encodeTrainingCheckpoint(checkpoint)),
    load: async (run) => {
      const path = pathOf(run);
      try {
        const file = await loadFromOPFS(path);
        return decodeTrainingCheckpoint(new Uint8Array(await file.arrayBuffer()), path);
      } catch (error) {
        if (error instanceof StorageError && error.reason === 'missing') return undefined;
        throw error;
      }
    },
    remove: (run) => removeFromOPFS(pathOf(run)),
    runs: async () => {
      const files = await listOPFS(folder);
      return files
        .map(({ path }) => path.slice(folder.length + 1))
        .flatMap((name) => (name.endsWith(ENDING) ? [name.slice(0, -ENDING.length)] : []));
    },
  };
}
