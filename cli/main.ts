#!/usr/bin/env node
/** The command line: wiring only. Each command is a file in commands/. */

import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { TailraceError } from '../src/model/error.ts';
import { redact } from '../src/observe/redact.ts';
import { addCommands } from './all-commands.ts';
import { EXIT, EXIT_CODES } from './exit.ts';
import { asWeSay, withOurOption } from './habits.ts';
import { nameHelp } from './lead-on.ts';
import { createReporter, endWithPipe } from './print/console.ts';

const EXAMPLES = `
Examples:
  tailrace serve                            start the server on ./data
  tailrace send log "hello" --stream my-app
  tailrace tail my-app
  tailrace <command> --help                 more about a command, with examples`;

const program = new Command('tailrace')
  .description(
    'Takes OpenTelemetry data in, keeps it as ordered durable streams, and lets readers replay and follow them.',
  )
  .version(version(), '-V, --version')
  .addOption(new Option('--color <when>', 'colours in the output').choices(['auto', 'always', 'never']).default('auto'))
  .option('-q, --quiet', 'print only errors and warnings on stderr')
  .configureHelp({ showGlobalOptions: true })
  .addHelpText('after', EXAMPLES)
  // The message of commander may repeat a secret that follows an unknown flag, and such output is often kept.
  .configureOutput({
    writeErr: (text) => void process.stderr.write(redact(text)),
    outputError: (text, write) => write(withOurOption(text)),
  })
  .exitOverride();
program.hook('preAction', (_program, command) => {
  if (command.opts().token === undefined) return;
  createReporter({}).warn(
    'tailrace: --token shows in `ps` to every user of this machine: use TAILRACE_TOKEN or --token-file',
  );
});
const args = asWeSay(process.argv.slice(2));
await addCommands(program, args);
nameHelp(program);

endWithPipe();
try {
  await program.parseAsync([...args], { from: 'user' });
} catch (error) {
  process.exitCode = report(error);
}

/** Prints what went wrong, once, and returns the exit code. */
function report(error: unknown): number {
  // Commander has printed it already. Help and version arrive here too, with code 0.
  const reporter = createReporter(program.opts());
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (!(error instanceof TailraceError)) {
    reporter.error(`tailrace: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return EXIT.failure;
  }
  reporter.error(`tailrace: ${error.message}`);
  return EXIT_CODES[error.code];
}

/** The package is two folders up from dist/cli/main.js. */
function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { version: string }).version;
}
