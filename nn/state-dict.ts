import type { Device } from '../engine/device.js';
import { bytesPerElement, encode, isFloat, type DType } from '../engine/dtype.js';
import { ArgumentError, BulwarkError } from '../engine/errors.js';
import { formatShape, sameShape } from '../engine/shape.js';
import { Tensor, keep } from '../engine/tensor.js';
import type { Module } from './module.js';
import { shown } from './pytorch/value.js';
import { floatsOf, type SafetensorsTensor } from './safetensors.js';

/** Values by name: tensors on the GPU, or on the CPU as a safetensors file holds them. */
export type StateDict =
  ReadonlyMap<string, Tensor | SafetensorsTensor> | Readonly<Record<string, Tensor | SafetensorsTensor>>;

/** Options of `loadStateDict`. */
export interface LoadOptions {
  /** Whether both sides must have the same names; true unless told. Shapes and dtypes must agree in any case. */
  readonly strict?: boolean;
}

/** What a `loadStateDict` that is not strict left alone. */
export interface LoadReport {
  /** Names that the module has and the state has not. */
  readonly missing: readonly string[];
  /** Names that the state has and the module has not. */
  readonly unexpected: readonly string[];
}

/** A state that does not fit the module or optimiser it was to be loaded into. Its message lists everything, a line each. */
export class StateDictError extends BulwarkError {
  /** Names that the state lacks. */
  readonly missing: readonly string[];
  /** Names that only the state has. */
  readonly unexpected: readonly string[];
  /** One sentence per name whose shape, dtype or range differs. */
  readonly mismatched: readonly string[];

  /** `what` names the operation. */
  constructor(what: string, { missing, unexpected }: LoadReport, mismatched: readonly string[]) {
    super(
      [
        `${what}: the state does not fit, nothing was loaded:`,
        ...missing.map((name) => `missing ${name}`),
        ...unexpected.map((name) => `unexpected ${shown(name)}`),
        ...mismatched,
      ].join('\n  '),
    );
    this.missing = missing;
    this.unexpected = unexpected;
    this.mismatched = mismatched;
  }

  override get name(): string {
    return 'StateDictError';
  }
}

/**
 * Overwrites each target with the state's value of its name. Everything is checked before anything is written.
 *
 * @throws StateDictError where the two do not fit
 */
export function loadTensors(
  what: string,
  targets: ReadonlyMap<string, Tensor>,
  state: StateDict,
  { strict = true }: LoadOptions = {},
): LoadReport {
  const given = stateMap(state);
  const report: LoadReport = {
    missing: [...targets.keys()].filter((name) => !given.has(name)),
    unexpected: [...given.keys()].filter((name) => !targets.has(name)),
  };
  const mismatched: string[] = [];
  const plan: { readonly target: Tensor; readonly source: Tensor | Encoded }[] = [];
  for (const [name, target] of targets) {
    const value = given.get(name);
    if (!value) continue;
    const source = fitting(target, value);
    if (typeof source === 'string') mismatched.push(`${name} ${source}`);
    else plan.push({ target, source });
  }
  const incomplete = strict && report.missing.length + report.unexpected.length > 0;
  if (incomplete || mismatched.length > 0) {
    throw new StateDictError(what, strict ? report : { missing: [], unexpected: [] }, mismatched);
  }
  write(plan);
  return report;
}

/** A state's values by name. */
export function stateMap(state: StateDict): ReadonlyMap<string, Tensor | SafetensorsTensor> {
  return state instanceof Map ? state : new Map(Object.entries(state));
}

/** What is to be written into `target`, or why the value does not fit it. */
function fitting(target: Tensor, value: Tensor | SafetensorsTensor): Tensor | Encoded | string {
  if (!sameShape(value.shape, target.shape)) {
    return `has shape ${formatShape(value.shape)}, expected ${formatShape(target.shape)}`;
  }
  if (!(value instanceof Tensor)) return converted(target.dtype, value);
  value.assertAlive('loadStateDict');
  if (value.device !== target.device) return 'is on another device, expected the same one or values on the CPU';
  return value.dtype === target.dtype ? value : `has dtype ${value.dtype}, expected ${target.dtype}`;
}

/** Values in the GPU's form. */
type Encoded = ReturnType<typeof encode>;

/** The dtypes of floats. */
export const FLOATS: ReadonlySet<string> = new Set(['F64', 'F32', 'F16', 'BF16']);

/** Why the elements of a value cannot be loaded as `dtype`; undefined where they can. */
export function misfitOf(dtype: DType, value: SafetensorsTensor): string | undefined {
  // Floats of every type become what is asked for.
  if (isFloat(dtype) && FLOATS.has(value.dtype)) return undefined;
  const result = converted(dtype, value);
  return typeof result === 'string' ? result : undefined;
}

function converted(dtype: DType, value: SafetensorsTensor): Encoded | string {
  if (FLOATS.has(value.dtype) !== isFloat(dtype)) return `has dtype ${value.dtype}, expected ${dtype}`;
  if (isFloat(dtype)) return encode(dtype, floatsOf(value));
  const values = Array.from<number | bigint, number>(value.data, Number);
  const typed = encode(dtype, values);
  const lost = values.find((number, index) => number !== typed[index]);
  return lost === undefined ? typed : `holds ${lost}, which does not fit ${dtype}`;
}

