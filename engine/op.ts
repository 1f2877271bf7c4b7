import { isRecording, record } from './autograd.js';
import type { Device } from './device.js';
import type { DType } from './dtype.js';
import { ArgumentError, DTypeError } from './errors.js';
import type { Shape } from './shape.js';
import type { Tensor } from './tensor.js';

/** Shape and element type of one output. */
export interface OutputSpec {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** What a forward pass works on. Outputs are allocated and uninitialised; zero-size ones may be left alone. */
export interface RunCall<A> {
  readonly device: Device;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attrs: A;
}

/** What a backward rule works on. */
export interface BackwardCall<A> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attrs: A;
  /** One per output: the gradient that arrived, or undefined where none did. */
  readonly grads: readonly (Tensor | undefined)[];
  /** One per input: whether its gradient is wanted. What is not wanted must not be computed. */
  readonly needs: readonly boolean[];
}

/** One gradient per input; undefined where it is not wanted or is zero. */
export type BackwardRule<A> = (call: BackwardCall<A>) => readonly (Tensor | undefined)[];

/** What a test draws an input's values from: f32 uniform in [low, high), other dtypes whole numbers in the same range. */
export interface InputDraw {
  readonly dtype: DType;
  readonly range: readonly [low: number, high: number];
}

/** One set of arguments for an op's tests. */
export interface OpSample<A> {
  readonly shapes: readonly Shape[];
  readonly attrs: A;
  /** One per input, null (or nothing) for f32 values from the op's `domain`. */
  readonly draws?: readonly (InputDraw | null)[];
  /** It gives or takes f16, which not every adapter has. */
  readonly half?: boolean;
}

/**
 * An operation: the one record from which its forward pass, its gradients, its tests and its documentation follow.
 *
 * @typeParam A - the attributes: everything that is not a tensor.
 */
export interface Op<A> {
  readonly name: string;
  /** One sentence: what it computes. */
  readonly summary: string;
  /** Checks the inputs, throwing typed errors, and gives the outputs' shapes and dtypes. */
  infer(inputs: readonly Tensor[], attrs: A): readonly OutputSpec[];
  /** Records the dispatches that compute the outputs. */
  run(call: RunCall<A>): void;
  /**
   * Products that are added up, as the definition has them, whatever kernel computes it and wherever padding is: what `summary`
   * counts. None unless told.
   */
  macs?(call: Pick<RunCall<A>, 'inputs' | 'attrs'>): number;
  /** The output is the first input's memory in another shape; `run` is not called. */
  readonly view?: boolean;
  /** The rule, in differentiable tensor operations. Absent: not differentiable. */
  readonly backward?: BackwardRule<A>;
  /** A faster rule for first-order gradients, tested against `backward`. */
  readonly fusedBackward?: BackwardRule<A>;
  /** Arguments that the op's tests draw from, awkward shapes among them. */
  readonly samples?: readonly OpSample<A>[];
  /** Where the tests draw f32 input values from; [-2, 2] by default. */
  readonly domain?: readonly [number, number];
  /**
   * What the first input may hold, and with it every input whose sample draws from `domain`; f32 only by default. Where it does not
   * list f16, the op never sees any: it computes in f32, and its first output is rounded.
   */
  readonly dtypes?: readonly DType[];
}

/** An op as its tests and its documentation see it: attributes bound, types forgotten. */
export interface RegisteredOp {
  readonly name: string;
  readonly summary: string;
  readonly differentiable: boolean;
  readonly domain: readonly [number, number];
  readonly dtypes: readonly DType[];
  /** Applies the op; the attributes have to be of its own type. */
  readonly call: (inputs: readonly Tensor[], attrs: unknown) => Tensor[];
  readonly samples: readonly {
    readonly shapes: readonly Shape[];
    readonly attrs: unknown;
    /** One per input; null for values from `domain`, in one of `dtypes`. */
    readonly draws: readonly (InputDraw | null)[];
    readonly half: boolean;
    /** Applies the op with this sample's attributes. */
    readonly call: (inputs: readonly Tensor[]) => Tensor[];
  }[];
}

/** Every op that was declared, by name: what tests and documentation go through. */
export const registeredOps = new Map<string, RegisteredOp>();

