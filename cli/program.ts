import { Command } from 'commander';
import { version } from '../package.json';
import { addBenchCommand } from './commands/bench.js';
import { addCompareCommand } from './commands/compare.js';
import { addConvertCommand } from './commands/convert.js';
import { addDataCommand } from './commands/data.js';
import { addDemoCommand } from './commands/demo.js';
import { addDoctorCommand } from './commands/doctor.js';
import { addEvaluateCommand } from './commands/evaluate.js';
import { addPlaygroundCommand } from './commands/playground.js';
import { addPresetsCommand } from './commands/presets.js';
import { addReproduceCommand } from './commands/reproduce.js';
import { addSanityCommand } from './commands/sanity.js';
import { addTrainCommand } from './commands/train.js';
import { addTuneCommand } from './commands/tune.js';
import type { Context, RunCommand } from './context.js';
import { EXIT, describeError, exitCodeOf } from './errors.js';

const DESCRIPTION = 'Train classifiers that withstand adversarial examples, and test them, on WebGPU.';

const NOTES = `
'bulwark <command> --help' explains every option. BULWARK_ADAPTER names the adapter where --adapter does not.
Exit codes: 0 done, 1 failed, 2 a mistake on the command line, 130 interrupted.`;

function buildProgram(context: Context, run: RunCommand): Command {
  const program = new Command('bulwark')
    .description(DESCRIPTION)
    .version(version)
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.out(text.trimEnd()),
      writeErr: (text) => context.err(text.trimEnd()),
    })
    .addHelpText('after', NOTES);
  addTrainCommand(program, run);
  addEvaluateCommand(program, run);
  addCompareCommand(program, run);
  addConvertCommand(program, run);
  addDataCommand(program, run);
  addDoctorCommand(program, run);
  addBenchCommand(program, run);
  addDemoCommand(program, run);
  addTuneCommand(program, run);
  addPlaygroundCommand(program, run);
  addPresetsCommand(program, run);
  addSanityCommand(program, run);
  addReproduceCommand(program, run);
  return program;
}

/** Runs the command line `args` (without the program's own name); returns the exit code. Errors are told, not thrown. */
export async function runCommandLine(args: readonly string[], context: Context): Promise<number> {
  let code: number = EXIT.success;
  const program = buildProgram(context, async (work) => {
    code = await work(context);
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return context.signal.aborted ? EXIT.interrupted : code;
  } catch (error) {
    const text = describeError(error, args.includes('--debug'));
    if (text !== '') context.err(text);
    return exitCodeOf(error);
  }
}
