/** The work of the room Device: a worker with a device of its own. */
import { expose } from 'comlink';
import { takeTuningStep, type TuningStep } from '../../../adversarial/tuning-step.js';
import { EVERY_CASE } from '../../../adversarial/verify-cases.js';
import { verifyDevice } from '../../../adversarial/verify-device.js';
import {
  type Device,
  indexedDBVariants,
  tune,
  type KernelCheck,
  type Tuned,
  type VariantEntries,
} from '../../../engine/index.js';
import { openAdapter } from '../../worker/open-device.js';
import { factsOf, type DeviceFacts, type MemoryFacts } from './device-facts.js';

/** How long measurement goes on before it looks whether it should stop, in milliseconds. */
const SLICE = 500;

let opening: Promise<{ readonly device: Device; readonly facts: DeviceFacts }> | undefined;
let stopping = new AbortController();

/** The device, made when it is first asked for; anew after `forget`. */
function open(): NonNullable<typeof opening> {
  return (opening ??= openAnew());
}

async function openAnew(): NonNullable<typeof opening> {
  const { adapter, device } = await openAdapter();
  return { device, facts: factsOf(device, adapter) };
}

async function memory(): Promise<MemoryFacts> {
  const { live, pooled, total, peak, tensors } = (await open()).device.memory();
  return { live, pooled, total, peak, tensors };
}

const worker = {
  facts: async (): Promise<DeviceFacts> => (await open()).facts,

  memory,

  /** Ends with the reason when the adapter is lost. */
  lost: async (): Promise<string> => {
    for (;;) {
      const { message, reason } = await (await open()).device.gpu.lost;
      // `clear` lets it go on purpose.
      if (reason !== 'destroyed') return message === '' ? reason : message;
    }
  },

  /** How many checks the self-test makes. */
  checks: EVERY_CASE.length,

  /** Runs the self-test, until `stop` is called. */
  verify: async (onCheck: (check: KernelCheck) => void): Promise<void> => {
    const { signal } = (stopping = new AbortController());
    try {
      await verifyDevice((await open()).device, (check) => {
        onCheck(check);
        signal.throwIfAborted();
      });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  },

  /** The kernels that were measured on this adapter before. */
  variants: async (): Promise<VariantEntries> => (await open()).device.variants.entries(),

  /** Measures for `budget` milliseconds what the step asks for; `onTuned` sees each choice, and how many are left. */
  tune: async (
    step: TuningStep,
    budget: number,
    onTuned: (tuned: Tuned | undefined, left: number) => void,
  ): Promise<void> => {
    const { device } = await open();
    const { signal } = (stopping = new AbortController());
    takeTuningStep(device, step);
    await device.sync();
    onTuned(undefined, device.variants.asked.length);
    const end = performance.now() + budget;
    while (!signal.aborted && device.variants.isAsked && performance.now() < end) {
      await tune(device, {
        budget: Math.min(SLICE, end - performance.now()),
        onTuned: (tuned) => onTuned(tuned, device.variants.asked.length),
      });
    }
    device.emptyCache();
  },

  /** Ends `verify` after the check, and `tune` after the choice, that it is at. */
  stop: (): void => stopping.abort(),

  /** Forgets what was measured on this adapter. */
  clear: async (): Promise<void> => {
    const { device, facts } = await open();
    await indexedDBVariants().save(facts.variantsKey, {});
    opening = undefined;
    device.destroy();
  },
};

/** What the page may ask of it. */
export type DeviceWorker = typeof worker;

expose(worker);
