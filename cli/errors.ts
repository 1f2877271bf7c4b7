import { inspect } from 'node:util';
import { CommanderError } from 'commander';
import { ArgumentError, BulwarkError } from '../engine/errors.js';

/** What the command ends with. */
export const EXIT = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** The command line asks for something that there is not or that cannot be: another one would work. */
export class UsageError extends BulwarkError {}

/** The user asked to stop. */
export class InterruptedError extends BulwarkError {}

/** Runs `fn`, whose arguments come from the command line: what it says of them is the command line's mistake. */
export function asUsage<T>(fn: () => T): T {
  try {
    return fn();
  } catch (cause) {
    if (cause instanceof ArgumentError) throw new UsageError(cause.message, { cause });
    throw cause;
  }
}

/** The exit code that an error stands for. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.success : EXIT.usage;
  if (error instanceof UsageError) return EXIT.usage;
  return error instanceof InterruptedError ? EXIT.interrupted : EXIT.failure;
}

/**
 * What the user is told of an error: its message; with `debug`, its stack and its causes too. Empty where Commander said it
 * already.
 */
export function describeError(error: unknown, debug: boolean): string {
  if (debug) return inspect(error);
  if (error instanceof CommanderError) return '';
  if (error instanceof InterruptedError) return error.message;
  if (error instanceof BulwarkError) return `error: ${error.message}`;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return `internal error: ${text}\n(this is a bug; --debug shows where it happened)`;
}
