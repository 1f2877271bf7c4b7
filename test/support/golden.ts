/**
 * Golden values: a float64 reference made with PyTorch, stored as one JSON manifest and one binary file per group under
 * `test/fixtures/`, and the comparison that decides whether a float32 result is right.
 *
 *     const group = loadGolden('losses');
 *     for (const c of group.cases) {
 *       const z = tensor(c.floats('logits_adv'), { shape: c.input('logits_adv').shape, device });
 *       expectGolden(await loss.item(), c.output('ce'), { rtol: 2e-5, atol: 2e-6 }, `${c.id} ce`);
 *     }
 *
 * See `test/fixtures/README.md` for the format and for what each key means.
 */
import { readFixture } from './read-fixture.js';

/** The groups of golden values; each is `test/fixtures/<name>.json` with, unless all its values are single numbers, `<name>.bin`. */
export type GoldenGroupName =
  'losses' | 'ops' | 'optim' | 'rmsprop' | 'nets' | 'models' | 'train' | 'mimae_step' | 'full_size' | 'attacks';

/** One stored array (a scalar has shape `[]`), in C order. */
export interface GoldenTensor {
  readonly dtype: 'f32' | 'f64' | 'i32';
  /** Shape of what is stored: with `rows`, the first axis counts the stored rows only. */
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array | Int32Array;
  /** L2 norm of the full float64 tensor (float outputs only). */
  readonly norm?: number;
  /** L2 distance from the reference of the same program run in float32 by PyTorch on a CPU. */
  readonly f32err?: number;
  /** Rows (first axis of `fullShape`) that are stored, where not all are. */
  readonly rows?: readonly number[];
  readonly fullShape?: readonly number[];
}

/** One case: an operation, its attributes, inputs and expected outputs. */
export class GoldenCase {
  constructor(
    readonly id: string,
    readonly op: string,
    readonly attrs: Readonly<Record<string, unknown>>,
    readonly inputs: ReadonlyMap<string, GoldenTensor>,
    readonly outputs: ReadonlyMap<string, GoldenTensor>,
  ) {}

  /** The input called `name`; throws if there is none. */
  input(name: string): GoldenTensor {
    return this.pick(this.inputs, 'input', name);
  }

  /** The expected output called `name`; throws if there is none. */
  output(name: string): GoldenTensor {
    return this.pick(this.outputs, 'output', name);
  }

  /** An f32 input's values. */
  floats(name: string): Float32Array {
    const { data } = this.input(name);
    if (data instanceof Float32Array) return data;
    throw new TypeError(`golden ${this.id}: input '${name}' is not f32`);
  }

  /** An i32 input's values. */
  ints(name: string): Int32Array {
    const { data } = this.input(name);
    if (data instanceof Int32Array) return data;
    throw new TypeError(`golden ${this.id}: input '${name}' is not i32`);
  }

  /** A numeric attribute; throws if it is missing. */
  number(name: string): number {
    return asNumber(this.attrs[name], `${this.id}.attrs.${name}`);
  }

  /** A boolean attribute; throws if it is missing. */
  boolean(name: string): boolean {
    const value = this.attrs[name];
    if (typeof value === 'boolean') return value;
    throw new TypeError(`golden ${this.id}.attrs.${name}: expected a boolean, got ${String(value)}`);
  }

  /** A text attribute; throws if it is missing. */
  string(name: string): string {
    return asString(this.attrs[name], `${this.id}.attrs.${name}`);
  }

  /** An attribute that is a list of numbers; throws if it is missing. */
  numbers(name: string): number[] {
    return asNumbers(this.attrs[name], `${this.id}.attrs.${name}`);
  }

  private pick(from: ReadonlyMap<string, GoldenTensor>, what: string, name: string): GoldenTensor {
    const found = from.get(name);
    if (found === undefined)
      throw new Error(`golden ${this.id}: no ${what} '${name}' (has ${[...from.keys()].join(', ')})`);
    return found;
  }
}

/** A loaded group. */
export interface GoldenGroup {
  readonly name: GoldenGroupName;
  readonly cases: readonly GoldenCase[];
  /** The case with this id; throws if there is none. */
  case(id: string): GoldenCase;
}

const loaded = new Map<GoldenGroupName, GoldenGroup>();

