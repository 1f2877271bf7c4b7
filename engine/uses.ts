import type { Command } from './capture.js';
import type { BufferRange } from './kernel.js';

/** The ranges that a command reads, and those that it writes (and may read). */
export function usesOf(command: Command): { reads: BufferRange[]; writes: BufferRange[] } {
  switch (command.kind) {
    case 'dispatch': {
      const { buffers, kernel } = command.dispatch;
      const of = (binding: 'read' | 'write'): BufferRange[] => buffers.filter((_, i) => kernel.bindings[i] === binding);
      return { reads: of('read'), writes: of('write') };
    }
    case 'copy':
      return { reads: [command.from], writes: [command.to] };
    case 'clear':
      return { reads: [], writes: [command.range] };
    default:
      return command satisfies never;
  }
}
