/** What the room Evaluate knows and does: kept while one visits other rooms. */
import { signal } from '@preact/signals';
import { proxy } from 'comlink';
import { GivenModels } from '../../given-models.js';
import { SHIPPED_MODELS } from '../../models.js';
import { roomWorker } from '../../room-worker.js';
import { sentenceOf } from '../../sentence.js';
import type { EvaluateWorker } from './evaluate-worker.js';
import { noFindings, type EvaluationRequest, type Findings, type Progress } from './findings.js';

/** The titles of the models to measure. */
export const sides = signal<readonly [string, string]>([SHIPPED_MODELS[0].title, SHIPPED_MODELS[1].title]);
export const images = signal(100);
/** What the robust model was trained to withstand. */
export const eps = signal(0.2);
export const sanity = signal(false);

/** What is measured, or was last. */
export const request = signal<EvaluationRequest | undefined>(undefined);
/** What was found, model by model. */
export const findings = signal<readonly Findings[]>([]);
/** While something is measured. */
export const progress = signal<Progress | undefined>(undefined);
/** How the last measurement ended. */
export const ended = signal<'finished' | 'stopped' | undefined>(undefined);
/** What went wrong, in a sentence. */
export const problem = signal<string | undefined>(undefined);

const remote = roomWorker<EvaluateWorker>(
  () => new Worker(new URL('./evaluate-worker.ts', import.meta.url), { type: 'module' }),
  (sentence) => {
    models.clear();
    problem.value = sentence;
    progress.value = undefined;
  },
);
const models = new GivenModels((title, bytes) => remote().addModel(title, bytes));

/** Says that the measurement under way is to stop, also before its worker has anything to stop. */
let stopping = new AbortController();

/** Measures what is chosen, unless something is being measured. */
export async function measure(): Promise<void> {
  if (progress.value) return;
  const titles = [...new Set(sides.value)];
  const asked = { titles, images: images.value, eps: eps.value, sanity: sanity.value };
  [request.value, problem.value, ended.value] = [asked, undefined, undefined];
  findings.value = titles.map(noFindings);
  stopping = new AbortController();
  const { signal: stopped } = stopping;
  progress.value = { doing: 'loading the models', share: 0 };
  try {
    await Promise.all(titles.map((title) => models.give(title)));
    const finished =
      !stopped.aborted &&
      (await remote().measure(
        document.baseURI,
        asked,
        proxy((found) => {
          findings.value = findings.value.map((before) => (before.title === found.title ? found : before));
        }),
        proxy((now) => {
          if (progress.value && !stopped.aborted) progress.value = now;
        }),
      ));
    ended.value = finished ? 'finished' : 'stopped';
  } catch (error) {
    problem.value = sentenceOf(error);
  } finally {
    progress.value = undefined;
  }
}

/** Ends what is being measured; what was found stays. */
export async function stop(): Promise<void> {
  stopping.abort();
  if (progress.value) progress.value = { ...progress.value, doing: 'stopping' };
  await remote().stop();
}
