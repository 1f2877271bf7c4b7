import type { Capture, Command, Constant } from './capture.js';
import { withoutCopies } from './copies.js';
import type { Device } from './device.js';
import type { DType } from './dtype.js';
import { mergeEpilogues } from './epilogues.js';
import { fuseElementwise } from './fusion.js';
import type { BufferRange } from './kernel.js';
import { placeTenants, type Place, type Tenant } from './placement.js';
import type { PreparedRun } from './recorder.js';
import type { Shape } from './shape.js';
import { keep, type Storage, type Tensor } from './tensor.js';
import { usesOf } from './uses.js';
import { VirtualBuffer, isVirtual, real, type BufferHandle } from './virtual.js';

/** A tensor that a captured function gives back: one that was there before, or what to copy out of the plan's memory. */
export type PlanOutput =
  | { readonly tensor: Tensor }
  | { readonly range: BufferRange; readonly bytes: number; readonly shape: Shape; readonly dtype: DType };

/** Where a virtual buffer is in the end. */
interface Home {
  readonly buffer: GPUBuffer;
  /** In bytes. */
  readonly offset: number;
}

/** What a captured function takes and gives back, and whether its chains of elementwise dispatches are to be fused. */
export interface PlanRequest {
  readonly inputs: readonly BufferRange[];
  readonly outputs: readonly PlanOutput[];
  readonly fuse: boolean;
}

/** A captured function as it is to run, on memory that is laid out but not there. */
export interface Layout {
  /** Without those that are of no use. */
  readonly commands: readonly Command[];
  /** Values from the CPU that are written once and for all. */
  readonly fixed: readonly Constant[];
  /** Where the virtual buffers go that have no memory of their own. */
  readonly places: ReadonlyMap<VirtualBuffer, Place>;
  /** Bytes of each arena. */
  readonly arenas: readonly number[];
}

/**
 * A captured function ready to run: what is of no use left out, its memory laid out in a few arenas, its kernels compiled and its
 * buffers bound. A run records the commands as they are: no shape is checked, nothing is allocated but what it gives back.
 */
export class Plan {
  readonly #device: Device;
  readonly #capture: Capture;
  readonly #run: PreparedRun;
  /** One for each argument; undefined for those that nothing reads. */
  readonly #inputs: readonly (BufferRange | undefined)[];
  readonly #outputs: readonly PlanOutput[];
  readonly #written: readonly Tensor[];
  readonly #memory: readonly Tensor[];
  readonly #kept: readonly Storage[];

