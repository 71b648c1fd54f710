/** A node that is stopped hands all that it leads over at once, however long readers of other partitions take to leave it. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ClusterNode, leaderOf, leaderOfPartition } from '../support/cluster-nodes.ts';
import { describeWithNats } from '../support/describe-with-nats.ts';
import { call } from '../support/http-call.ts';
import { type NatsServers, startNatsServers } from '../support/nats-servers.ts';
import { RecordsClient } from '../support/records-calls.ts';
import { S2sConnection } from '../support/s2s-client.ts';

const TOKEN = 'a-root-token-of-more-than-thirty-two-characters';
const BASIN = 'of-partition-one';
const LOOK_MS = 50;
/** More than the test has. */
const SHUTDOWN = ['--shutdown-timeout', '300s'];

let dir: string;
let nats: NatsServers;
let nodes: readonly ClusterNode[];

describeWithNats('a node that leads one partition and serves readers of another one', () => {
  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'tailrace-stop-'));
    nats = await startNatsServers(1);
    const setup = { nats, replicas: 1, dir, token: TOKEN, partitions: 2 } as const;
    nodes = [await ClusterNode.at(setup, 'a'), await ClusterNode.at(setup, 'b')];
    await Promise.all(nodes.map((node) => node.start(...SHUTDOWN)));
  });
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.stop('SIGKILL')));
    await nats.dispose();
    await rm(dir, { recursive: true, force: true });
  });

  test('hands the one over before the readers of the other one are gone', async () => {
    const [node, other] = await evenly();
    await createBasin(node);
    const records = new RecordsClient({ port: node.port, token: TOKEN }, BASIN);
    while ((await records.append('read', { records: [{ body: 'x' }] }))[0] === 503);
    const connection = new S2sConnection({ port: node.port, token: TOKEN });
    const reader = connection.read('read', 'seq_num=0', { 's2-basin': BASIN });
    await reader.nextBatch();
    let isOver = false;
    const rest = reader.restOfBatches().finally(() => {
      isOver = true;
    });
    rest.catch(() => {});
    const stopped = node.stop();
    await leaderOf([other]);
    expect(isOver).toBe(false);
    connection.close();
    await stopped;
  }, 60_000);
});

/** The node that leads partition 0, and the one that leads partition 1: another one when they have spread. */
async function evenly(): Promise<readonly [ClusterNode, ClusterNode]> {
  for (;;) {
    const first = await leaderOf(nodes);
    const second = await leaderOfPartition(nodes, 1);
    if (first !== second) return [first, second];
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** A new basin begins where the fewest are. */
async function createBasin({ port }: ClusterNode): Promise<void> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ config: { create_stream_on_append: true } });
  const put = async () => call(port, { method: 'PUT', path: `/v1/basins/${BASIN}`, headers, body });
  while ((await put()).status >= 500);
}
