/** The networks of golden group `nets`, whose parameters and inputs come from a hash generator: see `test/fixtures/README.md`. */

/** Which numbers the generator gives. */
export interface Recipe {
  readonly seed: number;
  readonly offset: number;
  readonly scale: number;
}

interface GeneratedTensor extends Recipe {
  readonly name: string;
  readonly shape: readonly number[];
  /** Whether it is a parameter; otherwise it is a running statistic, or the input. */
  readonly learned: boolean;
}

/** What a network is built of, by name. */
export class NetworkConfig {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  /** The value of this name, undefined where there is none. */
  get(name: string): unknown {
    return this.#values[name];
  }

  /** The number of this name; throws a `TypeError` where there is none. */
  number(name: string): number {
    const value = this.get(name);
    if (typeof value === 'number') return value;
    throw new TypeError(`config.${name}: expected a number, got ${String(value)}`);
  }

  /** The list of numbers of this name; throws a `TypeError` where there is none. */
  numbers(name: string): number[] {
    return listOf(this.get(name)).map(Number);
  }
}

/** The attributes of a case, checked. */
export interface GeneratedNetwork {
  readonly config: NetworkConfig;
  readonly params: readonly GeneratedTensor[];
  readonly input: GeneratedTensor;
  readonly labels: readonly number[];
  /** The parameters in the order of `param_grad_norms` and `param_grad_dots`. */
  readonly order: readonly string[];
  readonly parameterCount: number;
  /** The first and last value of some tensors, to test the generator. */
  readonly firstAndLast: ReadonlyMap<string, readonly unknown[]>;
}

function hash(word: number): number {
  let x = word >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** The generator's values for a tensor, row-major. */
export function generated(shape: readonly number[], { seed, offset, scale }: Recipe): Float32Array<ArrayBuffer> {
  const start = hash(seed);
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  for (let j = 0; j < values.length; j++) values[j] = offset + scale * (2 * (hash(start + j) / 2 ** 32) - 1);
  return values;
}

/** Reads the attributes of a case. Throws a `TypeError` where they are not those of a generated network. */
export function networkOf(attrs: Readonly<Record<string, unknown>>): GeneratedNetwork {
  return {
    config: new NetworkConfig(recordOf(attrs['config'])),
    params: listOf(attrs['params']).map(tensorOf),
    input: tensorOf(attrs['input']),
    labels: listOf(attrs['y']).map(Number),
    order: listOf(attrs['param_order_for_norms']).map(String),
    parameterCount: Number(attrs['param_count']),
    firstAndLast: new Map(
      Object.entries(recordOf(attrs['check_first_last'])).map(([name, ends]) => [name, listOf(ends)]),
    ),
  };
}

function tensorOf(value: unknown): GeneratedTensor {
  const { name, shape, seed, offset, scale, param } = recordOf(value);
  return {
    name: String(name),
    shape: listOf(shape).map(Number),
    seed: Number(seed),
    offset: Number(offset),
    scale: Number(scale),
    learned: param === true,
  };
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError(`expected a list, got ${String(value)}`);
  return value;
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new TypeError(`expected an object, got ${String(value)}`);
  return Object.fromEntries(Object.entries(value));
}
