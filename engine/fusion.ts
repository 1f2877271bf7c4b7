/**
 * Fusion of elementwise dispatches: a chain of them passes over memory once, and what only its own later links read is never stored.
 *
 * A group grows dispatch by dispatch, as long as they follow one another, have results of one size, and no binding is both read and
 * written; and no further than the adapter's storage buffers to a shader reach.
 */
import functions from '../shaders/elementwise.wgsl';
import fusedSource from '../shaders/fused.wgsl';
import type { Command } from './capture.js';
import {
  strideWorkgroups,
  type BufferRange,
  type Dispatch,
  type ElementwiseArgument,
  type ElementwiseCall,
  type Kernel,
  type Word,
} from './kernel.js';
import { usesOf } from './uses.js';
import { isVirtual, type BufferHandle, type VirtualBuffer } from './virtual.js';

/** What fusion goes by beside the commands. */
export interface FusionOptions {
  /** Memory that is read after the commands. */
  readonly wanted: ReadonlySet<VirtualBuffer>;
  /** Storage buffers that a shader may bind. */
  readonly bindings: number;
  readonly software: boolean;
}

/** Scalars that the uniform block has room for. */
const MOST_WORDS = 60;

/** Links to a chain: long code takes software adapters long to compile, and gains nothing more. */
const MOST_LINKS = 24;

/** A dispatch that can be fused. */
interface Link {
  readonly dispatch: Dispatch;
  readonly call: ElementwiseCall;
  readonly output: BufferRange;
}

/** The commands with chains of elementwise dispatches fused. */
export function fuseElementwise(commands: readonly Command[], options: FusionOptions): Command[] {
  const uses = countUses(commands);
  const result: Command[] = [];
  let group: Link[] = [];
  const close = (): void => {
    const [only] = group;
    if (only)
      result.push({ kind: 'dispatch', dispatch: group.length > 1 ? fused(group, uses, options) : only.dispatch });
    group = [];
  };
  for (const command of commands) {
    const link = linkOf(command);
    if (!link) {
      close();
      result.push(command);
      continue;
    }
    const longer = [...group, link];
    if (group.length > 0 && !(joins(group, link) && fits(longer, uses, options))) close();
    group.push(link);
  }
  close();
  return result;
}

/** How often each buffer is bound to be read and to be written. */
interface Uses {
  readonly reads: ReadonlyMap<BufferHandle, number>;
  readonly writes: ReadonlyMap<BufferHandle, number>;
}

function countUses(commands: readonly Command[]): Uses {
  const [reads, writes] = [new Map<BufferHandle, number>(), new Map<BufferHandle, number>()];
  const count = (into: Map<BufferHandle, number>, { buffer }: BufferRange): void => {
    into.set(buffer, (into.get(buffer) ?? 0) + 1);
  };
  for (const command of commands) {
    const uses = usesOf(command);
    for (const range of uses.reads) count(reads, range);
    for (const range of uses.writes) count(writes, range);
  }
  return { reads, writes };
}

function linkOf(command: Command): Link | undefined {
  if (command.kind !== 'dispatch') return undefined;
  const { dispatch } = command;
  const output = dispatch.buffers.find((_, index) => dispatch.kernel.bindings[index] === 'write');
  const call = dispatch.elementwise;
  return call && output && { dispatch, call, output };
}

/** The ranges that a link reads, in the order of its arguments. */
function inputsOf({ dispatch, call }: Link): BufferRange[] {
  return call.arguments.flatMap((argument) =>
    'binding' in argument ? (dispatch.buffers[argument.binding] ?? []) : [],
  );
}

function sameRange(a: BufferRange, b: BufferRange): boolean {
  return a.buffer === b.buffer && a.offset === b.offset && a.size === b.size;
}

/** Whether a dispatch can go on with a chain: its result is as large, and it overwrites nothing that the chain reads or makes. */
function joins(group: readonly Link[], next: Link): boolean {
  if (group[0]?.call.vectors !== next.call.vectors || group.length >= MOST_LINKS) return false;
  const outputs = group.map(({ output }) => output);
  const touched = [...outputs, ...group.flatMap(inputsOf)];
  if (touched.some(({ buffer }) => buffer === next.output.buffer)) return false;
  // Another part of what the chain writes, or one element of it for all, is not there yet.
  return next.call.arguments.every((argument) => {
    const range = 'binding' in argument ? next.dispatch.buffers[argument.binding] : undefined;
    const made = range && outputs.find(({ buffer }) => buffer === range.buffer);
    return !made || (argument.kind === 'vector' && sameRange(made, range));
  });
}

