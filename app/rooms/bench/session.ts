/** The run of the room Bench, kept while one visits other rooms. */
import { computed, signal } from '@preact/signals';
import { proxy, wrap, type Remote } from 'comlink';
import type { Results } from '../../../bench/results.js';
import { sentenceOf } from '../../sentence.js';
import { lookForAdapter } from '../../webgpu.js';
import type { BenchEvent, BenchOptions, BenchWorker } from './bench-worker.js';

/** How far the run is. */
export type Progress =
  | { readonly kind: 'idle' }
  | { readonly kind: 'opening' }
  | {
      readonly kind: 'measuring';
      readonly name: string;
      readonly at: number;
      readonly of: number;
      readonly stopping: boolean;
    }
  | { readonly kind: 'ended'; readonly measured: number; readonly of: number };

export const progress = signal<Progress>({ kind: 'idle' });
export const results = signal<Results | undefined>(undefined);
/** Libraries that do not work here, and why. */
export const without = signal<readonly { readonly name: string; readonly reason: string }[]>([]);
/** What went wrong, in a sentence. */
export const problem = signal<string | undefined>(undefined);
export const isRunning = computed(() => progress.value.kind === 'opening' || progress.value.kind === 'measuring');

let running: { readonly thread: Worker; readonly remote: Remote<BenchWorker> } | undefined;
let cases: readonly string[] = [];

/** Measures; ends when all of it is measured or it is stopped. */
export async function start(options: BenchOptions): Promise<void> {
  if (isRunning.value) return;
  [progress.value, results.value, without.value, problem.value] = [{ kind: 'opening' }, undefined, [], undefined];
  const thread = new Worker(new URL('./bench-worker.ts', import.meta.url), { type: 'module' });
  const failed = new Promise<never>((_, reject) => {
    thread.addEventListener('error', ({ message }) =>
      reject(new Error(`the worker failed: ${message || 'it could not be loaded'}`)),
    );
  });
  running = { thread, remote: wrap<BenchWorker>(thread) };
  try {
    await Promise.race([running.remote.run(options, proxy(take)), failed]);
  } catch (error) {
    problem.value = sentenceOf(error);
    void lookForAdapter();
  } finally {
    end(thread);
  }
}

/** Stops after the case at hand; asked again, at once. */
export function stop(): void {
  const { value } = progress;
  if (!running) return;
  if (value.kind === 'measuring' && !value.stopping) {
    progress.value = { ...value, stopping: true };
    void running.remote.stop();
  } else end(running.thread);
}

/** A worker for each run: what the libraries hold goes with it. */
function end(thread: Worker): void {
  thread.terminate();
  if (running?.thread !== thread) return;
  running = undefined;
  const measured = results.value?.measurements.length ?? 0;
  progress.value = { kind: 'ended', measured, of: cases.length };
}

function take(event: BenchEvent): void {
  const before = results.value;
  switch (event.kind) {
    case 'without':
      without.value = [...without.value, event];
      return;
    case 'begun':
      cases = event.cases;
      results.value = {
        ...{ adapter: 'browser', driver: event.driver, date: new Date().toISOString().slice(0, 10) },
        ...{ versions: event.versions, failures: [], measurements: [] },
      };
      return;
    case 'case': {
      const { value } = progress;
      const stopping = value.kind === 'measuring' && value.stopping;
      progress.value = {
        ...{ kind: 'measuring', name: event.name, at: cases.indexOf(event.name), of: cases.length, stopping },
      };
      return;
    }
    case 'measured':
      if (before) results.value = { ...before, measurements: [...before.measurements, event.measurement] };
      return;
    case 'failed': {
      const { name, reason } = event;
      if (before) results.value = { ...before, failures: [...before.failures, { name, reason }] };
    }
  }
}
