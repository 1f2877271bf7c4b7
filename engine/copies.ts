/** Copies that need not be: what is made only to be copied somewhere is made there. */
import type { Command } from './capture.js';
import type { BufferRange } from './kernel.js';
import { usesOf } from './uses.js';
import { isVirtual, type BufferHandle, type VirtualBuffer } from './virtual.js';

/**
 * The commands without copies of whole buffers that nothing needs afterwards, such as gradients on their way to the optimiser; `kept`
 * is memory that is to stay where it is.
 */
export function withoutCopies(commands: readonly Command[], kept: ReadonlySet<VirtualBuffer>): Command[] {
  const users = new Map<BufferHandle, number[]>();
  commands.forEach((command, at) => {
    const { reads, writes } = usesOf(command);
    for (const buffer of new Set([...reads, ...writes].map((range) => range.buffer))) {
      const list = users.get(buffer);
      if (list) list.push(at);
      else users.set(buffer, [at]);
    }
  });
  const moved = new Map<BufferHandle, BufferRange>();
  const homeOf = (range: BufferRange): BufferRange => {
    const home = moved.get(range.buffer);
    return home ? { buffer: home.buffer, offset: home.offset + range.offset, size: range.size } : range;
  };
  const gone = new Set<number>();
  commands.forEach((command, at) => {
    if (command.kind !== 'copy') return;
    const { from, to, bytes } = command;
    const source = from.buffer;
    if (!isVirtual(source) || kept.has(source) || source.size !== bytes || to.offset % 256 !== 0) return;
    const uses = users.get(source) ?? [];
    const [first = at] = uses;
    const made = commands[first];
    if (uses.at(-1) !== at || !made || !usesOf(made).writes.some(({ buffer }) => buffer === source)) return;
    // A GPU may not read and write one buffer in one dispatch, nor copy within one.
    const apart = uses.every((user) => {
      const other = commands[user];
      if (!other || user === at) return user === at;
      const { reads, writes } = usesOf(other);
      const others = [...reads, ...writes].filter(({ buffer }) => buffer !== source);
      return other.kind !== 'copy' && others.every((range) => homeOf(range).buffer !== to.buffer);
    });
    const target = { buffer: to.buffer, offset: to.offset, size: bytes };
    const free = commands.slice(first, at).every((other) => {
      const { reads, writes } = usesOf(other);
      return [...reads, ...writes].every((range) => range.buffer === source || !overlap(homeOf(range), target));
    });
    if (!apart || !free) return;
    moved.set(source, target);
    gone.add(at);
  });
  return commands.flatMap((command, at): Command[] => {
    if (gone.has(at)) return [];
    switch (command.kind) {
      case 'dispatch':
        return [{ ...command, dispatch: { ...command.dispatch, buffers: command.dispatch.buffers.map(homeOf) } }];
      case 'copy':
        return [{ ...command, from: homeOf(command.from), to: homeOf(command.to) }];
      case 'clear':
        return [{ ...command, range: homeOf(command.range) }];
      default:
        return command satisfies never;
    }
  });
}

function overlap(a: BufferRange, b: BufferRange): boolean {
  return a.buffer === b.buffer && a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}
