/** The command line as commander sees it: global options, and the commands that the arguments need. */

import { Command, Option } from 'commander';
import { VERSION } from '../src/model/version.ts';
import { redact } from '../src/observe/redact.ts';
import { addCommands } from './all-commands.ts';
import { withOurOption } from './habits.ts';
import { nameHelp } from './lead-on.ts';
import { createReporter } from './print/console.ts';

const EXAMPLES = `
Examples:
  tailrace serve                            start the server on ./data
  tailrace send log "hello" --stream my-app
  tailrace tail my-app
  tailrace <command> --help                 more about a command, with examples`;

/** Builds it for these arguments, without the name of the program; it has parsed nothing yet. */
export async function buildProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('tailrace')
    .description(
      'Takes OpenTelemetry data in, keeps it as ordered durable streams, and lets readers replay and follow them.',
    )
    .version(VERSION, '-V, --version')
    .addOption(
      new Option('--color <when>', 'colours in the output').choices(['auto', 'always', 'never']).default('auto'),
    )
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
  await addCommands(program, args);
  nameHelp(program);
  return program;
}
