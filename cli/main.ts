#!/usr/bin/env node
/** The `bulwark` command. */
import { EXIT, InterruptedError } from './errors.js';
import { runCommandLine } from './program.js';

const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interruption.signal.aborted) process.exit(EXIT.interrupted);
    process.stderr.write('\nstopping after this step; Ctrl-C again to stop at once\n');
    interruption.abort(new InterruptedError('interrupted'));
  });
}
// Whoever reads the output may stop reading, at a Ctrl-C that ends all of a pipeline's programs above all: what is to be saved is saved.
const output = { isRead: true };
process.stdout.on('error', () => (output.isRead = false));
process.stderr.on('error', () => undefined);

const code = await runCommandLine(process.argv.slice(2), {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
  terminal: process.stderr.isTTY ? process.stderr : undefined,
  signal: interruption.signal,
});
process.exitCode = code === EXIT.success && !output.isRead ? EXIT.failure : code;
