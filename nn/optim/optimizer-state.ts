import type { BufferRange } from '../../engine/kernel.js';
import { Tensor } from '../../engine/tensor.js';
import type { SafetensorsTensor } from '../safetensors.js';
import { StateDictError, loadTensors, stateMap, type StateDict } from '../state-dict.js';
import type { ParameterArena } from './arena.js';

/** What an optimiser remembers of each parameter, in buffers of the arena's layout, and the steps that it has taken. */
export class OptimizerState {
  /** Steps taken. */
  steps = 0;
  /** Parameters. */
  readonly #count: number;
  readonly #buffers: readonly { readonly name: string; readonly arena: Tensor; readonly views: readonly Tensor[] }[];

  /** Zeros under each of `names`. */
  constructor(arena: ParameterArena, names: readonly string[]) {
    this.#buffers = names.map((name) => {
      const buffer = arena.zeros();
      return { name, arena: buffer, views: arena.views(buffer) };
    });
    this.#count = arena.parameters.length;
  }

  /** Where the buffers are, in the order of the names. */
  get ranges(): BufferRange[] {
    return this.#buffers.map(({ arena }) => arena.range);
  }

  /** Under `<index>.<name>` what is remembered of each parameter, under `<index>.step` the steps taken. */
  dict(): Map<string, Tensor | SafetensorsTensor> {
    const step: SafetensorsTensor = { dtype: 'F32', shape: [], data: Float32Array.of(this.steps) };
    return new Map<string, Tensor | SafetensorsTensor>(
      Array.from({ length: this.#count }, (_, index) => [
        [`${index}.step`, step] as const,
        ...this.#tensorsOf(index),
      ]).flat(),
    );
  }

  #tensorsOf(index: number): [string, Tensor][] {
    return this.#buffers.flatMap(({ name, views }) =>
      views.slice(index, index + 1).map((view): [string, Tensor] => [`${index}.${name}`, view]),
    );
  }

  /**
   * Takes back what `dict` gave; `what` names the operation.
   *
   * @throws StateDictError where names, shapes or dtypes differ; nothing is changed then
   */
  load(what: string, state: StateDict): void {
    const given = new Map(stateMap(state));
    const names = Array.from({ length: this.#count }, (_, index) => `${index}.step`);
    const steps = stepsOf(what, given, names);
    for (const name of names) given.delete(name);
    const tensors = new Map(names.flatMap((_, index) => this.#tensorsOf(index)));
    loadTensors(what, tensors, given);
    this.steps = steps;
  }

  /** Frees the buffers. */
  dispose(): void {
    for (const { arena, views } of this.#buffers) {
      for (const tensor of [...views, arena]) tensor.dispose();
    }
  }
}

/** The steps taken, which have to be the same for all parameters, and on the CPU. */
function stepsOf(
  what: string,
  given: ReadonlyMap<string, Tensor | SafetensorsTensor>,
  names: readonly string[],
): number {
  const missing = names.filter((name) => !given.has(name));
  if (missing.length > 0) throw new StateDictError(what, { missing, unexpected: [] }, []);
  const counts = names.map((name) => {
    const value = given.get(name);
    return value && !(value instanceof Tensor) && value.data.length === 1 ? Number(value.data[0]) : Number.NaN;
  });
  const [steps = 0] = counts;
  const wrong = names.filter((_, index) => counts[index] !== steps || !Number.isInteger(steps) || steps < 0);
  if (wrong.length > 0) {
    const mismatched = wrong.map((name) => `${name} is not a count on the CPU, the same for every parameter`);
    throw new StateDictError(what, { missing: [], unexpected: [] }, mismatched);
  }
  return steps;
}
