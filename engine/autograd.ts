import { isFloat } from './dtype.js';
import type { Device } from './device.js';
import { GradError } from './errors.js';
import type { Op } from './op.js';
import { formatShape, sameShape } from './shape.js';
import { keep, latestTensorId, type Tensor } from './tensor.js';

/** One recorded operation: a line of the tape. */
export interface GraphNode {
  /** Increases in the order of recording, so that descending order is a valid order for backward passes. */
  readonly id: number;
  readonly name: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** The inputs' versions, then the outputs', when it was recorded. */
  readonly versions: readonly number[];
  /** Whether a `backward` has been through it. */
  spent: boolean;
  /** The gradients with respect to the inputs, by the op's rule. */
  backward(
    grads: readonly (Tensor | undefined)[],
    needs: readonly boolean[],
    createGraph: boolean,
  ): readonly (Tensor | undefined)[];
}

let nextId = 0;

/** Whether an op on these inputs is to be recorded. */
export function isRecording(device: Device, inputs: readonly Tensor[]): boolean {
  return device.gradEnabled && inputs.some((input) => input.tracksGrad);
}

/** Records an operation on the tape of its outputs. */
export function record<A>(
  op: Pick<Op<A>, 'name' | 'backward' | 'fusedBackward'>,
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  attrs: A,
): void {
  const { backward, fusedBackward } = op;
  if (!backward) return;
  const node: GraphNode = {
    id: nextId++,
    name: op.name,
    inputs,
    outputs,
    versions: versionsOf(inputs, outputs),
    spent: false,
    backward: (grads, needs, createGraph) => {
      const rule = createGraph ? backward : (fusedBackward ?? backward);
      return rule({ inputs, outputs, attrs, grads, needs });
    },
  };
  for (const output of outputs) {
    if (isFloat(output.dtype)) output.node = node;
  }
}

function versionsOf(inputs: readonly Tensor[], outputs: readonly Tensor[]): number[] {
  return [...inputs, ...outputs].map((tensor) => tensor.version);
}

/** Runs `fn` without recording anything for differentiation; `fn` must be synchronous. */
export function noGrad<T>(device: Device, fn: () => T): T {
  return withGrad(device, false, fn);
}

/** Runs the synchronous `fn` with recording switched on, inside a `noGrad`. */
export function enableGrad<T>(device: Device, fn: () => T): T {
  return withGrad(device, true, fn);
}

function withGrad<T>(device: Device, enabled: boolean, fn: () => T): T {
  const before = device.gradEnabled;
  device.gradEnabled = enabled;
  try {
    return fn();
  } finally {
    device.gradEnabled = before;
  }
}

/** Options of `grad`. */
export interface GradOptions {
  /** Record the backward pass too, for gradients of gradients. */
  readonly createGraph?: boolean;
  /** The upstream gradient, of the output's shape; needed where the output is not a scalar. */
  readonly gradOutput?: Tensor;
  /** Give zeros for an input that does not take part in the output, instead of an error. */
  readonly allowUnused?: boolean;
}

/**
 * The gradients of `output` (a scalar, or any shape with `gradOutput`) with respect to each of `inputs`. Only what these
 * inputs need is computed. Throws a `GradError` where an input does not take part in `output`.
 */
export function grad(output: Tensor, inputs: readonly Tensor[], options: GradOptions = {}): Tensor[] {
  return gradSince(0, output, inputs, options);
}

/** `grad` through what was computed from tensors up to the `id` oldest, which count as independent of each other. */
export function gradSince(
  oldest: number,
  output: Tensor,
  inputs: readonly Tensor[],
  options: GradOptions = {},
): Tensor[] {
  if (options.allowUnused && !output.tracksGrad) return inputs.map((input) => input.zerosLike());
  const grads = differentiate('grad', output, inputs, options, oldest);
  const given = new Set<Tensor>();
  return inputs.map((input, index) => {
    const gradient = grads.get(input);
    if (!gradient && options.allowUnused) return input.zerosLike();
    if (!gradient) {
      throw new GradError(
        `grad: input ${index} of shape ${formatShape(input.shape)} does not take part in the output; ` +
          'mark it with requireGrad() before the forward pass',
      );
    }
    // Two inputs may have one gradient between them; each gets a tensor of its own, so that freeing one is safe.
    if (given.has(gradient)) return options.createGraph ? gradient.mul(1) : gradient.alias(gradient.shape);
    given.add(gradient);
    return gradient;
  });
}