/** Read one group of golden values (cached; the arrays are shared, so treat them as read-only). */
export function loadGolden(name: GoldenGroupName, read = readFixture): GoldenGroup {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const manifest = asRecord(JSON.parse(new TextDecoder().decode(read(`${name}.json`))), name);
  const bytes = manifest['bin'] === undefined ? new Uint8Array() : read(`${name}.bin`);
  if (bytes.byteLength !== asNumber(manifest['byteLength'] ?? 0, `${name}.byteLength`)) {
    throw new Error(`golden ${name}: ${name}.bin has ${bytes.byteLength} bytes, the manifest says otherwise`);
  }
  const cases = asArray(manifest['cases'], `${name}.cases`).map((c) => parseCase(c, bytes.buffer));
  const group: GoldenGroup = {
    name,
    cases,
    case(id) {
      const found = cases.find((c) => c.id === id);
      if (found === undefined) throw new Error(`golden ${name}: no case '${id}'`);
      return found;
    },
  };
  loaded.set(name, group);
  return group;
}

/** How far a result may be from its golden value: `err <= max(rtol * norm, 20 * f32err) + atol`. */
export interface GoldenTolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** Tolerances of the groups, by what is compared. */
export const goldenTolerance = {
  ops: { rtol: 2e-5, atol: 2e-6 },
  optim: { rtol: 5e-6, atol: 1e-6 },
  /** Whole networks in evaluation mode (`eval.*`). */
  netsEval: { rtol: 5e-5, atol: 1e-5 },
  /** Whole networks in training mode (`train.*`). */
  netsTrain: { rtol: 5e-4, atol: 1e-5 },
  train: { rtol: 1e-4, atol: 2e-6 },
  mimaeStep: { rtol: 5e-5, atol: 1e-5 },
  attackLosses: { rtol: 2e-5, atol: 2e-6 },
  attacks: { rtol: 2e-5, atol: 2e-6 },
  /** For images along an attack trajectory: maximum absolute difference. */
  attackImagesMaxAbs: 1e-5,
  /** For `x_adv` of group mimae_step: maximum absolute difference. */
  mimaeStepXAdvMaxAbs: 5e-6,
} as const;

/** Tolerance of a case of group `losses`, by its attribute `kind`. */
export function lossTolerance(kind: string): GoldenTolerance {
  switch (kind) {
    case 'normal':
    case 'peaky':
    case 'identical':
    case 'zeros':
      return { rtol: 2e-5, atol: 2e-6 };
    case 'pm50':
      return { rtol: 1e-4, atol: 2e-6 };
    case 'pm1e4':
    case 'onehot1e4':
      return { rtol: 2e-3, atol: 2e-5 };
    default:
      throw new Error(`golden losses: unknown kind '${kind}'`);
  }
}

/** The largest error that passes. */
export function goldenBound(ref: GoldenTensor, { rtol, atol }: GoldenTolerance): number {
  return Math.max(rtol * (ref.norm ?? l2(ref.data)), 20 * (ref.f32err ?? 0)) + atol;
}

/** A result to compare: one number, or the values of a whole tensor in C order. */
export type GoldenActual = number | ArrayLike<number>;

/**
 * Throw unless `actual` is the golden value: `err = ||actual - ref||_2 <= max(rtol * norm, 20 * f32err) + atol`,
 * everything in float64. NaN and infinity are refused wherever they are. Where only some rows are stored, those are
 * compared, and the norm of the full result with the stored norm, to the same bound; `actual` is always the full tensor.
 */
export function expectGolden(
  actual: GoldenActual,
  ref: GoldenTensor,
  tolerance: GoldenTolerance,
  what = 'value',
): void {
  const mine = typeof actual === 'number' ? [actual] : actual;
  requireFinite(mine, what);
  const full = sizeOf(ref.fullShape ?? ref.shape);
  if (mine.length !== full) throw new Error(`${what}: has ${mine.length} elements, the golden value has ${full}`);

  const norm = ref.norm ?? l2(ref.data);
  const bound = goldenBound(ref, tolerance);
  const err = l2(storedElements(mine, ref).map((v, i) => v - at(ref.data, i)));
  if (!(err <= bound)) {
    throw new Error(
      `${what}: ||mine - golden|| = ${err.toExponential(3)} exceeds ${bound.toExponential(3)} (norm ${norm})${worst(mine, ref)}`,
    );
  }
  if (ref.rows !== undefined) {
    const normErr = Math.abs(l2(mine) - norm);
    if (!(normErr <= bound)) {
      throw new Error(
        `${what}: norm of the full tensor is ${l2(mine)}, golden ${norm} (bound ${bound.toExponential(3)})`,
      );
    }
  }
}

/** Throw unless no element differs from its golden value by more than `maxAbs`; NaN and infinity are refused. */
export function expectGoldenMaxAbs(actual: GoldenActual, ref: GoldenTensor, maxAbs: number, what = 'value'): void {
  const mine = typeof actual === 'number' ? [actual] : actual;
  requireFinite(mine, what);
  const full = sizeOf(ref.fullShape ?? ref.shape);
  if (mine.length !== full) throw new Error(`${what}: has ${mine.length} elements, the golden value has ${full}`);
  const difference = storedElements(mine, ref).reduce((most, v, i) => Math.max(most, Math.abs(v - at(ref.data, i))), 0);
  if (!(difference <= maxAbs)) {
    throw new Error(`${what}: maximum difference ${difference.toExponential(3)} exceeds ${maxAbs}${worst(mine, ref)}`);
  }
}

