/**
 * A reader of pickles (Python's `pickletools`, protocols 2 to 5) that executes nothing: a name of Python's that a pickle asks for
 * is looked up in a list, and what is not on it is refused.
 */
import { FormatError } from '../../engine/errors.js';
import { PickleBytes } from './pickle-bytes.js';
import type { Storage } from './tensor.js';
import { shown, type PyTorchValue } from './value.js';

/** What there may be while a pickle is read: values, and what only values are made with. */
export type Item =
  PyTorchValue | Storage | PickleGlobal | readonly Item[] | ReadonlyMap<Item, Item> | ReadonlySet<Item>;

/** Whether an item is a list or a tuple. */
export function isList(item: Item | undefined): item is readonly Item[] {
  return Array.isArray(item);
}

/** Something of Python's that a pickle may name and call. */
export class PickleGlobal {
  constructor(
    readonly name: string,
    /** Its value for arguments; `fail` makes the error for those that make no sense. */
    readonly call: (args: readonly Item[], fail: (problem: string) => FormatError) => Item,
  ) {}
}

/** What a pickle's surroundings give it. */
export interface PickleHooks {
  /** What a name stands for, such as 'torch.FloatStorage'; undefined where it is refused. */
  global(name: string): Item | undefined;
  /** What a persistent id stands for: a storage, in PyTorch's files. */
  persistent(id: Item, fail: (problem: string) => FormatError): Item;
  /** The start of an error message about a byte: the file, and the byte. */
  readonly place: (at: number) => string;
}

/** Sane checkpoints have some thirty operations per tensor. */
const MAX_OPERATIONS = 2_000_000;

/**
 * Reads the pickle that begins at byte `at`.
 *
 * @returns the value and where the pickle ends
 * @throws FormatError naming the byte, for a pickle that is cut short or makes no sense, asks for a name that is refused, or is
 * larger than any sane one
 */
export function readPickle(bytes: Uint8Array, at: number, hooks: PickleHooks): { value: Item; end: number } {
  const machine = new Machine(new PickleBytes(bytes, at, hooks), hooks);
  for (let count = 0; count < MAX_OPERATIONS; count++) {
    if (machine.step()) return { value: machine.pop(), end: machine.bytes.at };
  }
  throw new FormatError(`${hooks.place(machine.bytes.at)}: the pickle has more than ${MAX_OPERATIONS} operations`);
}

function isMap(item: Item): item is Map<Item, Item> {
  return item instanceof Map;
}

function isSet(item: Item): item is Set<Item> {
  return item instanceof Set;
}

function isArray(item: Item): item is Item[] {
  return Array.isArray(item);
}

/** Whether nothing is left in an item but values. */
export function isValue(item: Item): item is PyTorchValue {
  const seen = new Set<Item>();
  const open: Item[] = [item];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null || next instanceof Uint8Array || seen.has(next)) continue;
    seen.add(next);
    if (isMap(next)) for (const [key, value] of next) open.push(key, value);
    else if (isList(next) || isSet(next)) for (const part of next) open.push(part);
    else if (!('dtype' in next && 'shape' in next)) return false;
  }
  return true;
}

/** The stack, the marks in it and the memo of a pickle that is being read. */
class Machine {
  readonly #stack: Item[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, Item>();
  #start = 0;

  constructor(
    readonly bytes: PickleBytes,
    private readonly hooks: PickleHooks,
  ) {}

  /** Does one operation; true where it was the last. */
  step(): boolean {
    this.#start = this.bytes.at;
    const code = this.bytes.u8();
    if (code === STOP) return true;
    const operation = OPERATIONS.get(code);
    if (!operation)
      throw this.fail(`there is no operation 0x${code.toString(16).padStart(2, '0')} in a PyTorch file's pickle`);
    operation(this, this.bytes);
    return false;
  }

  /** An error about the operation at hand. */
  readonly fail = (problem: string): FormatError => new FormatError(`${this.hooks.place(this.#start)}: ${problem}`);

  push(item: Item): void {
    this.#stack.push(item);
  }

  pop(): Item {
    const item = this.#stack.length > (this.#marks.at(-1) ?? 0) ? this.#stack.pop() : undefined;
    if (item === undefined) throw this.fail('the stack is empty where an operation takes from it');
    return item;
  }

