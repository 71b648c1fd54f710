/**
 * The disk of a node damages its store: the node finds it, when it starts or when it is read, and takes a copy of
 * another node by itself. Nothing that was acknowledged is lost. So it is in each partition, and the copy is of that one.
 */

import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { verify } from '../../src/maintenance.ts';
import { partitionDir } from '../../src/storage/data-dir.ts';
import { STORE_FILE } from '../../src/storage/lmdb.ts';
import { runCli } from '../support/cli.ts';
import { ClusterNode, leaderOf, leaderOfPartition, untilStanding } from '../support/cluster-nodes.ts';
import { describeWithNats } from '../support/describe-with-nats.ts';
import { call } from '../support/http-call.ts';
import { type NatsServers, startNatsServers } from '../support/nats-servers.ts';
import { RecordsClient } from '../support/records-calls.ts';
import { startServer } from '../support/server.ts';

const TOKEN = 'a-root-token-of-more-than-thirty-two-characters';
const STREAM = 'kept';
const CONFIG = JSON.stringify({ config: { create_stream_on_append: true } });
const HEADERS = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
const HEALED = 'has taken the place of the damaged store';

let dir: string;
let nats: NatsServers;
let nodes: [ClusterNode, ClusterNode];
let partition: number;
let basin: string;
let kept: string[];

describeWithNats('a cluster with a disk that damages what it holds', () => {
  describe.each([
    ['alone', 0, 1, 'telemetry'],
    ['beside another one', 1, 2, 'kept-basin'],
  ])('in a partition %s', (_, at, partitions, name) => damageIn(at, partitions, name));
});

function damageIn(at: number, partitions: number, name: string): void {
  beforeAll(async () => {
    [partition, basin, kept] = [at, name, []];
    dir = await mkdtemp(path.join(tmpdir(), 'tailrace-damage-'));
    nats = await startNatsServers(1);
    const setup = { nats, replicas: 1, dir, token: TOKEN, partitions } as const;
    nodes = [await ClusterNode.at(setup, 'a'), await ClusterNode.at(setup, 'b')];
    await nodes[0].start();
    await leaderOf(nodes);
    await nodes[1].start();
    await untilStanding(nodes[1], ({ leader }) => leader !== undefined);
    await leaderOfPartition(nodes, partition);
    // A new basin begins where the fewest are.
    const made = async () =>
      call(nodes[0].port, { method: 'PUT', path: `/v1/basins/${basin}`, headers: HEADERS, body: CONFIG });
    while ((await made()).status >= 500);
    for (let i = 0; i < 10; i++) await keep(nodes[i % 2] ?? nodes[0], `record-${i}-of-those-that-are-kept`);
  });
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.stop('SIGKILL')));
    await nats.dispose();
    await rm(dir, { recursive: true, force: true });
  });

  damageSome();
}

function damageSome(): void {
  test('a node that does not lead finds it when it starts, and takes a copy', async () => {
    const leader = await leaderOfPartition(nodes, partition);
    const follower = otherThan(leader);
    await follower.stop();
    await flip(follower, 3);
    // The control: this is damage.
    expect((await verify({ dataDir: follower.dataDir })).faultCount).toBeGreaterThan(0);
    await follower.start();
    await healed(follower);
    expect(follower.server.stderr()).toContain('the store of this node is damaged');
    await keep(follower, 'after the first copy');
    await expectKept();
  });

  test('a node that leads finds it when it is read, hands over, and takes a copy', async () => {
    const leader = await leaderOfPartition(nodes, partition);
    await flip(leader, 5);
    const [status] = await clientOf(leader).read(STREAM, '?seq_num=0');
    expect(status).toBe(500);
    await healed(leader);
    expect(leader.server.stderr()).toContain('this node no longer leads');
    await keep(leader, 'after the second copy');
    await expectKept();
  });

  test('the stores of both nodes are whole in the end', async () => {
    for (const node of nodes) await node.stop();
    for (const { dataDir } of nodes) expect((await verify({ dataDir })).faults).toEqual([]);
  });

  test('where all else is gone, a backup of the directory of one node becomes a server with everything', async () => {
    const [file, dataDir] = [path.join(dir, 'left.backup'), path.join(dir, 'restored')];
    expect(await runCli(['backup', file, '--data-dir', nodes[0].dataDir])).toMatchObject({ code: 0, stderr: '' });
    expect(await runCli(['restore', file, '--data-dir', dataDir])).toMatchObject({ code: 0, stderr: '' });
    const { port, stop } = await startServer({ dataDir, env: { TAILRACE_ROOT_TOKEN: TOKEN } });
    expect(await new RecordsClient({ port, token: TOKEN }, basin).bodies(STREAM)).toEqual(kept);
    await stop();
  });
}

function clientOf({ port }: ClusterNode): RecordsClient {
  return new RecordsClient({ port, token: TOKEN }, basin);
}

/** Flips bits of a record in the store's file, also in pages that are no longer in use. */
async function flip({ dataDir }: ClusterNode, seqNum: number): Promise<void> {
  const name = path.join(partitionDir(dataDir, partition), STORE_FILE);
  const bytes = await readFile(name);
  const file = await open(name, 'r+');
  const text = kept[seqNum] ?? '';
  let found = 0;
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    await file.write(Buffer.of((bytes[at] ?? 0) ^ 0x20), 0, 1, at);
    found++;
  }
  await file.close();
  expect(found).toBeGreaterThan(0);
}

async function healed(node: ClusterNode): Promise<void> {
  await untilStanding(
    node,
    ({ leader, leads, problems }) =>
      node.server.stderr().includes(HEALED) && (leads || leader !== undefined) && problems.length === 0,
  );
}

async function keep(node: ClusterNode, body: string): Promise<void> {
  for (;;) {
    const [status] = await clientOf(node).append(STREAM, { records: [{ body }] });
    if (status === 503) continue;
    expect(status).toBe(200);
    kept.push(body);
    return;
  }
}

async function expectKept(): Promise<void> {
  for (const node of nodes) expect(await clientOf(node).bodies(STREAM)).toEqual(kept);
}

function otherThan(node: ClusterNode): ClusterNode {
  return node === nodes[0] ? nodes[1] : nodes[0];
}
