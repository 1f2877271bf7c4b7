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
export function record<A>(op: Op<A>, inputs: readonly Tensor[], outputs: readonly Tensor[], attrs: A): void {
  const { backward, fusedBackward } = op;
  if (!backward) return;
  const node: GraphNode = {
    id: nextId++,
    name: op.name,
    inputs,
    outputs,
    backward: (grads, needs, createGraph) => {
      const rule = createGraph ? backward : (fusedBackward ?? backward);
      return rule({ inputs, outputs, attrs, grads, needs });
    },
  };
  for (const output of outputs) {
    if (output.dtype === 'f32') output.node = node;
  }
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
}

/**
 * The gradients of `output` (a scalar, or any shape with `gradOutput`) with respect to each of `inputs`. Only what these
 * inputs need is computed. Throws a `GradError` where an input does not take part in `output`.
 */
export function grad(output: Tensor, inputs: readonly Tensor[], options: GradOptions = {}): Tensor[] {
  const grads = differentiate(output, inputs, options);
  const given = new Set<Tensor>();
  return inputs.map((input, index) => {
    const gradient = grads.get(input);
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

/** Adds the gradients of a scalar with respect to every leaf that requires them to the leaves' `grad`. */
export function backward(output: Tensor, gradOutput?: Tensor): void {
  const leaves = new Set<Tensor>();
  for (const node of reachable(output).values()) {
    for (const input of node.inputs) if (input.requiresGrad && !input.node) leaves.add(input);
  }
  const grads = differentiate(output, [...leaves], gradOutput ? { gradOutput } : {});
  for (const leaf of leaves) {
    const gradient = grads.get(leaf);
    if (!gradient) continue;
    const before = leaf.grad;
    leaf.grad = keep(before ? noGrad(leaf.device, () => before.add(gradient)) : gradient.alias(leaf.shape));
    before?.dispose();
  }
}

function differentiate(output: Tensor, inputs: readonly Tensor[], options: GradOptions): Map<Tensor, Tensor> {
  const { createGraph = false } = options;
  const { device } = output;
  if (!output.tracksGrad) {
    throw new GradError('grad: the output has no graph; it was computed without an input that requires gradients');
  }
  const nodes = reachable(output);
  const wanted = reachesAny(nodes, new Set(inputs));
  return withGrad(device, createGraph, () => {
    const pending = new PendingGrads(createGraph, new Set(inputs), latestTensorId());
    pending.add(output, seedGradient(output, options.gradOutput));
    for (const node of [...nodes.values()].sort((a, b) => b.id - a.id)) {
      if (!wanted.has(node)) continue;
      const grads = node.outputs.map((tensor) => pending.get(tensor));
      if (grads.every((gradient) => gradient === undefined)) continue;
      const needs = node.inputs.map(
        (input) => wanted.has(input) || (input.node !== undefined && wanted.has(input.node)),
      );
      for (const tensor of [...node.inputs, ...node.outputs]) tensor.assertAlive(`backward of ${node.name}`);
      const run = (): readonly (Tensor | undefined)[] => node.backward(grads, needs, createGraph);
      const results = createGraph ? run() : device.scope(run);
      node.inputs.forEach((input, index) => {
        const gradient = results[index];
        if (gradient && needs[index]) pending.add(input, gradient);
      });
      pending.settle(node.outputs, results);
    }
    return pending.grads;
  });
}

function seedGradient(output: Tensor, gradOutput: Tensor | undefined): Tensor {
  if (gradOutput) {
    if (!sameShape(gradOutput.shape, output.shape)) {
      throw new GradError(
        `grad: gradOutput has shape ${formatShape(gradOutput.shape)}; expected the output's ${formatShape(output.shape)}`,
      );
    }
    return gradOutput;
  }
  if (output.size !== 1) {
    throw new GradError(
      `grad: the output has shape ${formatShape(output.shape)}; expected a scalar, or give gradOutput of that shape`,
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
  #superseded: Tensor[] = [];

  /** Tensors numbered up to `newest` were there before the backward pass, which must not free them. */
  constructor(createGraph: boolean, results: ReadonlySet<Tensor>, newest: number) {
    this.#createGraph = createGraph;
    this.#results = results;
    this.#newest = newest;
  }

  get(tensor: Tensor): Tensor | undefined {
    return this.grads.get(tensor);
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
      if (tensor && tensor.id > this.#newest && !used.has(tensor)) tensor.dispose();
    }
  }
}

function reachable(output: Tensor): Map<number, GraphNode> {
  const found = new Map<number, GraphNode>();
  const open = output.node ? [output.node] : [];
  for (let node = open.pop(); node; node = open.pop()) {
    if (found.has(node.id)) continue;
    found.set(node.id, node);
    for (const input of node.inputs) if (input.node) open.push(input.node);
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
