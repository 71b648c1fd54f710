/** `tailrace doctor`: what is wrong between this machine and a server, and how to fix it. */

import type { Command } from 'commander';
import type { ClusterJson } from '../../src/client/cluster.ts';
import { TailraceError } from '../../src/model/error.ts';
import { addJsonOption, type CommandOptions } from '../call.ts';
import { examine, type Finding } from '../doctor.ts';
import { basinFindings } from '../doctor-basin.ts';
import { senderFindings } from '../doctor-senders.ts';
import { EXIT } from '../exit.ts';
import { addConnectionOptions, connect, type ServerConnection } from '../flags/connection.ts';
import { openOutput } from '../print/console.ts';
import { type Colors, counted, escapeControls, safeJson } from '../print/format.ts';

const EXAMPLES = `
It finds the server as other commands do: flags, then the environment, then the context in use, then this machine.
The exit code is that of the first fault, or 0.

Examples:
  tailrace doctor
  tailrace doctor --endpoint http://collector:4317`;

export function addDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .summary('find out why something does not work')
    .description(
      'Checks that the server is there, the port is right, the token is valid, the clocks agree, the nodes of its cluster are well, the default basin takes data, and whether any arrives.',
    )
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(addJsonOption(command, 'one JSON object a line')).action((_options, self: Command) =>
    doctor(self.optsWithGlobals<CommandOptions>()),
  );
}

async function doctor(options: CommandOptions): Promise<void> {
  const connection = connect(options);
  const output = await openOutput(undefined, options);
  let code = 0;
  for await (const finding of findings(connection)) {
    if (code === 0) code = finding.code;
    const { check, level, text, fix } = finding;
    const json = { check, level, text, fix: fix ?? null };
    await output.write(`${options.json === true ? safeJson(json) : findingText(finding, output.colors)}\n`);
  }
  await output.end();
  process.exitCode = code;
}

async function* findings(connection: ServerConnection): AsyncGenerator<Finding> {
  let isKnown = false;
  for await (const finding of examine(connection, Date.now)) {
    yield finding;
    isKnown ||= finding.check === 'token' && finding.level !== 'fault';
  }
  if (!isKnown) return;
  yield* clusterFindings(connection);
  yield* basinFindings(connection);
  yield* senderFindings(connection);
}

/** Whether the server is a node of a cluster, and what is wrong with that. None for a server by itself, and for a caller who may not know. */
async function* clusterFindings({ client }: ServerConnection): AsyncGenerator<Finding> {
  const cluster = await client.cluster().catch(unlessHidden);
  if (cluster?.name == null) return;
  const { name, leader, nodes, partitions, moves } = cluster;
  const isSpread = partitions.length > 1;
  const wrong = [
    ...(isSpread ? partitions.flatMap(({ problems }) => problems) : []),
    ...moves.flatMap(({ basin, problem }) => (problem === null ? [] : [`the move of ${basin}: ${problem}`])),
    ...nodes.flatMap(({ url, problems }) => problems.map((problem) => `${url}: ${problem}`)),
  ];
  const [parts, led] = isSpread ? [` and ${counted(partitions.length, 'partition')}`, ' partition 0'] : ['', ''];
  const what = `a node of the cluster ${name} with ${counted(nodes.length, 'node')}${parts}; ${leader ?? 'none'} leads${led}`;
  yield { check: 'nodes', level: 'ok', text: what, code: EXIT.ok };
  // Data is safe and served all the same, so it is no fault.
  for (const text of wrong) yield { check: 'nodes', level: 'warning', text, fix: NODE_FIX, code: EXIT.ok };
}

const NODE_FIX = 'see `tailrace cluster status` and the log of that node';

/** Older servers have no such call, and senders may not see how the server does. */
function unlessHidden(error: unknown): ClusterJson | undefined {
  const isHidden = error instanceof TailraceError && HIDDEN.includes(error.code);
  if (isHidden) return undefined;
  throw error;
}

const HIDDEN: readonly string[] = ['permission_denied', 'not_found', 'method_not_allowed', 'authn', 'unavailable'];

function findingText({ check, level, text, fix, title }: Finding, colors: Colors): string {
  if (title !== undefined) return `${colors.green(title)}  ${escapeControls(text)}`;
  const paint = { ok: colors.green, warning: colors.yellow, fault: colors.red }[level];
  const line = `${paint(level.padEnd(7))}  ${check.padEnd(6)}  ${escapeControls(text)}`;
  return fix === undefined ? line : `${line}\n                 fix: ${escapeControls(fix)}`;
}