/** Copies on the GPU cannot go from a buffer to itself, so what shares a buffer with a target goes by way of a copy. */
function write(plan: readonly { readonly target: Tensor; readonly source: Tensor | Encoded }[]): void {
  const buffers = new Set(plan.map(({ target }) => target.range.buffer));
  const moves = plan.filter(({ target, source }) => target !== source);
  const copies: Tensor[] = [];
  const ready = moves.map(({ target, source }) => {
    if (!(source instanceof Tensor) || !buffers.has(source.range.buffer)) return { target, source };
    const copy = source.device.empty(source.shape, source.dtype);
    copy.copyFrom(source);
    copies.push(copy);
    return { target, source: copy };
  });
  for (const { target, source } of ready) {
    if (source instanceof Tensor) target.copyFrom(source);
    else target.device.write(target.range, source);
  }
  for (const copy of copies) copy.dispose();
}

/** Bytes gathered for one read-back; a larger state takes several. */
const CHUNK_BYTES = 2 ** 26;

interface Chunk {
  readonly places: { readonly name: string; readonly tensor: Tensor; readonly offset: number }[];
  bytes: number;
}

/**
 * The values of tensors of one device as a safetensors file holds them: f32 as F32, f16 as F16, i32 as I32, u32 as U32, bool as
 * BOOL. All
 * are copied aside at once, so the values are those of the moment of the call even if training goes on, and come back in one
 * read-back (one per 64 MiB). What is on the CPU already is passed on.
 */
export async function readTensors(state: StateDict): Promise<Record<string, SafetensorsTensor>> {
  const values = stateMap(state);
  const tensors = new Map([...values].flatMap(([name, value]) => (value instanceof Tensor ? [[name, value]] : [])));
  const chunks = gather(tensors);
  const staged = chunks.map((chunk) => stage(chunk));
  const found = new Map<string, SafetensorsTensor>(
    [...values].flatMap(([name, value]) => (value instanceof Tensor ? [] : [[name, value]])),
  );
  try {
    for (const [index, chunk] of chunks.entries()) {
      const copy = staged[index];
      const bytes = copy ? await copy.device.read(copy.range, chunk.bytes) : new ArrayBuffer(0);
      for (const { name, tensor, offset } of chunk.places) {
        found.set(name, saved(tensor, bytes.slice(offset, offset + tensor.bytes)));
      }
    }
  } finally {
    for (const copy of staged) copy?.dispose();
  }
  return Object.fromEntries([...values.keys()].flatMap((name) => entryOf(found, name)));
}

/**
 * A module's parameters and buffers as a safetensors file holds them, under PyTorch's names; see `readTensors`.
 * `loadStateDict` takes them back.
 */
export async function saveStateDict(module: Module): Promise<Record<string, SafetensorsTensor>> {
  return readTensors(module.stateDict());
}

function entryOf<T>(found: ReadonlyMap<string, T>, name: string): [string, T][] {
  const value = found.get(name);
  return value === undefined ? [] : [[name, value]];
}

function gather(tensors: ReadonlyMap<string, Tensor>): Chunk[] {
  let chunk: Chunk = { places: [], bytes: 0 };
  const chunks = [chunk];
  let device: Device | undefined;
  for (const [name, tensor] of tensors) {
    tensor.assertAlive('readTensors');
    device ??= tensor.device;
    if (tensor.device !== device) {
      throw new ArgumentError(
        `readTensors: '${name}' is on another device than the tensors before it; read each on its own`,
      );
    }
    if (chunk.bytes > 0 && chunk.bytes + tensor.bytes > CHUNK_BYTES) chunks.push((chunk = { places: [], bytes: 0 }));
    chunk.places.push({ name, tensor, offset: chunk.bytes });
    // Copies start and end at whole words.
    chunk.bytes += Math.ceil(tensor.bytes / 4) * 4;
  }
  return chunks;
}

/** A copy of a chunk's tensors one after another; undefined where that is nothing. */
function stage({ places, bytes }: Chunk): Tensor | undefined {
  const device = places[0]?.tensor.device;
  if (!device || bytes === 0) return undefined;
  const copy = keep(device.empty([bytes / bytesPerElement('u32')], 'u32'));
  const { buffer, offset: start } = copy.range;
  for (const { tensor, offset } of places) {
    if (tensor.size > 0)
      device.copy(tensor.range, { buffer, offset: start + offset, size: tensor.bytes }, tensor.bytes);
  }
  return copy;
}

function saved({ dtype, shape }: Tensor, bytes: ArrayBuffer): SafetensorsTensor {
  switch (dtype) {
    case 'f32':
      return { dtype: 'F32', shape, data: new Float32Array(bytes) };
    case 'i32':
      return { dtype: 'I32', shape, data: new Int32Array(bytes) };
    case 'u32':
      return { dtype: 'U32', shape, data: new Uint32Array(bytes) };
    case 'bool':
      return { dtype: 'BOOL', shape, data: Uint8Array.from(new Uint32Array(bytes)) };
    case 'f16':
      return { dtype: 'F16', shape, data: new Uint16Array(bytes) };
    default:
      return dtype satisfies never;
  }
}
