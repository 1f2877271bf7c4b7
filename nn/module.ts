import { observeHost, overwriteHost } from '../engine/capture.js';
import type { Device } from '../engine/device.js';
import { ArgumentError, GradError } from '../engine/errors.js';
import { formatShape } from '../engine/shape.js';
import { INSPECT, keep, type Tensor } from '../engine/tensor.js';
import { loadTensors, type LoadOptions, type LoadReport, type StateDict } from './state-dict.js';

/**
 * A layer or a network, as PyTorch's `nn.Module`: it holds parameters (tensors to learn), buffers (state that is saved but not
 * learned) and other modules, and computes `forward`. The names of its tensors are PyTorch's state-dict keys, such as
 * `conv1.weight` or `bn1.running_mean`, so that checkpoints load by name in both directions.
 *
 * A property that is a module is a child, under the property's name:
 *
 *     class Net extends Module {
 *       conv1 = new Conv2d(1, 8, 3, { device });
 *       fc = new Linear(8, 10, { device });
 *       forward(x: Tensor): Tensor {
 *         return this.fc.forward(mean(relu(this.conv1.forward(x)), [2, 3]));
 *       }
 *     }
 *
 * Tensors, and children whose key is not their property's name, are announced by `registerParameter`, `registerBuffer` and
 * `registerModule`. Registered tensors belong to the module, whatever scope they were made in; `dispose` frees them.
 */
export abstract class Module {
  #training = true;

  /** Whether dropout and batch norm behave as in training; see `train` and `eval`. */
  get training(): boolean {
    observeHost(this, () => this.#training);
    return this.#training;
  }

  set training(mode: boolean) {
    overwriteHost(this);
    this.#training = mode;
  }
  readonly #parameters = new Map<string, Tensor>();
  readonly #buffers = new Map<string, Tensor>();
  readonly #children = new Map<string, Module>();

  /** The output for an input; what shapes it takes is the module's own matter. */
  abstract forward(x: Tensor): Tensor;

  /**
   * The device of the first tensor in it.
   *
   * @throws ArgumentError where there is no tensor, as in a `ReLU`
   */
  get device(): Device {
    const tensor = this.parameters()[0] ?? this.buffers()[0];
    if (tensor) return tensor.device;
    throw new ArgumentError(`${this.constructor.name}: has no parameters and no buffers, and so no device of its own`);
  }

  /** Makes `tensor` a parameter under `name`: it is kept and requires gradients from now on. Returns it. */
  protected registerParameter(name: string, tensor: Tensor): Tensor {
    this.#checkName(name);
    if (tensor.node) {
      throw new GradError(
        `${this.constructor.name}: parameter '${name}' is the result of an operation; give it detached`,
      );
    }
    this.#parameters.set(name, keep(tensor).requireGrad());
    return tensor;
  }

  /** Makes `tensor` a buffer under `name`: it is kept, saved and loaded, but not learned. Returns it. */
  protected registerBuffer(name: string, tensor: Tensor): Tensor {
    this.#checkName(name);
    this.#buffers.set(name, keep(tensor));
    return tensor;
  }

  /** Makes `module` a child under `name`, for names that no property has. Returns it. */
  protected registerModule<M extends Module>(name: string, module: M): M {
    this.#checkName(name);
    this.#children.set(name, module);
    return module;
  }

  #checkName(name: string): void {
    if (name === '' || name.includes('.')) {
      throw new ArgumentError(
        `${this.constructor.name}: '${name}' cannot name a part of a module; give a name without dots`,
      );
    }
    if (this.#parameters.has(name) || this.#buffers.has(name) || this.#children.has(name)) {
      throw new ArgumentError(
        `${this.constructor.name}: the name '${name}' is taken; give each part a name of its own`,
      );
    }
  }

  /** This module's own buffers. A layer that counts on the CPU overrides it to bring its buffers up to date first. */
  protected ownBuffers(): ReadonlyMap<string, Tensor> {
    return this.#buffers;
  }

