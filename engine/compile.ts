import { Capture } from './capture.js';
import type { Device } from './device.js';
import { ArgumentError, CaptureError } from './errors.js';
import { formatShape } from './shape.js';
import { Plan, layOut, type PlanOutput, type PlanRequest } from './plan.js';
import { Tensor, latestTensorId } from './tensor.js';

/** A function that {@link compile} made. */
export interface Compiled<A extends readonly Tensor[], R> {
  (...args: A): R;
  /** Plans made so far and still held: one for each set of shapes and dtypes. */
  readonly plans: number;
  /**
   * The memory that a call with such arguments would need, found without computing or allocating anything: whether a batch fits. State
   * that the function makes at its first call has to be there.
   *
   * @throws CaptureError as a call does, and where the function keeps a tensor that it makes; LimitError where no buffer can hold
   * one of its tensors
   */
  plannedMemory(...args: A): PlannedMemory;
  /** Frees all plans and their memory; the next call captures anew. */
  dispose(): void;
}

/** Bytes that a plan needs beside what is there already, as `Device.memory()` counts them. */
export interface PlannedMemory {
  /** Its own memory, arena by arena, which it has until it is disposed of. */
  readonly arenas: readonly number[];
  /** What each call gives back. */
  readonly results: number;
  /** Both: how far a call takes `live`. */
  readonly total: number;
}

/** Options of {@link compile}. */
export interface CompileOptions {
  /** Needed for a function without arguments; otherwise its arguments have it. */
  readonly device?: Device;
  /**
   * Whether chains of elementwise operations become one pass over memory each, true unless told. Results then differ from those of
   * the function as it is by how a compiler rounds a chain; without, they have the same bits.
   */
  readonly fuse?: boolean;
}

/**
 * The same function, captured at its first call and from then on replayed: all its dispatches, with no JavaScript in between, no
 * shape checks, no allocation but for what it returns, and no new bind group. `fn` takes tensors, and returns tensors, alone or in
 * arrays, maps and plain objects. It may update state on the GPU (parameters, running statistics, optimisers) and draw random
 * numbers: each call draws new ones, where the generators stand.
 *
 * Called with other shapes or dtypes, or when a module's mode or a tensor that `fn` uses has changed its place, it captures anew.
 * Anything else that `fn` goes by (numbers, settings of an attack) is fixed when it is captured, and what it assigns in JavaScript it
 * assigns only then. Results have no graph: gradients are taken inside. Within another compiled function, and while `detectAnomaly`
 * watches, `fn` runs as it is.
 *
 * @throws CaptureError from a call where `fn` is asynchronous, looks at a tensor's values (they could decide what comes next), or
 * overwrites what it did not make with values from the CPU
 */
export function compile<A extends readonly Tensor[], R>(
  fn: (...args: A) => R,
  options: CompileOptions = {},
): Compiled<A, R> {
  const plans = new Map<string, { readonly plan: Plan; readonly rebuild: (outputs: readonly Tensor[]) => R }>();
  const { fuse = true } = options;
  const deviceOf = ([first]: readonly Tensor[]): Device => {
    const device = options.device ?? first?.device;
    if (!device) throw new ArgumentError('compile: a function without arguments needs options.device');
    return device;
  };
  const onStandIns = (standIns: readonly Tensor[]): R => fn(...(standIns as A));
  const call = (...args: A): R => {
    const device = deviceOf(args);
    if (device.capturing || device.inspector) return fn(...args);
    const key = args.map(({ shape, dtype }) => `${dtype}${formatShape(shape)}`).join();
    let found = plans.get(key);
    if (found && !found.plan.holds()) {
      found.plan.dispose();
      plans.delete(key);
      found = undefined;
    }
    if (!found) plans.set(key, (found = capturePlan(device, onStandIns, args, fuse)));
    return found.rebuild(found.plan.run(args));
  };
  const dispose = (): void => {
    for (const { plan } of plans.values()) plan.dispose();
    plans.clear();
  };
  const plannedMemory = (...args: A): PlannedMemory => memoryOf(deviceOf(args), onStandIns, args, fuse);
  return Object.defineProperty(Object.assign(call, { dispose, plannedMemory }), 'plans', {
    get: () => plans.size,
  }) as Compiled<A, R>;
}

