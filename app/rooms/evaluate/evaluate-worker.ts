/** The work of the room Evaluate: a worker with a device of its own, on which models are measured. */
import { expose } from 'comlink';
import { balancedSubset } from '../../../data/split.js';
import { shippedMnist } from '../../shipped-mnist.js';
import { HeldDevice } from '../../worker/held-device.js';
import { ModelShelf } from '../../worker/model-shelf.js';
import { openDevice } from '../../worker/open-device.js';
import type { EvaluationRequest, Findings, Progress } from './findings.js';
import { measure } from './measure.js';

const held = new HeldDevice(openDevice);
const shelf = new ModelShelf();
let stopping = new AbortController();

const worker = {
  /** Takes a model, so that it can be measured by its title; throws as `ModelShelf.add` does. */
  addModel: (title: string, bytes: Uint8Array): Promise<void> =>
    held.use((device) => {
      shelf.add(title, bytes, device);
      return Promise.resolve();
    }),

  /** Measures models by their titles. Gives whether it came to its end, or was stopped. `page` is the page's address. */
  measure: async (
    page: string,
    { titles, images, ...what }: EvaluationRequest,
    onFindings: (findings: Findings) => void,
    onProgress: (progress: Progress) => void,
  ): Promise<boolean> => {
    stopping = new AbortController();
    const { signal } = stopping;
    const dataset = balancedSubset(await shippedMnist('test', page), images / 10);
    try {
      await held.use(async (device) => {
        const contestants = titles.map((title) => ({ title, model: shelf.model(title, device) }));
        await measure(contestants, dataset, { ...what, signal, onFindings, onProgress });
      });
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    }
  },

  /** Ends what is being measured after its next images. */
  stop: (): void => {
    stopping.abort();
  },
};

/** What the room's page calls. */
export type EvaluateWorker = typeof worker;

expose(worker);