/** What a chain binds: its inputs that it does not make itself, and its results that somebody else reads. */
function bindingsOf(group: readonly Link[], { reads, writes }: Uses, wanted: ReadonlySet<VirtualBuffer>) {
  const inner = group.flatMap(inputsOf);
  const outputs = group.filter(({ output: { buffer } }) => {
    const within = inner.filter((range) => range.buffer === buffer).length;
    return !isVirtual(buffer) || wanted.has(buffer) || writes.get(buffer) !== 1 || reads.get(buffer) !== within;
  });
  const made = new Set(group.map(({ output }) => output.buffer));
  const inputs: BufferRange[] = [];
  for (const range of inner) {
    if (!made.has(range.buffer) && !inputs.some((other) => sameRange(other, range))) inputs.push(range);
  }
  return { inputs, outputs };
}

function wordsOf(group: readonly Link[]): Word[] {
  return group.flatMap(({ call }) => call.arguments.flatMap((argument) => ('word' in argument ? [argument.word] : [])));
}

function fits(group: readonly Link[], uses: Uses, { wanted, bindings }: FusionOptions): boolean {
  const { inputs, outputs } = bindingsOf(group, uses, wanted);
  return inputs.length + outputs.length <= bindings && wordsOf(group).length <= MOST_WORDS;
}

/** Kernels by how many buffers they read and write. */
const kernels = new Map<string, Kernel>();

function kernelFor(reads: number, writes: number): Kernel {
  const key = `${reads},${writes}`;
  let kernel = kernels.get(key);
  if (!kernel) {
    const bindings = [...Array<'read'>(reads).fill('read'), ...Array<'write'>(writes).fill('write')];
    kernels.set(key, (kernel = { name: 'fused', source: functions + fusedSource, bindings }));
  }
  return kernel;
}

/** One dispatch that does what a chain does. */
function fused(group: readonly Link[], uses: Uses, { wanted, software }: FusionOptions): Dispatch {
  const { inputs, outputs } = bindingsOf(group, uses, wanted);
  const vectors = group[0]?.call.vectors ?? 0;
  const words = wordsOf(group);
  const made = new Map<BufferHandle, string>();
  const loaded = new Map<string, string>();
  const body: string[] = [];
  let word = 0;
  const load = (expression: string): string => {
    const known = loaded.get(expression) ?? `x${loaded.size}`;
    if (!loaded.has(expression)) {
      loaded.set(expression, known);
      body.push(`let ${known} = ${expression};`);
    }
    return known;
  };
  const textOf = (argument: ElementwiseArgument, { dispatch }: Link): string => {
    if ('word' in argument) {
      const at = word++;
      const scalar = `params.words[${Math.floor(at / 4)}][${at % 4}]`;
      return argument.kind === 'scalar' ? `vec4f(${scalar})` : scalar;
    }
    const range = dispatch.buffers[argument.binding];
    const own = range && made.get(range.buffer);
    if (own) return own;
    const name = `in_${inputs.findIndex((other) => range && sameRange(other, range))}`;
    switch (argument.kind) {
      case 'vector':
        return load(`${name}[i]`);
      case 'single':
        return load(`vec4f(${name}[0].x)`);
      case 'channel': {
        const channel = load(`i / ${argument.plane}u % ${argument.channels}u`);
        return load(`${name}[${channel} / 4u][${channel} % 4u]`);
      }
      default:
        return argument satisfies never;
    }
  };
  group.forEach((link, index) => {
    const list = link.call.arguments.map((argument) => textOf(argument, link));
    body.push(`let v${index} = op_${link.call.function}(${list.join(', ')});`);
    made.set(link.output.buffer, `v${index}`);
  });
  outputs.forEach(({ output }, index) => body.push(`out_${index}[i] = ${made.get(output.buffer) ?? ''};`));
  return {
    kernel: kernelFor(inputs.length, outputs.length),
    constants: { T: 'f32', R: 'f32', READS: inputs.length, WRITES: outputs.length, BODY: body.join('\n    ') },
    buffers: [...inputs, ...outputs.map(({ output }) => output)],
    uniforms: [vectors, 0, 0, 0, ...words],
    workgroups: strideWorkgroups(vectors, { software }),
    label: `fused ${group.map(({ call }) => call.function).join(' ')}`,
  };
}