  /** The direct children: those registered, then the properties that are modules. */
  children(): Map<string, Module> {
    const found = new Map(this.#children);
    const registered = new Set(found.values());
    for (const [name, value] of Object.entries(this)) {
      if (value instanceof Module && !registered.has(value)) found.set(name, value);
    }
    return found;
  }

  /** This module under the name '', and everything in it under dotted names, depth first; each module once. */
  namedModules(): Map<string, Module> {
    const found = new Map<string, Module>();
    const seen = new Set<Module>();
    this.#walk('', (prefix, module) => {
      if (!seen.has(module)) found.set(prefix.slice(0, -1), module);
      seen.add(module);
    });
    return found;
  }

  /** This module and everything in it, depth first. */
  modules(): Module[] {
    return [...this.namedModules().values()];
  }

  /** Calls `visit` for this module and everything in it with the prefix of its tensors' names; shared modules come again. */
  #walk(prefix: string, visit: (prefix: string, module: Module) => void): void {
    visit(prefix, this);
    for (const [name, child] of this.children()) child.#walk(`${prefix}${name}.`, visit);
  }

  /** The parameters by their state-dict names; one shared by several modules appears under its first name only. */
  namedParameters(): Map<string, Tensor> {
    const found = new Map<string, Tensor>();
    this.#walk('', (prefix, module) => {
      for (const [name, tensor] of module.#parameters) found.set(prefix + name, tensor);
    });
    return withoutRepetition(found);
  }

  /** The parameters, in the order of `namedParameters`: what an optimiser takes. */
  parameters(): Tensor[] {
    return [...this.namedParameters().values()];
  }

  /** The buffers by their state-dict names; one that is shared appears once. */
  namedBuffers(): Map<string, Tensor> {
    const found = new Map<string, Tensor>();
    this.#walk('', (prefix, module) => {
      for (const [name, tensor] of module.ownBuffers()) found.set(prefix + name, tensor);
    });
    return withoutRepetition(found);
  }

  /** The buffers, in the order of `namedBuffers`. */
  buffers(): Tensor[] {
    return [...this.namedBuffers().values()];
  }

  /** Calls `fn` for this module and everything in it, this one first, and returns this module. */
  apply(fn: (module: Module) => void): this {
    for (const module of this.modules()) fn(module);
    return this;
  }

  /** Sets the training mode of this module and everything in it. */
  train(mode = true): this {
    return this.apply((module) => {
      module.training = mode;
    });
  }

  /** Sets the evaluation mode: batch norm uses its running statistics, dropout does nothing. */
  eval(): this {
    return this.train(false);
  }

  /**
   * Parameters and buffers by name, in PyTorch's order: the tensors themselves, which training goes on to change. To take their
   * values off the GPU, see `saveStateDict`.
   */
  stateDict(): Map<string, Tensor> {
    const found = new Map<string, Tensor>();
    this.#walk('', (prefix, module) => {
      for (const [name, tensor] of module.#parameters) found.set(prefix + name, tensor);
      for (const [name, tensor] of module.ownBuffers()) found.set(prefix + name, tensor);
    });
    return found;
  }

  /**
   * Overwrites parameters and buffers with the values of the same names: tensors of the same device, or what a safetensors file
   * holds. With `strict: false`, names on one side only are left alone and reported.
   *
   * @throws StateDictError listing the missing and unexpected names and the shapes and dtypes that differ; nothing is changed then
   */
  loadStateDict(state: StateDict, options: LoadOptions = {}): LoadReport {
    return loadTensors('loadStateDict', this.stateDict(), state, options);
  }

  /**
   * The nested list of its modules by their names, as PyTorch prints one, each with its class and the shapes of its own parameters:
   *
   *     Sequential(
   *       (0): Conv2d(weight: [8, 1, 3, 3], bias: [8])
   *       (1): ReLU()
   *     )
   */
  toString(): string {
    return this.#text(new Set());
  }

  /** The text of {@link toString}, with three dots for what was printed already: modules may be in several places. */
  #text(printed: Set<Module>): string {
    if (printed.has(this)) return `${this.constructor.name}(...)`;
    printed.add(this);
    const own = [...this.#parameters].map(([name, { shape }]) => `${name}: ${formatShape(shape)}`);
    const inner = [...this.children()].map(([name, child]) => `(${name}): ${child.#text(printed)}`);
    const text =
      inner.length > 0 ? `\n${[...own, ...inner].join('\n')}`.replaceAll('\n', '\n  ') + '\n' : own.join(', ');
    return `${this.constructor.name}(${text})`;
  }

  [INSPECT](): string {
    return this.toString();
  }

  /** Frees every parameter and buffer, and gradients that `backward` left on them. */
  dispose(): void {
    for (const tensor of this.stateDict().values()) {
      tensor.grad?.dispose();
      tensor.grad = null;
      tensor.dispose();
    }
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function withoutRepetition(named: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const seen = new Set<Tensor>();
  return new Map([...named].filter(([, tensor]) => !seen.has(tensor) && seen.add(tensor)));
}
