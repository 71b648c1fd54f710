#!/usr/bin/env node
/** The command line: runs one command, and ends with its exit code. Each command is a file in commands/. */

import { CommanderError } from 'commander';
import { TailraceError } from '../src/model/error.ts';
import { COMPLETE } from './complete/word.ts';
import { EXIT, EXIT_CODES } from './exit.ts';
import { asWeSay } from './habits.ts';
import { createReporter, endWithPipe, type ReporterOptions } from './print/console.ts';
import { buildProgram } from './program.ts';

const args = process.argv.slice(2);
endWithPipe();
// For the scripts of shells, which add words to what the program knows.
if (args[0] === COMPLETE) await (await import('./complete/complete.ts')).complete(args.slice(1), buildProgram);
else await run(asWeSay(args));

async function run(said: readonly string[]): Promise<void> {
  const program = await buildProgram(said);
  try {
    await program.parseAsync([...said], { from: 'user' });
  } catch (error) {
    process.exitCode = report(error, program.opts());
  }
}

/** Prints what went wrong, once, and returns the exit code. */
function report(error: unknown, options: ReporterOptions): number {
  // Commander has printed it already. Help and version arrive here too, with code 0.
  const reporter = createReporter(options);
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (!(error instanceof TailraceError)) {
    reporter.error(`tailrace: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return EXIT.failure;
  }
  reporter.error(`tailrace: ${error.message}`);
  return EXIT_CODES[error.code];
}
