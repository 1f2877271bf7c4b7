import { PassThrough } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { CommanderError } from 'commander';
import { wilson } from '../../adversarial/statistics.js';
import { InterruptedError, UsageError, asUsage, describeError, exitCodeOf } from '../../cli/errors.js';
import { startProgress } from '../../cli/progress.js';
import { formatDuration, formatProportion, formatTable } from '../../cli/table.js';
import { ArgumentError, FormatError } from '../../engine/errors.js';

describe('formatTable', () => {
  it('aligns columns and rules off the head', () => {
    expect(formatTable([['a', 'long head'], ['longer', 'x'], ['b']])).toBe(
      'a       long head\n------  ---------\nlonger  x\nb',
    );
  });
});

describe('numbers', () => {
  it('have their intervals and units', () => {
    expect(formatProportion(wilson(965, 1000))).toBe('96.5 % (95.2 to 97.5)');
    expect([0, 65, 59.6, 3661, -3].map(formatDuration)).toEqual(['0:00', '1:05', '1:00', '1:01:01', '0:00']);
  });
});

describe('errors', () => {
  it('have exit codes', () => {
    const codes = [new UsageError('a'), new FormatError('a'), new Error('a'), new InterruptedError('a')].map(
      exitCodeOf,
    );
    expect(codes).toEqual([2, 1, 1, 130]);
    expect(exitCodeOf(new CommanderError(1, 'commander.unknownOption', 'a'))).toBe(2);
    expect(exitCodeOf(new CommanderError(0, 'commander.helpDisplayed', 'a'))).toBe(0);
  });

  it('are told without a stack, bugs as bugs', () => {
    expect(describeError(new FormatError('x: is cut short'), false)).toBe('error: x: is cut short');
    expect(describeError(new TypeError('x is not a function'), false)).toMatch(/^internal error: TypeError: x is not/);
    expect(describeError('odd', false)).toMatch(/^internal error: odd\n/);
    expect(describeError(new FormatError('x', { cause: new Error('why') }), true)).toMatch(/FormatError: x[\s\S]*why/);
  });

  it('of arguments are mistakes of usage where the arguments come from the command line', () => {
    expect(() =>
      asUsage(() => {
        throw new ArgumentError('a');
      }),
    ).toThrow(UsageError);
    expect(() =>
      asUsage(() => {
        throw new FormatError('a');
      }),
    ).toThrow(FormatError);
    expect(asUsage(() => 3)).toBe(3);
  });
});

describe('startProgress', () => {
  const signal = new AbortController().signal;

  it('writes a line now and then where there is no terminal, and one at the end', () => {
    const lines: string[] = [];
    const clock = vi.spyOn(performance, 'now');
    const progress = startProgress({ out: vi.fn(), err: (text) => lines.push(text), signal }, 'train', 'steps');
    for (const [seconds, done] of [
      [100, 1],
      [101, 2],
      [109, 3],
      [111, 4],
      [112, 5],
    ] as const) {
      clock.mockReturnValue(1000 * seconds);
      progress.show({ done, total: 5, rate: 2.345, secondsLeft: 65, note: 'loss 1' });
    }
    progress.stop();
    clock.mockRestore();
    expect(lines).toEqual([1, 4, 5].map((done) => `train: ${done}/5 steps | 2.3/s | 1:05 left | loss 1`));
  });

  it('draws a bar on a terminal', () => {
    let drawn = '';
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 120, rows: 40 });
    stream.on('data', (chunk: Buffer) => (drawn += chunk.toString()));
    const progress = startProgress({ out: vi.fn(), err: vi.fn(), terminal: stream, signal }, 'train', 'steps');
    progress.show({ done: 1, total: 4, rate: 150, secondsLeft: 3, note: 'loss 1' });
    progress.log('a warning');
    progress.show({ done: 4, total: 4, rate: 150, secondsLeft: 0 });
    progress.stop();
    expect(drawn).toContain('1/4 steps | 150/s | 0:03 left | loss 1');
    expect(drawn).toContain('a warning\n');
    expect(drawn).toContain('4/4 steps');
  });
});