  /** The last `count` items, first pushed first. */
  popped(count: number): Item[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  mark(): void {
    this.#marks.push(this.#stack.length);
  }

  /** What was pushed since the last mark, which goes. */
  popMark(): Item[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw this.fail('there is no mark where an operation goes back to one');
    return this.#stack.splice(mark);
  }

  remember(index = this.#memo.size): void {
    const top = this.pop();
    this.push(top);
    this.#memo.set(index, top);
  }

  recall(index: number): void {
    const item = this.#memo.get(index);
    if (item === undefined) throw this.fail(`item ${index} is asked for before it is there`);
    this.push(item);
  }

  global(module: Item, name: Item): void {
    if (typeof module !== 'string' || typeof name !== 'string') throw this.fail('asks for a name that is no text');
    const whole = `${module}.${name}`;
    const found = this.hooks.global(whole);
    if (found === undefined) {
      throw this.fail(
        `asks for ${shown(whole)}, which a checkpoint does not need; nothing was executed. In Python, save the weights alone: of a ` +
          "dict that holds more, torch.save(checkpoint['state_dict'], path) or the like; of a whole model, save model.state_dict() instead",
      );
    }
    this.push(found);
  }

  persistent(): void {
    this.push(this.hooks.persistent(this.pop(), this.fail));
  }

  reduce(): void {
    const [callee, args] = this.popped(2);
    if (!(callee instanceof PickleGlobal)) throw this.fail('calls what is no function');
    if (!isList(args)) throw this.fail(`calls ${callee.name} with what is no tuple of arguments`);
    this.push(callee.call(args, this.fail));
  }

  /** Attributes, which only dicts have here (`_metadata` of a state dict): passed over. */
  build(): void {
    this.pop();
    const target = this.pop();
    if (!(target instanceof Map)) throw this.fail('gives attributes to what is no dict');
    this.push(target);
  }

  /** Adds to the list, dict or set below `items`. */
  add(kind: 'list' | 'dict' | 'set', items: readonly Item[]): void {
    const target = this.pop();
    if (kind === 'list' && isArray(target)) for (const item of items) target.push(item);
    else if (kind === 'set' && isSet(target)) for (const item of items) target.add(item);
    else if (kind === 'dict' && isMap(target) && items.length % 2 === 0) {
      for (let at = 0; at < items.length; at += 2) target.set(items[at] ?? null, items[at + 1] ?? null);
    } else throw this.fail(`adds ${items.length} items to what is no ${kind} that takes them`);
    this.push(target);
  }
}

type Operation = (machine: Machine, bytes: PickleBytes) => void;

const STOP = 0x2e;

/** Every operation that is understood, by its code. */
const OPERATIONS: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  // PROTO and FRAME, which say nothing that the rest does not.
  [0x80, (_, b) => b.protocol()],
  [0x95, (_, b) => b.frame()],

  // NONE, NEWTRUE, NEWFALSE; BININT, BININT1, BININT2, LONG1, LONG4, BINFLOAT.
  [0x4e, (m) => m.push(null)],
  [0x88, (m) => m.push(true)],
  [0x89, (m) => m.push(false)],
  [0x4a, (m, b) => m.push(b.i32())],
  [0x4b, (m, b) => m.push(b.u8())],
  [0x4d, (m, b) => m.push(b.u16())],
  [0x8a, (m, b) => m.push(b.integer(b.u8()))],
  [0x8b, (m, b) => m.push(b.integer(b.u32()))],
  [0x47, (m, b) => m.push(b.f64())],

  // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8; BINSTRING, SHORT_BINSTRING (Python 2).
  [0x58, (m, b) => m.push(b.text(b.u32()))],
  [0x8c, (m, b) => m.push(b.text(b.u8()))],
  [0x8d, (m, b) => m.push(b.text(b.u64()))],
  [0x54, (m, b) => m.push(b.text(b.u32()))],
  [0x55, (m, b) => m.push(b.text(b.u8()))],

  // BINBYTES, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8.
  [0x42, (m, b) => m.push(b.copied(b.u32()))],
  [0x43, (m, b) => m.push(b.copied(b.u8()))],
  [0x8e, (m, b) => m.push(b.copied(b.u64()))],
  [0x96, (m, b) => m.push(b.copied(b.u64()))],

  // MARK, POP, POP_MARK.
  [0x28, (m) => m.mark()],
  [0x30, (m) => void m.pop()],
  [0x31, (m) => void m.popMark()],

  // EMPTY_TUPLE, TUPLE, TUPLE1, TUPLE2, TUPLE3.
  [0x29, (m) => m.push([])],
  [0x74, (m) => m.push(m.popMark())],
  [0x85, (m) => m.push(m.popped(1))],
  [0x86, (m) => m.push(m.popped(2))],
  [0x87, (m) => m.push(m.popped(3))],

  // EMPTY_LIST, APPEND, APPENDS; EMPTY_DICT, SETITEM, SETITEMS; EMPTY_SET, ADDITEMS, FROZENSET.
  [0x5d, (m) => m.push([])],
  [0x61, (m) => m.add('list', m.popped(1))],
  [0x65, (m) => m.add('list', m.popMark())],
  [0x7d, (m) => m.push(new Map())],
  [0x73, (m) => m.add('dict', m.popped(2))],
  [0x75, (m) => m.add('dict', m.popMark())],
  [0x8f, (m) => m.push(new Set())],
  [0x90, (m) => m.add('set', m.popMark())],
  [0x91, (m) => m.push(new Set(m.popMark()))],

  // BINPUT, LONG_BINPUT, MEMOIZE; BINGET, LONG_BINGET.
  [0x71, (m, b) => m.remember(b.u8())],
  [0x72, (m, b) => m.remember(b.u32())],
  [0x94, (m) => m.remember()],
  [0x68, (m, b) => m.recall(b.u8())],
  [0x6a, (m, b) => m.recall(b.u32())],

  // GLOBAL, STACK_GLOBAL; INST, which Python 2 had for classes: none that is allowed comes that way.
  [0x63, (m, b) => m.global(b.line(), b.line())],
  [
    0x93,
    (m) => {
      const [module = null, name = null] = m.popped(2);
      m.global(module, name);
    },
  ],
  [
    0x69,
    (m, b) => {
      m.global(b.line(), b.line());
      throw m.fail('makes an object of what is no class');
    },
  ],

  // BINPERSID, REDUCE, BUILD.
  [0x51, (m) => m.persistent()],
  [0x52, (m) => m.reduce()],
  [0x62, (m) => m.build()],
]);
