import { describe, expect, it } from 'vitest';
import type { Command } from '../../engine/capture.js';
import { withoutCopies } from '../../engine/copies.js';
import type { BufferRange, Kernel } from '../../engine/kernel.js';
import { VirtualBuffer } from '../../engine/virtual.js';

const KERNEL: Kernel = { name: 'test', source: '', bindings: ['read', 'write'] };

const whole = (buffer: VirtualBuffer): BufferRange => ({ buffer, offset: 0, size: buffer.size });
const part = (buffer: VirtualBuffer, offset: number, size = 256): BufferRange => ({ buffer, offset, size });
const run = (read: BufferRange, write: BufferRange): Command => ({
  kind: 'dispatch',
  dispatch: { kernel: KERNEL, buffers: [read, write], workgroups: [1] },
});
const copy = (from: BufferRange, to: BufferRange, bytes = from.size): Command => ({ kind: 'copy', from, to, bytes });

const [input, made, other] = [new VirtualBuffer(256), new VirtualBuffer(256), new VirtualBuffer(256)];
const arena = new VirtualBuffer(1024);

describe('withoutCopies', () => {
  it('makes at its place what is made only to be copied', () => {
    const commands = [run(whole(input), whole(made)), copy(whole(made), part(arena, 512))];
    expect(withoutCopies(commands, new Set())).toEqual([run(whole(input), part(arena, 512))]);
  });

  it('takes along every use, and several buffers to one arena', () => {
    const commands = [
      run(whole(input), whole(made)),
      run(whole(made), whole(input)),
      run(whole(input), whole(other)),
      copy(whole(made), part(arena, 0)),
      copy(whole(other), part(arena, 256)),
    ];
    expect(withoutCopies(commands, new Set())).toEqual([
      run(whole(input), part(arena, 0)),
      run(part(arena, 0), whole(input)),
      run(whole(input), part(arena, 256)),
    ]);
  });

  it.each<[string, Command[], VirtualBuffer[]]>([
    ['memory that stays where it is', [run(whole(input), whole(made)), copy(whole(made), part(arena, 0))], [made]],
    ['what nothing makes', [run(whole(made), whole(input)), copy(whole(made), part(arena, 0))], []],
    [
      'what is read afterwards',
      [run(whole(input), whole(made)), copy(whole(made), part(arena, 0)), run(whole(made), whole(other))],
      [],
    ],
    ['a part of a buffer', [run(whole(input), whole(made)), copy(part(made, 0, 128), part(arena, 0), 128)], []],
    ['a place that no binding may have', [run(whole(input), whole(made)), copy(whole(made), part(arena, 128))], []],
    [
      'a place read meanwhile',
      [run(whole(input), whole(made)), run(part(arena, 0), whole(other)), copy(whole(made), part(arena, 0))],
      [],
    ],
    [
      'a place written meanwhile',
      [run(whole(input), whole(made)), run(whole(input), part(arena, 0)), copy(whole(made), part(arena, 0))],
      [],
    ],
    [
      'what is made of another part of the arena',
      [run(part(arena, 512), whole(made)), copy(whole(made), part(arena, 0))],
      [],
    ],
  ])('leaves alone %s', (_, commands, kept) => {
    expect(withoutCopies(commands, new Set(kept))).toEqual(commands);
  });

  it('moves one of two that a dispatch reads and writes, not both', () => {
    const commands = [
      run(whole(input), whole(made)),
      run(whole(made), whole(other)),
      copy(whole(made), part(arena, 0)),
      copy(whole(other), part(arena, 256)),
    ];
    expect(withoutCopies(commands, new Set())).toEqual([
      run(whole(input), part(arena, 0)),
      run(part(arena, 0), whole(other)),
      copy(whole(other), part(arena, 256)),
    ]);
  });
});