  constructor(device: Device, capture: Capture, request: PlanRequest) {
    this.#device = device;
    this.#capture = capture;
    const { inputs, outputs } = request;
    const layout = layOut(device, capture, request);
    const { commands, fixed } = layout;
    const { memory, homes } = house(device, layout, capture.held);
    const home = (range: BufferRange): BufferRange => {
      if (!isVirtual(range.buffer)) return range;
      const found = homes.get(range.buffer);
      // Nothing uses it, so any place will do.
      return found ? { buffer: found.buffer, offset: found.offset + range.offset, size: range.size } : range;
    };
    for (const { range, bytes } of fixed) {
      const at = home(range);
      // What nothing uses has no home.
      if (!isVirtual(at.buffer)) device.write(at, bytes);
    }
    this.#run = device.prepare(commands.map((command) => relocated(command, home)));
    this.#inputs = inputs.map((range) => {
      const at = home(range);
      return isVirtual(at.buffer) ? undefined : at;
    });
    this.#outputs = outputs.map((output) => ('range' in output ? { ...output, range: home(output.range) } : output));
    const changed = new Set(commands.flatMap((command) => usesOf(command).writes.map(({ buffer }) => buffer)));
    this.#written = [...capture.tensors].filter(([, { buffer }]) => changed.has(buffer)).map(([tensor]) => tensor);
    this.#memory = memory;
    // Tensors that outlive the function are overwritten by every run, whoever has let go of them meanwhile.
    this.#kept = [...capture.held.values()].map((storage) => storage.retain());
  }

  /** Whether a run would do what the function does now. */
  holds(): boolean {
    return this.#capture.holds();
  }

  /** Records a run; gives its outputs. */
  run(args: readonly Tensor[]): Tensor[] {
    const device = this.#device;
    for (const compute of this.#capture.perRun) compute();
    args.forEach((arg, index) => {
      const input = this.#inputs[index];
      if (input && arg.size > 0) device.copy(arg.range, input, arg.bytes);
    });
    device.replay(this.#run);
    for (const tensor of this.#written) tensor.markWritten();
    return this.#outputs.map((output) => {
      if ('tensor' in output) return output.tensor;
      const { shape, dtype, range, bytes } = output;
      const result = device.empty(shape, dtype, 'compiled');
      if (bytes > 0) device.copy(range, result.range, bytes);
      return result;
    });
  }

  /** Frees its memory. */
  dispose(): void {
    this.#device.retire(this.#run);
    this.#capture.release();
    for (const tensor of this.#memory) tensor.dispose();
    for (const storage of this.#kept) storage.release();
  }
}

/** Leaves out what is of no use, fuses, and lays the memory out: everything that takes no memory of the GPU's. */
export function layOut(device: Device, capture: Capture, { inputs, outputs, fuse }: PlanRequest): Layout {
  const wanted = new Set(capture.held.keys());
  for (const output of outputs)
    if ('range' in output && isVirtual(output.range.buffer)) wanted.add(output.range.buffer);
  const { commands, fixed } = withConstants(capture);
  const once = withoutDead(withoutRepeats(commands, wanted), wanted);
  const bindings = device.gpu.limits.maxStorageBuffersPerShaderStage;
  const { software } = device.caps;
  const fused = fuse ? fuseElementwise(mergeEpilogues(once, wanted), { wanted, bindings, software }) : once;
  const useful = withoutCopies(fused, new Set([...wanted, ...virtualOf(inputs)]));
  return { commands: useful, fixed, ...placed(device, useful, fixed, { inputs, outputs, held: capture.held }) };
}

/** The virtual buffers among those of ranges. */
function virtualOf(ranges: readonly BufferRange[]): VirtualBuffer[] {
  return ranges.flatMap(({ buffer }) => (isVirtual(buffer) ? [buffer] : []));
}

/**
 * The commands, with values from the CPU copied to where they go if that is overwritten later; and those values that are at home
 * where they are written once and for all.
 */
function withConstants({ commands, constants }: Capture): { commands: Command[]; fixed: Constant[] } {
  const overwritten = new Set(commands.flatMap((command) => virtualOf(usesOf(command).writes)));
  const twice = new Set(
    constants
      .filter(({ range }, index) => constants.findIndex((other) => other.range.buffer === range.buffer) !== index)
      .map(({ range }) => range.buffer),
  );
  const isFixed = ({ range: { buffer } }: Constant): boolean =>
    isVirtual(buffer) && !overwritten.has(buffer) && !twice.has(buffer);
  const fixed: Constant[] = constants.filter(isFixed);
  const result: Command[] = [];
  let next = 0;
  const copies = constants.filter((constant) => !isFixed(constant));
  commands.forEach((command, index) => {
    for (; (copies[next]?.before ?? Infinity) <= index; next++) copyIn(copies[next]);
    result.push(command);
  });
  for (; next < copies.length; next++) copyIn(copies[next]);
  return { commands: result, fixed };

  function copyIn(constant: Constant | undefined): void {
    if (!constant) return;
    const source: BufferRange = { ...constant.range, offset: 0, buffer: new VirtualBuffer(constant.range.size) };
    fixed.push({ ...constant, range: source });
    result.push({ kind: 'copy', from: source, to: constant.range, bytes: constant.bytes.byteLength });
  }
}

/** Bytes of what a plan keeps because there is memory to spare. */
const SPARE_BYTES = 4 * 2 ** 20;

/** The commands without those whose results are there already: reusable dispatches on inputs that have not changed. */
function withoutRepeats(commands: readonly Command[], wanted: ReadonlySet<VirtualBuffer>): Command[] {
  const writers = new Map<BufferHandle, number>();
  for (const { buffer } of commands.flatMap((command) => usesOf(command).writes)) {
    writers.set(buffer, (writers.get(buffer) ?? 0) + 1);
  }
  const ids = new Map<BufferHandle, number>();
  const versions = new Map<BufferHandle, number>();
  const stateOf = ({ buffer, offset, size }: BufferRange): string => {
    const id = ids.get(buffer) ?? ids.size;
    ids.set(buffer, id);
    return [id, versions.get(buffer) ?? 0, offset, size].join();
  };
  const settled = new Set<BufferHandle>();
  const known = new Map<string, VirtualBuffer>();
  const replaced = new Map<BufferHandle, VirtualBuffer>();
  const spared = new Set<VirtualBuffer>();
  let spare = SPARE_BYTES;
  return commands.flatMap((original) => {
    const command = relocated(original, (range) => ({ ...range, buffer: replaced.get(range.buffer) ?? range.buffer }));
    const { reads, writes } = usesOf(command);
    const [output] = virtualOf(writes);
    const alone = output && writes.length === 1 && writers.get(output) === 1 && !wanted.has(output);
    const lasting = reads.every(({ buffer }) => !isVirtual(buffer) || settled.has(buffer));
    const reusable = command.kind === 'dispatch' ? command.dispatch.reusable : undefined;
    if (output && alone && lasting && reusable) settled.add(output);
    const kept = reusable === 'settled' ? lasting : reusable !== undefined;
    if (command.kind === 'dispatch' && alone && kept) {
      const { kernel, constants, uniforms = [], workgroups } = command.dispatch;
      if (uniforms.every((word) => typeof word === 'number')) {
        const key = JSON.stringify([kernel.name, constants, uniforms, workgroups, output.size, reads.map(stateOf)]);
        const before = known.get(key);
        const more = before && reusable === 'spare' && !spared.has(before) ? before.size : 0;
        if (before && more <= spare) {
          if (more > 0) spared.add(before);
          spare -= more;
          replaced.set(output, before);
          return [];
        }
        known.set(key, output);
      }
    }
    for (const { buffer } of writes) versions.set(buffer, (versions.get(buffer) ?? 0) + 1);
    return [command];
  });
}

/** The commands that something comes of: memory from before the capture changes, or what is wanted of the function's own. */
function withoutDead(commands: readonly Command[], wanted: ReadonlySet<VirtualBuffer>): Command[] {
  const live = new Set(wanted);
  return commands
    .toReversed()
    .filter((command) => {
      const { reads, writes } = usesOf(command);
      // A write may leave a part of the memory as it was, so memory that is live stays so before it.
      if (!writes.some(({ buffer }) => !isVirtual(buffer) || live.has(buffer))) return false;
      for (const buffer of virtualOf([...reads, ...writes])) live.add(buffer);
      return true;
    })
    .reverse();
}

/** What the plan's memory is for besides its commands. */
interface Residents {
  readonly inputs: readonly BufferRange[];
  readonly outputs: readonly PlanOutput[];
  readonly held: ReadonlyMap<VirtualBuffer, Storage>;
}

/** Memory for every virtual buffer of a layout, and for those that tensors hold. */
function house(
  device: Device,
  { places, arenas }: Layout,
  held: ReadonlyMap<VirtualBuffer, Storage>,
): { memory: Tensor[]; homes: Map<VirtualBuffer, Home> } {
  const homes = new Map<VirtualBuffer, Home>();
  for (const [buffer, storage] of held) {
    device.materialise(storage, buffer.size);
    homes.set(buffer, { buffer: real(storage.buffer), offset: 0 });
  }
  const memory = arenas.map((bytes) => keep(device.empty([bytes / 4], 'f32', 'compiled')));
  for (const [buffer, place] of places) {
    const arena = memory[place.arena];
    if (arena) homes.set(buffer, { buffer: real(arena.range.buffer), offset: arena.range.offset + place.offset });
  }
  return { memory, homes };
}

/** A place for every virtual buffer that the commands use, but for those that tensors hold. */
function placed(
  device: Device,
  commands: readonly Command[],
  fixed: readonly Constant[],
  { inputs, outputs, held }: Residents,
): Pick<Layout, 'places' | 'arenas'> {
  const spans = spansOf(commands);
  const stretch = (buffer: VirtualBuffer, at: number): void => {
    const span = spans.get(buffer);
    if (span) spans.set(buffer, { ...span, first: Math.min(span.first, at), last: Math.max(span.last, at) });
    else spans.set(buffer, { first: at, last: at, apart: new Set() });
  };
  for (const buffer of virtualOf(inputs)) if (spans.has(buffer)) stretch(buffer, -1);
  for (const output of outputs) {
    if (!('range' in output)) continue;
    for (const buffer of virtualOf([output.range])) stretch(buffer, commands.length);
  }
  const constants = virtualOf(fixed.map(({ range }) => range)).filter((buffer) => spans.has(buffer));
  // Constants are read by every run, so they share their memory with nothing.
  for (const buffer of constants) {
    stretch(buffer, -1);
    stretch(buffer, commands.length);
  }
  const buffers = [...spans.keys()].filter((buffer) => !held.has(buffer));
  const index = new Map(buffers.map((buffer, at) => [buffer, at]));
  const tenants = buffers.map((buffer): Tenant => {
    const { first = 0, last = 0, apart = new Set<VirtualBuffer>() } = spans.get(buffer) ?? {};
    const indices = [...apart].flatMap((other) => index.get(other) ?? []);
    return { size: buffer.size, first, last, apart: new Set(indices) };
  });
  const { maxBufferSize, maxStorageBufferBindingSize } = device.gpu.limits;
  const { places, arenas } = placeTenants(tenants, Math.min(maxBufferSize, maxStorageBufferBindingSize));
  const entries = buffers.flatMap((buffer, at) => (places[at] ? [[buffer, places[at]] as const] : []));
  return { places: new Map(entries), arenas };
}

interface Span {
  readonly first: number;
  readonly last: number;
  readonly apart: Set<VirtualBuffer>;
}

/** When each virtual buffer is used, and which ones may not share an arena with it. */
function spansOf(commands: readonly Command[]): Map<VirtualBuffer, Span> {
  const spans = new Map<VirtualBuffer, Span>();
  commands.forEach((command, at) => {
    const { reads, writes } = usesOf(command);
    const [read, written] = [virtualOf(reads), virtualOf(writes)];
    for (const buffer of [...read, ...written]) {
      const { first = at, apart = new Set<VirtualBuffer>() } = spans.get(buffer) ?? {};
      spans.set(buffer, { first, last: at, apart });
    }
    for (const a of read) {
      for (const b of written) {
        if (a === b) continue;
        spans.get(a)?.apart.add(b);
        spans.get(b)?.apart.add(a);
      }
    }
  });
  return spans;
}

function relocated(command: Command, home: (range: BufferRange) => BufferRange): Command {
  switch (command.kind) {
    case 'dispatch':
      return { ...command, dispatch: { ...command.dispatch, buffers: command.dispatch.buffers.map(home) } };
    case 'copy':
      return { ...command, from: home(command.from), to: home(command.to) };
    case 'clear':
      return { ...command, range: home(command.range) };
    default:
      return command satisfies never;
  }
}