/** Declares an op. */
export function defineOp<A>(op: Op<A>): Op<A> {
  const samples = (op.samples ?? []).map(({ shapes, attrs, draws = [], half = false }) => ({
    shapes,
    attrs,
    draws: shapes.map((_, index) => draws[index] ?? null),
    half,
    call: (inputs: readonly Tensor[]) => apply(op, inputs, attrs),
  }));
  const { name, summary, domain = [-2, 2], dtypes = ['f32'] } = op;
  const call = (inputs: readonly Tensor[], attrs: unknown): Tensor[] => apply(op, inputs, attrs as A);
  registeredOps.set(name, { name, summary, differentiable: op.backward !== undefined, domain, dtypes, call, samples });
  return op;
}

/** Checks, runs and records one operation; gives its outputs. */
export function apply<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor[] {
  const [first] = inputs;
  if (!first) throw new ArgumentError(`${op.name}: no inputs; expected at least one tensor`);
  const { device } = first;
  for (const input of inputs) {
    input.assertAlive(op.name);
    if (input.device !== device) {
      throw new ArgumentError(`${op.name}: inputs live on two devices; copy one over by its data()`);
    }
  }
  if (!op.dtypes?.includes('f16') && inputs.some(({ dtype }) => dtype === 'f16')) {
    return throughF32(inputs, (widened) => apply(op, widened, attrs));
  }
  const specs = op.infer(inputs, attrs);
  let outputs: Tensor[];
  if (op.view) {
    outputs = specs.map((spec) => first.alias(spec.shape));
  } else {
    outputs = specs.map((spec) => device.empty(spec.shape, spec.dtype, op.name));
    op.run({ device, inputs, outputs, attrs });
    device.inspect(op.name, outputs, op.macs?.({ inputs, attrs }));
  }
  if (op.backward && isRecording(device, inputs)) record(op, inputs, outputs, attrs);
  return outputs;
}

type Cast = (x: Tensor, dtype: 'f32' | 'f16') => Tensor;

let convert: Cast | undefined;

/** Tells `throughF32` how floats are converted: by an op, which is declared with the means of this file. */
export function provideCast(cast: Cast): void {
  convert = cast;
}

/**
 * What `compute` gives for the inputs with f32 in place of f16. Where all floats among the inputs are f16, so is the first
 * result; the others are left as they are.
 */
export function throughF32(
  inputs: readonly Tensor[],
  compute: (widened: readonly Tensor[]) => readonly Tensor[],
): Tensor[] {
  const cast = convert;
  if (!cast) throw new ArgumentError('throughF32: no conversion was provided');
  const [result, ...rest] = compute(inputs.map((input) => (input.dtype === 'f16' ? cast(input, 'f32') : input)));
  if (!result) return [];
  const narrow = result.dtype === 'f32' && !inputs.some(({ dtype }) => dtype === 'f32');
  return [narrow ? cast(result, 'f16') : result, ...rest];
}

/** `compute(x)`, by way of f32 where `x` is f16: for functions of several ops, whose steps are not to be rounded. */
export function inF32(x: Tensor, compute: (x: Tensor) => Tensor): Tensor {
  return x.dtype === 'f16'
    ? nth(
        throughF32([x], ([widened]) => [compute(nth([widened], 0))]),
        0,
      )
    : compute(x);
}

/** `apply` for an op with one output. */
export function applyOne<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor {
  const [output] = apply(op, inputs, attrs);
  if (!output) throw new ArgumentError(`${op.name}: has no output`);
  return output;
}

/** The n-th of an op's tensors (inputs, outputs or gradients), which the op knows to be there. */
export function nth(tensors: readonly (Tensor | undefined)[], index: number): Tensor {
  const tensor = tensors[index];
  if (!tensor) throw new ArgumentError(`an op was given no tensor number ${index}`);
  return tensor;
}

/** Throws a `DTypeError` unless every input has one of the dtypes. */
export function expectDType(op: string, inputs: readonly Tensor[], ...dtypes: readonly DType[]): void {
  for (const input of inputs) {
    if (!dtypes.includes(input.dtype)) {
      throw new DTypeError(`${op}: got a tensor of dtype ${input.dtype}; expected ${dtypes.join(' or ')}`);
    }
  }
}