/** A function that was captured, and how to make what it returns of the tensors that a run gives back. */
interface Captured<R> extends Omit<PlanRequest, 'fuse'> {
  readonly capture: Capture;
  readonly rebuild: (outputs: readonly Tensor[]) => R;
}

function capturePlan<R>(
  device: Device,
  call: (standIns: readonly Tensor[]) => R,
  args: readonly Tensor[],
  fuse: boolean,
): { plan: Plan; rebuild: (outputs: readonly Tensor[]) => R } {
  return captured(device, call, args, ({ capture, inputs, outputs, rebuild }) => ({
    plan: new Plan(device, capture, { inputs, outputs, fuse }),
    rebuild,
  }));
}

function memoryOf(
  device: Device,
  call: (standIns: readonly Tensor[]) => unknown,
  args: readonly Tensor[],
  fuse: boolean,
): PlannedMemory {
  return captured(device, call, args, ({ capture, inputs, outputs }) => {
    const [kept] = capture.held.keys();
    if (kept) {
      throw new CaptureError(
        `compile: the function keeps a tensor of ${kept.size} bytes that it makes, which planning cannot fill; call the function ` +
          'once, or make what it keeps, before memory is planned',
      );
    }
    const { arenas } = layOut(device, capture, { inputs, outputs, fuse });
    const capacities = arenas.map((bytes) => device.capacityOf(bytes));
    const results = outputs.map((output) => ('tensor' in output ? 0 : device.capacityOf(output.bytes)));
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
    capture.release();
    return { arenas: capacities, results: sum(results), total: sum([...capacities, ...results]) };
  });
}

/** Captures a function; `use` takes over the capture, unless it throws. */
function captured<R, T>(
  device: Device,
  call: (standIns: readonly Tensor[]) => R,
  args: readonly Tensor[],
  use: (captured: Captured<R>) => T,
): T {
  const first = latestTensorId();
  const capture = new Capture(first);
  try {
    // What is still held after the scope was kept.
    const { inputs, outputs, rebuild } = device.scope(() => {
      const { stands, result } = device.capture(capture, () => {
        const standIns = args.map(({ shape, dtype }) => device.empty(shape, dtype, 'argument'));
        return { stands: standIns, result: call(standIns) };
      });
      if (result instanceof Promise) {
        result.catch(() => undefined);
        throw new CaptureError('compile: the function is asynchronous; await outside it');
      }
      const found: PlanOutput[] = [];
      const structure = structureOf(result, (tensor) => {
        const { range, bytes, shape, dtype } = tensor;
        return found.push(tensor.id <= first ? { tensor } : { range, bytes, shape, dtype }) - 1;
      });
      return { inputs: stands.map(({ range }) => range), outputs: found, rebuild: structure };
    });
    return use({ capture, inputs, outputs, rebuild });
  } catch (error) {
    capture.release();
    throw error;
  }
}

/** How to make a value like this one out of other tensors; `note` numbers those that it has. */
function structureOf<R>(value: R, note: (tensor: Tensor) => number): (outputs: readonly Tensor[]) => R {
  // The structure is rebuilt part by part, of the types that it had.
  const parts = (of: unknown): ((outputs: readonly Tensor[]) => unknown) => {
    if (of instanceof Tensor) {
      const index = note(of);
      return (outputs) => outputs[index];
    }
    if (Array.isArray(of)) {
      const items = of.map(parts);
      return (outputs) => items.map((item) => item(outputs));
    }
    if (of instanceof Map) {
      const entries = [...of].map(([key, item]) => [key, parts(item)] as const);
      return (outputs) => new Map(entries.map(([key, item]) => [key, item(outputs)]));
    }
    if (typeof of === 'object' && of !== null && Object.getPrototypeOf(of) === Object.prototype) {
      const entries = Object.entries(of).map(([key, item]) => [key, parts(item)] as const);
      return (outputs) => Object.fromEntries(entries.map(([key, item]) => [key, item(outputs)]));
    }
    return () => of;
  };
  return parts(value) as (outputs: readonly Tensor[]) => R;
}
