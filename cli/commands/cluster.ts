/** `tailrace cluster`: how a cluster does, which of its nodes may lead, and in which partition a basin is. */

import type { Command } from 'commander';
import { exchange, normalizeEndpoint } from '../../src/client/calls.ts';
import type { ClusterJson } from '../../src/client/cluster.ts';
import { asTailraceError, type TailraceError } from '../../src/model/error.ts';
import { addJsonOption, type CallContext, type CommandOptions, callServer } from '../call.ts';
import { EXIT } from '../exit.ts';
import { wholeNumber } from '../flags/arguments.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { parseBasinName } from '../flags/names.ts';
import { untilInterrupted } from '../follow.ts';
import { clusterLines } from '../print/cluster-state.ts';
import { escapeControls } from '../print/format.ts';
import { nodeReadinessIn, nodeReadinessText } from '../print/node-readiness.ts';
import { withProgress } from '../print/progress.ts';
import { type BegunMove, type EndedMove, waitForMove } from '../wait-for-move.ts';

interface DrainOptions extends CommandOptions {
  readonly undo?: true;
}

interface MoveOptions extends CommandOptions {
  readonly wait: boolean;
}

const STATUS_EXAMPLES = `
Ask any node: it passes the question on. When none leads, the node that is asked says what it knows itself. The exit
code is 1 when something is wrong. LAG counts the commands by which a node is behind the one that leads: of several
partitions the most. Basins that are on their way to another partition are shown with how far that is.

Examples:
  tailrace cluster status
  tailrace cluster status --json`;

const DRAIN_EXAMPLES = `
Drain a node before it is stopped for long or updated: it hands over and does not try to lead. It goes on following and
answering. Its URL is the one that \`tailrace cluster status\` shows. This needs the root token.

Examples:
  tailrace cluster drain http://10.0.0.7:4318
  tailrace cluster drain http://10.0.0.7:4318 --undo`;

const MOVE_EXAMPLES = `
The basin stays in use while it is copied. At the end it is sealed for some seconds: then senders and readers get 503, and
try again by themselves. The move goes on without this command, also over Ctrl-C and when another node leads. The exit code
is 1 when it was given up: then the basin is where it was. The default basin stays in partition 0. This needs the root token.

Examples:
  tailrace cluster move orders-eu 2
  tailrace cluster move orders-eu 2 --no-wait     then \`tailrace cluster status\` shows how far it is`;

export function addCluster(program: Command): void {
  const group = program
    .command('cluster')
    .summary('see and steer the nodes of a cluster')
    .description('Shows a cluster and what is wrong with it, says which nodes may lead, and moves basins.')
    .addHelpText('after', '\nExample:\n  tailrace cluster status');
  const shown = group
    .command('status')
    .summary('show the nodes, and what is wrong with them')
    .description('Shows which nodes lead, how far the others follow, basins that move, and what is wrong with the fix.')
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
  const moved = group
    .command('move')
    .summary('move a basin to another partition')
    .description('Moves a basin with all of its streams to another partition of the cluster, and waits for the end.')
    .argument('<basin>', 's2://basin, or its bare name', parseBasinName)
    .argument('<partition>', 'number of the partition, as `tailrace cluster status` shows it', wholeNumber)
    .option('--no-wait', 'end when the move has begun')
    .addHelpText('after', MOVE_EXAMPLES);
  addConnectionOptions(addJsonOption(moved)).action((basin: string, to: number, _options, self: Command) =>
    move({ basin, to }, self.optsWithGlobals<MoveOptions>()),
  );
}

function status(options: CommandOptions): Promise<void> {
  return callServer(options, {}, async (context) => {
    try {
      const cluster = await context.client.cluster();
      await context.print(cluster, clusterLines(cluster, context.output).join('\n'));
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

function isWrong({ name, leader, nodes, partitions, moves }: ClusterJson): boolean {
  if (name === null) return false;
  const isStuck = moves.some(({ problem }) => problem !== null);
  return leader === null || isStuck || [...nodes, ...partitions].some(({ problems }) => problems.length > 0);
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

function move(begun: BegunMove, options: MoveOptions): Promise<void> {
  const { basin, to } = begun;
  return callServer(options, { basin }, async (context) => {
    const signal = untilInterrupted();
    await context.client.moveBasin(basin, to, { signal });
    if (!options.wait) {
      await context.print({ basin, to }, `${basin} moves to partition ${to}: ${SEE_STATUS}`);
      return;
    }
    context.reporter.note(`${basin} moves to partition ${to}; Ctrl-C leaves that going`);
    const ended = await withProgress(basin, options, (progress) =>
      waitForMove(context.client, begun, { signal, progress }),
    ).catch((thrown: unknown) => {
      const error = asTailraceError(thrown);
      context.reporter.note(`the move of ${basin} goes on: ${SEE_STATUS}`);
      if (error.code !== 'aborted') throw error;
      process.exitCode = EXIT.interrupted;
      return undefined;
    });
    if (ended !== undefined) await printEnded(begun, ended, context);
  });
}

const SEE_STATUS = '`tailrace cluster status` shows how far it is';

async function printEnded({ basin, to }: BegunMove, ended: EndedMove, { print, output }: CallContext): Promise<void> {
  const { partition, problem } = ended;
  const isMoved = partition === to;
  const why = problem === null ? 'the logs of the nodes say why' : escapeControls(problem);
  const givenUp = `${basin} is in partition ${partition}: its move to ${to} was given up. ${why}`;
  const text = isMoved ? `${basin} is in partition ${to}` : `${output.colors.red('!')} ${givenUp}`;
  await print({ basin, to, partition, moved: isMoved, problem }, text);
  if (!isMoved) process.exitCode = EXIT.failure;
}
