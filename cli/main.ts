#!/usr/bin/env node
/** The `bulwark` command. */
import { InterruptedError } from './errors.js';
import { runCommandLine } from './program.js';
import { EXIT } from './errors.js';

const interruption = new AbortController();
process.on('SIGINT', () => {
  if (interruption.signal.aborted) process.exit(EXIT.interrupted);
  process.stderr.write('\nstopping after this step; Ctrl-C again to stop at once\n');
  interruption.abort(new InterruptedError('interrupted'));
});
// Whoever reads the output may stop reading.
process.stdout.on('error', () => process.exit(EXIT.failure));

process.exitCode = await runCommandLine(process.argv.slice(2), {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
  terminal: process.stderr.isTTY ? process.stderr : undefined,
  signal: interruption.signal,
});
