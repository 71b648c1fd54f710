/** What all commands share that call a server, print what it says and end. */

import type { Command } from 'commander';
import { type Connection, type ConnectionOptions, connect, explain } from './flags/connection.ts';
import { createTalk, type Output, openOutput, type Talk, type TalkOptions } from './print/console.ts';
import { safeJson } from './print/format.ts';
import { type Subject, withNearest } from './print/suggest.ts';

export interface CallOptions extends ConnectionOptions, TalkOptions {
  readonly json?: boolean;
}

export interface CallContext extends Connection {
  readonly output: Output;
  readonly talk: Talk;
  /** Prints JSON on one line with `--json`, else the text. */
  print(json: unknown, text: string): Promise<void>;
}

/** Adds `--json`. */
export function addJsonOption(command: Command, what = 'JSON instead of text'): Command {
  return command.optionsGroup('Output:').option('--json', what);
}

/** Runs a command against the server that the flags and the environment name. */
export async function callServer(
  options: CallOptions,
  subject: Subject,
  act: (context: CallContext) => Promise<void>,
): Promise<void> {
  const connection = connect(options);
  const output = await openOutput(undefined, options);
  const { client } = connection;
  const print = (json: unknown, text: string) => output.write(`${options.json === true ? safeJson(json) : text}\n`);
  try {
    await act({ ...connection, output, talk: createTalk(options), print });
  } catch (error) {
    throw explain(await withNearest(error, client, subject), connection);
  }
  await output.end();
}
