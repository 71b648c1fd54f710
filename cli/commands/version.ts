/** `tailrace version`: which version this is, on what it runs, and which version the server has, when one answers. */

import type { Command } from 'commander';
import { TailraceError } from '../../src/model/error.ts';
import { VERSION } from '../../src/model/version.ts';
import { addJsonOption, type CommandOptions } from '../call.ts';
import { EXIT } from '../exit.ts';
import { addConnectionOptions, connect, type ServerConnection } from '../flags/connection.ts';
import { openOutput } from '../print/console.ts';
import { escapeControls, safeJson } from '../print/format.ts';

/** What is known of the server: its version, or why it is not known. */
interface ServerVersion {
  readonly endpoint: string;
  readonly version: string | null;
  readonly error: string | null;
}

const SERVER_MS_MAX = 1_000;

const EXAMPLES = `
A server says its version to whom it knows, so it takes a token; the command waits for it for a second at most.

Examples:
  tailrace version
  tailrace version --json
  tailrace -V               only the version of this program`;

export function addVersion(program: Command): void {
  const command = program
    .command('version')
    .summary('show the versions of this program, Node and the server')
    .description('Shows the version of this program, of Node, and of the server when one answers.')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(addJsonOption(command)).action((_options, self: Command) =>
    version(self.optsWithGlobals<CommandOptions>()),
  );
}

async function version(options: CommandOptions): Promise<void> {
  const server = await serverVersion(connect(options));
  const output = await openOutput(undefined, options);
  const { version: node, platform, arch } = process;
  const json = { version: VERSION, node: node.slice(1), platform, arch, server };
  const lines = [`tailrace ${VERSION}`, `node ${json.node}, ${platform} ${arch}`, serverLine(server)];
  const text = lines.map((line) => escapeControls(line)).join('\n');
  await output.write(`${options.json === true ? safeJson(json) : text}\n`);
  await output.end();
  // A name that is still being looked up would keep the process alive.
  process.exit(EXIT.ok);
}

async function serverVersion({ client, endpoint }: ServerConnection): Promise<ServerVersion> {
  const { value } = endpoint;
  try {
    const me = await client.whoami({ signal: AbortSignal.timeout(SERVER_MS_MAX) });
    const said = typeof me.server_version === 'string' ? me.server_version : undefined;
    return { endpoint: value, version: said ?? null, error: said === undefined ? 'it does not say its version' : null };
  } catch (error) {
    if (!(error instanceof TailraceError)) throw error;
    const [why = ''] = error.message.split('\n');
    const isLate = error.code === 'aborted';
    return { endpoint: value, version: null, error: isLate ? `no answer within ${SERVER_MS_MAX / 1_000} s` : why };
  }
}

function serverLine({ endpoint, version: said, error }: ServerVersion): string {
  return said === null ? `server at ${endpoint}: ${error}` : `server ${said} at ${endpoint}`;
}
