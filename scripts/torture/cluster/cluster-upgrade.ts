/**
 * A rolling upgrade: three nodes of an older build are replaced one after the other, the one that leads last, while writers
 * write and readers over WebSockets and as events read through each of them. Nothing is lost, doubled or moved, and every reader gets
 * everything once and in order.
 *
 *   npm run torture -- cluster-upgrade DIR      the older version, with its packages and built
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from '../../../src/client/client.ts';
import {
  ClusterNode,
  type ClusterSetup,
  leaderOf,
  untilFollowed,
  untilStanding,
} from '../../../test/support/cluster-nodes.ts';
import { startNatsServers } from '../../../test/support/nats-servers.ts';
import { seededRandom } from '../../../test/support/writers.ts';
import { READERS } from '../reconnect/readers.ts';
import { expectEqualStores, expectToFindFaults, faultsOf, readThroughEach, say, seconds } from './check-cluster.ts';
import { ClusterWriters } from './cluster-writers.ts';

const MAIN = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));
const QUIET_MS = 4_000;
/** Readers that know records by their numbers. */
const KINDS = Object.entries(READERS).filter(([kind]) => kind !== 's2s');
/** One that is written through the node that is replaced first. */
const READ = 's2-1';
const LAST = 'the last one';

/** Prints its figures. @throws Error with what did not hold */
export async function run(): Promise<void> {
  const older = process.argv[3];
  if (older === undefined) throw new Error('name the older version: npm run torture -- cluster-upgrade DIR');
  const dir = mkdtempSync(path.join(tmpdir(), 'tailrace-torture-upgrade-'));
  const nats = await startNatsServers(3);
  const token = 'a-root-token-of-the-cluster-that-is-upgraded';
  const setup: ClusterSetup = { nats, replicas: 3, dir, token, main: path.resolve(older, 'dist/cli/main.js') };
  const nodes = await Promise.all(['a', 'b', 'c'].map((name) => ClusterNode.at(setup, name)));
  try {
    await Promise.all(nodes.map((node) => node.start()));
    const writers = await upgrade(nodes, token);
    const read = await readThroughEach(nodes, writers.streams);
    await untilFollowed(setup, nodes.length);
    for (const node of nodes) await node.stop();
    await expectEqualStores(setup, nodes);
    const found = faultsOf(writers.history, read);
    expectToFindFaults(writers.history, read);
    if (found.length > 0) throw new Error(found.slice(0, 20).join('\n'));
    say(`${writers.acked} of ${writers.history.length} requests acknowledged; lost, twice, out of order: 0`);
  } finally {
    await Promise.all(nodes.map((node) => node.stop('SIGKILL')));
    await nats.dispose();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function upgrade(nodes: readonly ClusterNode[], token: string): Promise<ClusterWriters> {
  const { port } = await leaderOf(nodes);
  const client = createClient({ endpoint: `http://127.0.0.1:${port}`, token });
  await client.createStream(READ);
  const end = { at: Number.POSITIVE_INFINITY };
  const readers = nodes.flatMap((node) =>
    KINDS.map(([kind, read]) => readAll(`${kind} of ${node.url}`, read, { node, token, end })),
  );
  const writers = new ClusterWriters(token, seededRandom(1));
  for (const node of nodes) for (const kind of ['otlp', 's2', 's2'] as const) writers.start(kind, node.port);
  await pause();
  const leader = await leaderOf(nodes);
  for (const node of [...nodes.filter((each) => each !== leader), leader]) {
    const from = performance.now();
    await node.stop();
    node.main = MAIN;
    await node.start();
    await untilStanding(node, (standing) => standing.leads || standing.leader !== undefined);
    const to = performance.now();
    await pause();
    const what = node === leader ? 'the node that led' : 'a node';
    say(`${what}: ${seconds(to - from)}, no answer for ${seconds(writers.silence({ from, to }))}`);
  }
  await writers.stop();
  // The end is announced before it comes.
  const rest = createClient({ endpoint: (await leaderOf(nodes)).url, token });
  end.at = (await rest.checkTail(READ)).seqNum;
  await rest.append(READ, [{ body: LAST }]);
  writers.history.push({ id: LAST, streams: new Map([[READ, [LAST]]]), outcome: 'acked' });
  for (const line of await Promise.all(readers)) say(line);
  return writers;
}

interface Watched {
  readonly node: ClusterNode;
  readonly token: string;
  /** The number of the last record. */
  readonly end: { readonly at: number };
}

/** Reads until the last record. Resolves with a line. @throws Error when a record is missing, or comes again */
async function readAll(name: string, read: (typeof READERS)[string], { node, token, end }: Watched): Promise<string> {
  const next = new Map<string, number>();
  let longest = 0;
  let last = performance.now();
  const note = (stream: string, seqNum: number): boolean => {
    const expected = next.get(stream) ?? 0;
    if (seqNum !== expected) throw new Error(`${name}: record ${seqNum} of ${stream} in the place of ${expected}`);
    next.set(stream, seqNum + 1);
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
    return stream === READ && seqNum >= end.at;
  };
  await read({ port: node.port, token, stream: READ, filter: undefined, comesBack: true, note });
  return `${name}: ${next.get(READ)} records of ${READ}, nothing for at most ${seconds(longest)}`;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, QUIET_MS));
}