/** Options of `backward`. */
export interface BackwardOptions {
  /** Let the graph be gone through again: without it a second pass throws, because it would count the same gradients twice. */
  readonly retainGraph?: boolean;
}

/**
 * Adds the gradients of a scalar (or of any shape, with `gradOutput` of that shape) with respect to every leaf that requires
 * them to the leaves' `grad`.
 *
 * @throws GradError for a second pass through a graph, an output without one, or one that is not a scalar
 */
export function backward(output: Tensor, gradOutput?: Tensor, { retainGraph = false }: BackwardOptions = {}): void {
  const leaves = new Set<Tensor>();
  const nodes = [...reachable(output).values()];
  for (const node of nodes) {
    for (const input of node.inputs) if (input.requiresGrad && !input.node) leaves.add(input);
  }
  const grads = differentiate('backward', output, [...leaves], gradOutput ? { gradOutput } : {});
  if (!retainGraph) for (const node of nodes) node.spent = true;
  for (const leaf of leaves) {
    const gradient = grads.get(leaf);
    if (!gradient) continue;
    const before = leaf.grad;
    leaf.grad = keep(before ? noGrad(leaf.device, () => before.add(gradient)) : gradient.alias(leaf.shape));
    before?.dispose();
  }
}

function differentiate(
  caller: string,
  output: Tensor,
  inputs: readonly Tensor[],
  options: GradOptions,
  oldest = 0,
): Map<Tensor, Tensor> {
  const { createGraph = false } = options;
  const { device } = output;
  if (!output.tracksGrad) {
    throw new GradError(`${caller}: the output has no graph; it was computed without an input that requires gradients`);
  }
  const nodes = reachable(output, oldest);
  const wanted = reachesAny(nodes, new Set(inputs));
  return withGrad(device, createGraph, () => {
    const pending = new PendingGrads(createGraph, new Set(inputs), latestTensorId());
    pending.add(output, seedGradient(caller, output, options.gradOutput));
    for (const node of [...nodes.values()].sort((a, b) => b.id - a.id)) {
      if (!wanted.has(node)) continue;
      const grads = node.outputs.map((tensor) => pending.complete(tensor));
      if (grads.every((gradient) => gradient === undefined)) continue;
      checkReplay(node);
      const needs = node.inputs.map(
        (input) => wanted.has(input) || (input.node !== undefined && wanted.has(input.node)),
      );
      const run = (): readonly (Tensor | undefined)[] => node.backward(grads, needs, createGraph);
      const results = createGraph ? run() : device.scope(run);
      // Before they are added to others, which frees them.
      device.inspect(`backward of ${node.name}`, results);
      node.inputs.forEach((input, index) => {
        const gradient = results[index];
        if (gradient && needs[index]) pending.add(input, gradient);
      });
      pending.settle(node.outputs, results);
    }
    for (const input of inputs) pending.complete(input);
    return pending.grads;
  });
}

/** Throws where what a node would compute its gradients from is not what it was. */
function checkReplay(node: GraphNode): void {
  if (node.spent) {
    throw new GradError(
      `backward of ${node.name}: backward() has been through this graph; run the forward pass again, or give the first ` +
        'backward() { retainGraph: true }',
    );
  }
  const tensors = [...node.inputs, ...node.outputs];
  for (const tensor of tensors) tensor.assertAlive(`backward of ${node.name}`);
  const changed = tensors.findIndex((tensor, index) => tensor.version !== node.versions[index]);
  const tensor = tensors[changed];
  if (!tensor) return;
  const role = changed < node.inputs.length ? `input ${changed}` : `output ${changed - node.inputs.length}`;
  throw new GradError(
    `backward of ${node.name}: its ${role} of shape ${formatShape(tensor.shape)} was changed in place after the forward pass; ` +
      'differentiate before the change, or change a copy',
  );
}

function seedGradient(caller: string, output: Tensor, gradOutput: Tensor | undefined): Tensor {
  if (gradOutput) {
    if (!sameShape(gradOutput.shape, output.shape)) {
      throw new GradError(
        `${caller}: gradOutput has shape ${formatShape(gradOutput.shape)}; expected the output's ${formatShape(output.shape)}`,
      );
    }
    return gradOutput;
  }
  if (output.size !== 1) {
    throw new GradError(
      `${caller}: the output has shape ${formatShape(output.shape)}; expected a scalar, or give gradOutput of that shape`,
    );
  }
  return output.onesLike();
}

