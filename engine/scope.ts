import { ScopeError } from './errors.js';
import { Tensor } from './tensor.js';

/** A set of tensors that are freed together. */
export class Scope {
  readonly tensors = new Set<Tensor>();
}

/** The open scopes of one device, innermost last. */
export class ScopeStack {
  readonly #open: Scope[] = [];

  get innermost(): Scope | undefined {
    return this.#open.at(-1);
  }

  /** Runs `fn` in a new scope and frees what it made, but for what it returns. See `Device.scope`. */
  run<T>(fn: () => T): T {
    const scope = new Scope();
    this.#open.push(scope);
    let result: T;
    try {
      result = fn();
    } catch (error) {
      this.#close(scope, undefined);
      throw error;
    }
    if (result instanceof Promise) {
      const settled: Promise<unknown> = result.then(
        (value: unknown) => {
          this.#close(scope, value);
          return value;
        },
        (error: unknown) => {
          this.#close(scope, undefined);
          throw error;
        },
      );
      return settled as T;
    }
    this.#close(scope, result);
    return result;
  }

  #close(scope: Scope, result: unknown): void {
    const position = this.#open.indexOf(scope);
    const outOfOrder = position !== this.#open.length - 1;
    this.#open.splice(position, 1);
    const parent = this.innermost;
    for (const tensor of tensorsIn(result)) {
      if (!scope.tensors.delete(tensor)) continue;
      tensor.scope = parent;
      parent?.tensors.add(tensor);
    }
    for (const tensor of scope.tensors) tensor.dispose();
    if (outOfOrder) {
      throw new ScopeError(
        'scope: an async scope ended while a later one was still open; await one scope before opening the next',
      );
    }
  }
}

/** Every tensor in a value made of tensors, arrays, maps and plain objects. */
export function tensorsIn(value: unknown, found = new Set<Tensor>()): Set<Tensor> {
  if (value instanceof Tensor) {
    found.add(value);
  } else if (Array.isArray(value)) {
    for (const item of value) tensorsIn(item, found);
  } else if (value instanceof Map) {
    for (const item of value.values()) tensorsIn(item, found);
  } else if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) tensorsIn(item, found);
  }
  return found;
}
