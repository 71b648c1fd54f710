/** What all commands that call a server have in common: they connect, print what it returns, and end. */

import type { Command } from 'commander';
import { type ConnectionOptions, connect, explain, type ServerConnection } from './flags/connection.ts';
import { createReporter, type Output, openOutput, type Reporter, type ReporterOptions } from './print/console.ts';
import { safeJson } from './print/format.ts';
import { type Subject, withNearest } from './print/suggest.ts';

export interface CommandOptions extends ConnectionOptions, ReporterOptions {
  readonly json?: boolean;
}

export interface CallContext extends ServerConnection {
  readonly output: Output;
  readonly reporter: Reporter;
  /** Prints JSON on one line with `--json`, else the text. */
  print(json: unknown, text: string): Promise<void>;
}

/** Adds `--json`. */
export function addJsonOption(command: Command, what = 'JSON instead of text'): Command {
  return command.optionsGroup('Output:').option('--json', what);
}

/** Runs a command against the server that the flags and the environment name, or another one. */
export async function callServer(
  options: CommandOptions,
  subject: Subject,
  act: (context: CallContext) => Promise<void>,
  connection: ServerConnection = connect(options),
): Promise<void> {
  const output = await openOutput(undefined, options);
  const { client } = connection;
  const print = (json: unknown, text: string) => output.write(`${options.json === true ? safeJson(json) : text}\n`);
  try {
    await act({ ...connection, output, reporter: createReporter(options), print });
  } catch (error) {
    throw explain(await withNearest(error, client, subject), connection);
  }
  await output.end();
}
