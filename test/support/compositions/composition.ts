import type { InputDraw, RegisteredOp, Tensor } from '../../../engine/index.js';
import type { RecordCheck } from '../records.js';
import type { Reference } from '../reference.js';

/** A public function that is made of ops and has no record of its own, with what proves it. */
export interface Composition {
  readonly name: string;
  /** What it computes, as a record's summary. */
  readonly summary: string;
  readonly cases: readonly CompositionCase[];
  /** False for those that give no float. */
  readonly differentiable?: boolean;
}

/** One call of a composition, and its definition in float64. */
export interface CompositionCase {
  /** What sets it apart from the other cases. */
  readonly label: string;
  readonly shapes: readonly (readonly number[])[];
  readonly call: (inputs: readonly Tensor[]) => Tensor | readonly Tensor[];
  /** One for each tensor that `call` gives. */
  readonly definition: Reference | readonly Reference[];
  /** Where f32 inputs are drawn from; [-2, 2] unless told. */
  readonly domain?: readonly [number, number];
  /** For inputs that are no f32 of the domain. */
  readonly draws?: readonly (InputDraw | null)[];
}

/** An input of a case, which is there. */
export function nth(inputs: readonly Tensor[], index: number): Tensor {
  const input = inputs[index];
  if (!input) throw new RangeError(`a composition was given no input ${index}`);
  return input;
}

/** The checks of a composition: the same as those of a record. */
export function checksOfComposition({ name, summary, cases, differentiable = true }: Composition): RecordCheck[] {
  return cases.map(({ label, shapes, call, definition, domain = [-2, 2], draws = [] }) => {
    const many = (inputs: readonly Tensor[]): Tensor[] => [call(inputs)].flat();
    const op: RegisteredOp = { name, summary, differentiable, domain, dtypes: ['f32'], call: many, samples: [] };
    return {
      op,
      name: `${name} ${label}`,
      shapes,
      draws: shapes.map((_, index) => draws[index] ?? { dtype: 'f32', range: domain }),
      call: many,
      half: false,
      definitions: [definition].flat(),
    };
  });
}
