/**
 * Epilogues: a ReLU of what a kernel stores, or the gradient of one, becomes part of the kernel's stores, where nobody reads what it
 * stored before.
 */
import type { Command } from './capture.js';
import type { BufferRange, Dispatch } from './kernel.js';
import { usesOf } from './uses.js';
import { isVirtual, type BufferHandle, type VirtualBuffer } from './virtual.js';

/** The commands with ReLUs and their gradients merged into the kernels before them; `wanted` is memory that is read afterwards. */
export function mergeEpilogues(commands: readonly Command[], wanted: ReadonlySet<VirtualBuffer>): Command[] {
  const readers = new Map<BufferHandle, number[]>();
  const writers = new Map<BufferHandle, number[]>();
  const note = (into: Map<BufferHandle, number[]>, buffer: BufferHandle, at: number): void => {
    const list = into.get(buffer);
    if (list) list.push(at);
    else into.set(buffer, [at]);
  };
  commands.forEach((command, at) => {
    const { reads, writes } = usesOf(command);
    for (const { buffer } of reads) note(readers, buffer, at);
    for (const { buffer } of writes) note(writers, buffer, at);
  });
  /** What a buffer that is read by only one command, after all that write it, is read by. */
  const soleReader = (buffer: BufferHandle): number | undefined => {
    const [reader, ...others] = readers.get(buffer) ?? [];
    const after = writers.get(buffer)?.every((writer) => reader !== undefined && writer < reader);
    return after && others.length === 0 && isVirtual(buffer) && !wanted.has(buffer) ? reader : undefined;
  };
  const merged = new Map<number, Command>();
  const gone = new Set<number>();
  commands.forEach((command, at) => {
    if (command.kind !== 'dispatch') return;
    const stored = storedBy(command);
    const reader = stored && soleReader(stored.buffer);
    const next = reader === undefined ? undefined : commands[reader];
    const parts = (stored && writers.get(stored.buffer)) ?? [];
    if (!stored || reader === undefined || next?.kind !== 'dispatch' || parts[0] !== at) return;
    // What the later dispatch writes has to be nobody's before it, and what else it reads be there by now.
    const [result] = usesOf(next).writes;
    if (!result || !isVirtual(result.buffer) || writers.get(result.buffer)?.length !== 1) return;
    const early = usesOf(next).reads.every(
      ({ buffer }) =>
        buffer === stored.buffer || (writers.get(buffer) ?? []).every((writer) => writer < at || writer > reader),
    );
    // A convolution may store its result in parts, each once, by one kernel.
    const whole = parts.flatMap((part) => {
      const writer = commands[part];
      const same = writer?.kind === 'dispatch' && writer.dispatch.kernel === command.dispatch.kernel;
      const dispatch = same ? withEpilogue(writer.dispatch, stored, next.dispatch, result) : undefined;
      return dispatch ? [dispatch] : [];
    });
    if (!early || whole.length !== parts.length) return;
    parts.forEach((part, index) => {
      const dispatch = whole[index];
      if (dispatch) merged.set(part, { kind: 'dispatch', dispatch });
    });
    gone.add(reader);
  });
  return commands.flatMap((command, at) => (gone.has(at) ? [] : [merged.get(at) ?? command]));
}

/** Where a dispatch stores what a function can be merged into. */
function storedBy(command: Command): BufferRange | undefined {
  if (command.kind !== 'dispatch') return undefined;
  const { kernel, buffers } = command.dispatch;
  return kernel.epilogue && buffers[kernel.epilogue.output];
}

/** A dispatch that stores what a later one made of its stores. */
function withEpilogue(
  dispatch: Dispatch,
  stored: BufferRange,
  { elementwise, buffers: inputs }: Dispatch,
  result: BufferRange,
): Dispatch | undefined {
  const { kernel, constants, buffers, label } = dispatch;
  const { epilogue } = kernel;
  const [first, second] = elementwise?.arguments ?? [];
  if (!epilogue || !elementwise || first?.kind !== 'vector' || stored.size !== result.size) return undefined;
  const source = inputs[first.binding];
  if (source?.buffer !== stored.buffer || source.offset !== stored.offset) return undefined;
  const outputs = buffers.map((range, binding) => (binding === epilogue.output ? result : range));
  const EPILOGUE = elementwise.function;
  const named = { ...dispatch, constants: { ...constants, EPILOGUE }, label: `${label ?? kernel.name}, ${EPILOGUE}` };
  if (EPILOGUE === 'relu') return { ...named, buffers: outputs };
  const mask = second?.kind === 'vector' ? inputs[second.binding] : undefined;
  if (EPILOGUE !== 'reluGrad' || !mask || mask.buffer === stored.buffer) return undefined;
  return { ...named, kernel: epilogue.masked, buffers: [...outputs, mask] };
}
