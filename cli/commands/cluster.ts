/** `tailrace cluster`: how the nodes of a cluster do, and which of them may lead. */

import type { Command } from 'commander';
import { exchange, normalizeEndpoint } from '../../src/client/calls.ts';
import type { ClusterJson, ClusterNodeJson } from '../../src/client/cluster.ts';
import { asTailraceError, type TailraceError } from '../../src/model/error.ts';
import { addJsonOption, type CallContext, type CommandOptions, callServer } from '../call.ts';
import { EXIT } from '../exit.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { type Colors, escapeControls } from '../print/format.ts';
import { nodeReadinessIn, nodeReadinessText } from '../print/node-readiness.ts';
import { createTable, type TableColumn, type TableRow } from '../print/table.ts';

interface DrainOptions extends CommandOptions {
  readonly undo?: true;
}

const STATUS_EXAMPLES = `
Ask any node: it passes the question on. When none leads, the node that is asked says what it knows itself. The exit
code is 1 when something is wrong. LAG counts the commands by which a node is behind the one that leads.

Examples:
  tailrace cluster status
  tailrace cluster status --json`;

const DRAIN_EXAMPLES = `
Drain a node before it is stopped for long or updated: it hands over and does not try to lead. It goes on following and
answering. Its URL is the one that \`tailrace cluster status\` shows. This needs the root token.

Examples:
  tailrace cluster drain http://10.0.0.7:4318
  tailrace cluster drain http://10.0.0.7:4318 --undo`;

export function addCluster(program: Command): void {
  const group = program
    .command('cluster')
    .summary('see and steer the nodes of a cluster')
    .description('Shows the nodes of a cluster and what is wrong with them, and says which of them may lead.')
    .addHelpText('after', '\nExample:\n  tailrace cluster status');
  const shown = group
    .command('status')
    .summary('show the nodes, and what is wrong with them')
    .description('Shows which node leads, how far the others follow, and what is wrong with the fix.')
    .addHelpText('after', STATUS_EXAMPLES);
  addConnectionOptions(addJsonOption(shown)).action((_options, self: Command) =>
    status(self.optsWithGlobals<CommandOptions>()),
  );
  const drained = group
    .command('drain')
    .summary('have a node lead no more')
    .description('Has a node of the cluster hand over and lead no more, or with --undo again.')
    .argument('<node-url>', 'URL of the node, such as http://10.0.0.7:4318')
    .option('--undo', 'it may lead again')
    .addHelpText('after', DRAIN_EXAMPLES);
  addConnectionOptions(addJsonOption(drained)).action((url: string, _options, self: Command) =>
    drain(url, self.optsWithGlobals<DrainOptions>()),
  );
}

function status(options: CommandOptions): Promise<void> {
  return callServer(options, {}, async (context) => {
    try {
      const cluster = await context.client.cluster();
      await context.print(cluster, statusLines(cluster, context.output).join('\n'));
      if (isWrong(cluster)) process.exitCode = EXIT.failure;
    } catch (thrown) {
      const error = asTailraceError(thrown);
      if (error.code !== 'unavailable') throw error;
      await printNode(context, error);
      process.exitCode = EXIT.failure;
    }
  });
}

/** What a node knows by itself while none that leads answers. @throws `error` when the node does not answer either */
async function printNode({ endpoint, print, output }: CallContext, error: TailraceError): Promise<void> {
  const url = normalizeEndpoint(endpoint.value);
  const answer = await exchange({ method: 'GET', url: `${url}/readyz`, headers: {} }).catch(() => undefined);
  const node = answer === undefined ? undefined : nodeReadinessIn(Buffer.from(answer.body).toString('utf8'));
  if (node === undefined) throw error;
  await print({ endpoint: url, ...node }, nodeReadinessText(url, node, output.colors).join('\n'));
}

function isWrong({ name, leader, nodes }: ClusterJson): boolean {
  return name !== null && (leader === null || nodes.some(({ problems }) => problems.length > 0));
}

const COLUMNS: readonly TableColumn[] = [
  { title: 'NODE' },
  { title: 'ROLE' },
  { title: 'VERSION' },
  { title: 'SEQUENCE', isNumber: true },
  { title: 'ON DISK', isNumber: true },
  { title: 'LAG', isNumber: true },
];

function statusLines({ name, leader, nodes }: ClusterJson, output: CallContext['output']): readonly string[] {
  if (name === null) return ['this server is no node of a cluster'];
  const { colors } = output;
  const leads = leader === null ? colors.red('no node is known to lead') : `${escapeControls(leader)} leads`;
  return [
    `cluster ${escapeControls(name)}: ${leads}`,
    ...createTable(COLUMNS, output).lines(nodes.map((node) => nodeRow(node, colors))),
  ];
}

function nodeRow(node: ClusterNodeJson, colors: Colors): TableRow {
  const { url, role, version, sequence, durable_sequence: durable, lag, draining, problems } = node;
  const paint = { leading: colors.green, following: (text: string) => text, joining: colors.yellow }[role];
  const said = draining ? `${role}, draining` : role;
  return {
    cells: [url, [said, paint ?? colors.yellow], version, String(sequence), String(durable), String(lag)],
    below: problems.map((problem) => `  ${colors.red('!')} ${escapeControls(problem)}`),
  };
}

function drain(url: string, options: DrainOptions): Promise<void> {
  return callServer(options, {}, async ({ client, print }) => {
    const node = normalizeEndpoint(url);
    const on = options.undo !== true;
    await client.drainNode(node, on);
    const done = on ? 'leads no more, and hands over within seconds if it does' : 'may lead again';
    await print({ node, drain: on }, `${escapeControls(node)} ${done}`);
  });
}