/** Gradients on their way: accumulated per tensor, and freed as soon as nothing needs them any more. */
class PendingGrads {
  readonly grads = new Map<Tensor, Tensor>();
  readonly #createGraph: boolean;
  readonly #results: ReadonlySet<Tensor>;
  readonly #newest: number;
  readonly #hooked = new Set<Tensor>();
  /** Gradients that hooks have seen, and may have held on to: the scope frees those. */
  readonly #shown = new Set<Tensor>();
  #superseded: Tensor[] = [];

  /** Tensors numbered up to `newest` were there before the backward pass, which must not free them. */
  constructor(createGraph: boolean, results: ReadonlySet<Tensor>, newest: number) {
    this.#createGraph = createGraph;
    this.#results = results;
    this.#newest = newest;
  }

  /** The gradient of a tensor to which nothing will be added any more, as its hooks leave it. */
  complete(tensor: Tensor): Tensor | undefined {
    let gradient = this.grads.get(tensor);
    if (!gradient || this.#hooked.has(tensor)) return gradient;
    this.#hooked.add(tensor);
    for (const hook of tensor.hooks) {
      this.#shown.add(gradient);
      const other = hook(gradient);
      if (!other || other === gradient) continue;
      if (!sameShape(other.shape, tensor.shape) || other.dtype !== tensor.dtype) {
        throw new GradError(
          `registerHook: a hook gave ${other.dtype} ${formatShape(other.shape)}; expected ${tensor.dtype} ${formatShape(tensor.shape)}`,
        );
      }
      this.#superseded.push(gradient);
      this.grads.set(tensor, (gradient = other));
    }
    return gradient;
  }

  add(tensor: Tensor, gradient: Tensor): void {
    const before = this.grads.get(tensor);
    this.grads.set(tensor, before ? before.add(gradient) : gradient);
    if (before) this.#superseded.push(before);
  }

  /** Drops the gradients of a node's outputs, which its rule has consumed, and what the rule made for nobody. */
  settle(outputs: readonly Tensor[], made: readonly (Tensor | undefined)[]): void {
    const done = this.#superseded;
    this.#superseded = [];
    for (const output of outputs) {
      const gradient = this.grads.get(output);
      if (!gradient || this.#results.has(output)) continue;
      this.grads.delete(output);
      done.push(gradient);
    }
    if (this.#createGraph) return;
    const used = new Set(this.grads.values());
    for (const tensor of [...done, ...made]) {
      if (tensor && tensor.id > this.#newest && !used.has(tensor) && !this.#shown.has(tensor)) tensor.dispose();
    }
  }
}

/** The tensors up to the `id` oldest that `output` was computed from and that take part in differentiation. */
export function capturedBy(output: Tensor, oldest: number): Tensor[] {
  const inputs = [...reachable(output, oldest).values()].flatMap((node) => node.inputs);
  return [...new Set(inputs)].filter((input) => input.id <= oldest && input.tracksGrad);
}

/** The nodes that lead to `output`, going back no further than to tensors up to the `id` oldest. */
function reachable(output: Tensor, oldest = 0): Map<number, GraphNode> {
  const found = new Map<number, GraphNode>();
  const open = output.node && output.id > oldest ? [output.node] : [];
  for (let node = open.pop(); node; node = open.pop()) {
    if (found.has(node.id)) continue;
    found.set(node.id, node);
    for (const input of node.inputs) if (input.node && input.id > oldest) open.push(input.node);
  }
  return found;
}

/** The nodes and tensors from which one of `targets` can be reached. */
function reachesAny(
  nodes: ReadonlyMap<number, GraphNode>,
  targets: ReadonlySet<Tensor>,
): ReadonlySet<GraphNode | Tensor> {
  const wanted = new Set<GraphNode | Tensor>(targets);
  for (const node of [...nodes.values()].sort((a, b) => a.id - b.id)) {
    const leads = node.inputs.some(
      (input) => wanted.has(input) || (input.node !== undefined && wanted.has(input.node)),
    );
    if (leads) wanted.add(node);
  }
  return wanted;
}
