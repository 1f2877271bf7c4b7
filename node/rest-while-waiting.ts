/**
 * Waiting without keeping a core busy. Dawn for Node.js looks for what the GPU has done once in each turn of the event loop, and has the
 * loop turn as fast as it can for as long as anything is awaited. A driver that computes on the processor needs that core itself.
 */

/** The classes of Dawn whose promises are waited for longest. */
export interface DawnClasses {
  readonly GPUBuffer: { readonly prototype: Pick<GPUBuffer, 'mapAsync'> };
  readonly GPUQueue: { readonly prototype: Pick<GPUQueue, 'onSubmittedWorkDone'> };
}

/** A rest is this part of the time that was waited so far, so that nothing is seen much later than it could be ... */
const PART = 0.05;
/** ... but no longer than this, in milliseconds, since all else in the event loop waits as well ... */
const LONGEST = 0.25;
/** ... and none at all that is shorter: asking for it would take as long. */
const SHORTEST = 0.02;

/** Nobody ever wakes who sleeps on it. */
const bed = new Int32Array(new SharedArrayBuffer(4));

const patched = new WeakSet<object>();
let waiting = 0;
/** Whether the next turn has a rest. */
let scheduled = false;
/** When something was last begun or done. */
let since = 0;

/** From now on the thread rests between two looks, whenever results of the GPU are awaited. May be called again. */
export function restWhileWaiting({ GPUBuffer, GPUQueue }: DawnClasses): void {
  if (patched.has(GPUBuffer)) return;
  patched.add(GPUBuffer);
  const { mapAsync } = GPUBuffer.prototype;
  GPUBuffer.prototype.mapAsync = function (...range) {
    return rested(mapAsync.apply(this, range));
  };
  const { onSubmittedWorkDone } = GPUQueue.prototype;
  GPUQueue.prototype.onSubmittedWorkDone = function () {
    return rested(onSubmittedWorkDone.apply(this));
  };
}

/** Looks on only: who awaits a promise gets that same one, so that what comes first still comes first. */
function rested<T>(wait: Promise<T>): Promise<T> {
  since = performance.now();
  waiting++;
  // One rest in each turn, also where one wait follows another.
  if (!scheduled) restNext();
  scheduled = true;
  const done = (): void => {
    waiting--;
    since = performance.now();
  };
  wait.then(done, done);
  return wait;
}

/** Sleeps for a moment in each turn of the event loop. */
function rest(): void {
  scheduled = waiting > 0;
  if (!scheduled) return;
  const length = Math.min(LONGEST, PART * (performance.now() - since));
  if (length >= SHORTEST) Atomics.wait(bed, 0, 0, length);
  restNext();
}

/** It is Dawn that has the event loop turn: a wait without an end is not to keep a process alive. */
function restNext(): void {
  setImmediate(rest).unref();
}
