/** What the room Device knows and does: kept while one visits other rooms. */
import { signal } from '@preact/signals';
import { proxy, wrap, type Remote } from 'comlink';
import type { KernelCheck, Tuned, VariantEntries } from '../../../engine/index.js';
import type { TuningStep } from '../../../adversarial/tuning-step.js';
import { sentenceOf } from '../../sentence.js';
import { lookForAdapter } from '../../webgpu.js';
import type { DeviceFacts, MemoryFacts } from './device-facts.js';
import type { DeviceWorker } from './device-worker.js';

/** What the room is busy with. */
export type Activity = 'idle' | 'opening' | 'testing' | 'tuning' | 'clearing';

export const activity = signal<Activity>('idle');
export const facts = signal<DeviceFacts | undefined>(undefined);
export const memory = signal<MemoryFacts | undefined>(undefined);
/** Kernels measured before, by the choice that they are for. */
export const variants = signal<VariantEntries>({});
/** The checks of the self-test so far, and how many there will be. */
export const checks = signal<readonly KernelCheck[]>([]);
export const checkCount = signal(0);
/** The choices measured by the last tuning, and how many are left. */
export const tuned = signal<readonly Tuned[]>([]);
export const left = signal<number | undefined>(undefined);
/** What went wrong, in a sentence. */
export const problem = signal<string | undefined>(undefined);

let running: { readonly thread: Worker; readonly remote: Remote<DeviceWorker> } | undefined;

function remote(): Remote<DeviceWorker> {
  if (!running) {
    const thread = new Worker(new URL('./device-worker.ts', import.meta.url), { type: 'module' });
    const made = { thread, remote: wrap<DeviceWorker>(thread) };
    thread.addEventListener('error', (event) =>
      giveUp(`Its worker failed: ${event.message || 'it could not be loaded'}.`),
    );
    void made.remote.lost().then(
      (reason) => {
        if (running === made) giveUp(`The adapter was lost: ${reason.replace(/\.$/, '')}.`);
      },
      // What opens the device says so.
      () => undefined,
    );
    running = made;
  }
  return running.remote;
}

/** Ends the worker; what is asked next starts another. */
function giveUp(reason: string): void {
  running?.thread.terminate();
  running = undefined;
  activity.value = 'idle';
  problem.value = `${reason} Whatever is asked next opens the adapter anew.`;
  void lookForAdapter();
}

async function busy(
  what: Exclude<Activity, 'idle'>,
  work: (worker: Remote<DeviceWorker>) => Promise<void>,
): Promise<void> {
  if (activity.value !== 'idle') return;
  activity.value = what;
  problem.value = undefined;
  try {
    const worker = remote();
    await work(worker);
    [memory.value, variants.value] = await Promise.all([worker.memory(), worker.variants()]);
  } catch (error) {
    problem.value = sentenceOf(error);
  } finally {
    activity.value = 'idle';
  }
}

/** Opens the adapter, unless it is open. */
export async function open(): Promise<void> {
  if (facts.value && running) return;
  await busy('opening', async (worker) => {
    facts.value = await worker.facts();
    checkCount.value = await worker.checks;
  });
}

/** Runs every kernel and compares it with the CPU. */
export function test(): Promise<void> {
  return busy('testing', async (worker) => {
    checks.value = [];
    await worker.verify(proxy((check) => void (checks.value = [...checks.value, check])));
  });
}

/** Measures for so many seconds which kernels are fastest for a training step. */
export function tune(step: TuningStep, seconds: number): Promise<void> {
  return busy('tuning', async (worker) => {
    [tuned.value, left.value] = [[], undefined];
    await worker.tune(
      step,
      1000 * seconds,
      proxy((one, rest) => {
        left.value = rest;
        if (one) tuned.value = [...tuned.value, one];
      }),
    );
  });
}

/** Ends the self-test or tuning after what it is at; what was measured is kept. */
export async function stop(): Promise<void> {
  await running?.remote.stop();
}

/** Forgets the kernels that were measured. */
export function clear(): Promise<void> {
  return busy('clearing', async (worker) => {
    await worker.clear();
    [tuned.value, left.value] = [[], undefined];
  });
}