/** Throw unless every element equals its golden value (labels, iteration counts, flags). */
export function expectGoldenEqual(actual: GoldenActual, ref: GoldenTensor, what = 'value'): void {
  expectGoldenMaxAbs(actual, ref, 0, what);
}

function requireFinite(values: ArrayLike<number>, what: string): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(at(values, i))) throw new Error(`${what}: element ${i} is ${at(values, i)}`);
  }
}

/** The elements of a full result that the golden file stores, in its order. */
function storedElements(mine: ArrayLike<number>, ref: GoldenTensor): number[] {
  if (ref.rows === undefined) return Array.from(mine);
  const width = sizeOf((ref.fullShape ?? ref.shape).slice(1));
  return ref.rows.flatMap((row) => Array.from({ length: width }, (_, j) => at(mine, row * width + j)));
}

function worst(mine: ArrayLike<number>, ref: GoldenTensor): string {
  const stored = storedElements(mine, ref);
  let index = 0;
  stored.forEach((v, i) => {
    if (Math.abs(v - at(ref.data, i)) > Math.abs(at(stored, index) - at(ref.data, index))) index = i;
  });
  return `; worst at stored element ${index}: ${at(stored, index)}, golden ${at(ref.data, index)}`;
}

function l2(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += at(values, i) ** 2;
  return Math.sqrt(sum);
}

function at(values: ArrayLike<number>, i: number): number {
  return values[i] ?? NaN;
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((n, d) => n * d, 1);
}

function parseCase(value: unknown, bin: ArrayBuffer): GoldenCase {
  const record = asRecord(value, 'case');
  const id = asString(record['id'], 'case.id');
  const side = (name: string): Map<string, GoldenTensor> => {
    const refs = asRecord(record[name], `${id}.${name}`);
    return new Map(Object.entries(refs).map(([key, ref]) => [key, parseRef(ref, bin, `${id}.${name}.${key}`)]));
  };
  return new GoldenCase(
    id,
    asString(record['op'], `${id}.op`),
    asRecord(record['attrs'], `${id}.attrs`),
    side('inputs'),
    side('outputs'),
  );
}

function parseRef(value: unknown, bin: ArrayBuffer, where: string): GoldenTensor {
  const ref = asRecord(value, where);
  const optional = {
    ...(ref['norm'] === undefined ? {} : { norm: asNumber(ref['norm'], `${where}.norm`) }),
    ...(ref['f32err'] === undefined ? {} : { f32err: asNumber(ref['f32err'], `${where}.f32err`) }),
    ...(ref['rows'] === undefined ? {} : { rows: asNumbers(ref['rows'], `${where}.rows`) }),
    ...(ref['fullShape'] === undefined ? {} : { fullShape: asNumbers(ref['fullShape'], `${where}.fullShape`) }),
  };
  if (ref['value'] !== undefined) {
    return { dtype: 'f64', shape: [], data: Float64Array.of(asNumber(ref['value'], `${where}.value`)), ...optional };
  }
  const shape = asNumbers(ref['shape'], `${where}.shape`);
  const offset = asNumber(ref['offset'], `${where}.offset`);
  const n = sizeOf(shape);
  switch (ref['dtype']) {
    case 'f32':
      return { dtype: 'f32', shape, data: new Float32Array(bin, offset, n), ...optional };
    case 'f64':
      return { dtype: 'f64', shape, data: new Float64Array(bin, offset, n), ...optional };
    case 'i32':
      return { dtype: 'i32', shape, data: new Int32Array(bin, offset, n), ...optional };
    default:
      throw new TypeError(`golden ${where}: unknown dtype ${String(ref['dtype'])}`);
  }
}

function asRecord(value: unknown, where: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.fromEntries(Object.entries(value));
  throw new TypeError(`golden ${where}: expected an object`);
}

function asArray(value: unknown, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new TypeError(`golden ${where}: expected a list`);
}

function asNumbers(value: unknown, where: string): number[] {
  return asArray(value, where).map((v, i) => asNumber(v, `${where}[${i}]`));
}

function asNumber(value: unknown, where: string): number {
  if (typeof value === 'number') return value;
  throw new TypeError(`golden ${where}: expected a number, got ${String(value)}`);
}

function asString(value: unknown, where: string): string {
  if (typeof value === 'string') return value;
  throw new TypeError(`golden ${where}: expected text, got ${String(value)}`);
}
