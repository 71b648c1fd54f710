/**
 * Machines of a cluster, each with a node and a server of NATS, lose their power while they are written to: one of them, then
 * all. Nothing that was acknowledged is lost. The control is a server of NATS that acknowledges before it syncs.
 */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { verify } from '../../src/maintenance.ts';
import { openJetstreamLog } from '../../src/storage/replicated/jetstream-log.ts';
import { connectNats } from '../../src/storage/replicated/nats-connection.ts';
import { ClusterDisks } from '../support/cluster-disks.ts';
import { ClusterNode, leaderOf } from '../support/cluster-nodes.ts';
import { describeWithNats } from '../support/describe-with-nats.ts';
import { describeWithPowerLoss } from '../support/describe-with-power-loss.ts';
import { type NatsServers, startNatsServers } from '../support/nats-servers.ts';
import { RecordsClient } from '../support/records-calls.ts';

const TOKEN = 'a-root-token-of-more-than-thirty-two-characters';
const STREAM = 'kept';
const MACHINES = [0, 1, 2];
const SEED = Number(process.env.TAILRACE_TEST_SEED ?? 20_261_201);

let dir: string;
let disks: ClusterDisks;
let nats: NatsServers;
let nodes: readonly ClusterNode[];
/** What was acknowledged, by its number. */
const kept: string[] = [];

describeWithPowerLoss('with disks that lose power', () => {
  describeWithNats('a cluster', () => {
    beforeAll(async () => {
      dir = await mkdtemp(path.join(tmpdir(), 'tailrace-power-cluster-'));
      disks = mounted(3);
      nats = await startNatsServers(3, { storeDirs: disks.servers.map((disk) => disk.dir) });
      const setup = { nats, replicas: 3, token: TOKEN } as const;
      nodes = await Promise.all(
        MACHINES.map((i) => ClusterNode.at({ ...setup, dir: disks.nodes[i]?.dir ?? dir }, 'n')),
      );
      await Promise.all(nodes.map((node) => node.start()));
      await leaderOf(nodes);
    }, 60_000);
    afterAll(async () => {
      await Promise.all(nodes.map((node) => node.stop('SIGKILL')));
      await nats.dispose();
      disks.dispose();
      await rm(dir, { recursive: true, force: true });
    });

    losePower();
  });

  describeWithNats('a server of NATS', () => {
    test.each([
      ['keeps what it has acknowledged', 'always', 20],
      ['that does not sync loses what it has acknowledged', '2m', 0],
    ])(
      '%s',
      async (_, syncInterval, left) => {
        const own = mounted(1);
        const storeDirs = own.servers.map((disk) => disk.dir);
        const server = await startNatsServers(1, { syncInterval, storeDirs });
        try {
          await onLog(server, async (log) => {
            for (let i = 0; i < 20; i++) await log.publish(randomBytes(100), randomBytes(16), i);
          });
          await own.losePower({ nodes: [], nats: server }, { nodes: [], servers: [0] });
          await server.restart(0);
          expect(await onLog(server, async (log) => (await log.bounds()).last)).toBe(left);
        } finally {
          await server.dispose();
          own.dispose();
        }
      },
      60_000,
    );
  });
});

function losePower(): void {
  test('loses nothing when the machine with the node that leads loses its power', async () => {
    const leader = nodes.indexOf(await leaderOf(nodes));
    const hit = [leader];
    await whileWritten(() => disks.losePower({ nodes, nats }, { nodes: hit, servers: hit }));
    await nats.restart(leader);
    await nodes[leader]?.start();
    await expectKept();
  }, 60_000);

  test('loses nothing when all machines lose their power, whatever their disks had written', async () => {
    await whileWritten(() => disks.losePower({ nodes, nats }, { nodes: MACHINES, servers: MACHINES }, SEED));
    await Promise.all(MACHINES.map((i) => nats.restart(i)));
    await Promise.all(nodes.map((node) => node.start()));
    await expectKept();
  }, 60_000);

  test('has whole stores in the end', async () => {
    for (const node of nodes) await node.stop();
    for (const { dataDir } of nodes) expect((await verify({ dataDir })).faults).toEqual([]);
  });
}

function mounted(count: number): ClusterDisks {
  const found = ClusterDisks.mount(count);
  if (found === undefined) throw new Error('no disks can be mounted');
  return found;
}

async function onLog<T>(
  { urls }: NatsServers,
  act: (log: Awaited<ReturnType<typeof openJetstreamLog>>) => Promise<T>,
): Promise<T> {
  const link = await connectNats({ servers: urls, name: 'test' });
  try {
    return await act(await openJetstreamLog(link, { cluster: 'c', partition: 0, replicas: 1 }));
  } finally {
    await link.close();
  }
}

/** Through all nodes at once, from before to the end of what is called. */
async function whileWritten(lose: () => Promise<void>): Promise<void> {
  let isOver = false;
  let acked = 0;
  const writing = nodes.map(async ({ port }, i) => {
    const client = new RecordsClient({ port, token: TOKEN });
    for (let count = 0; !isOver; count++) {
      const body = `${i}-${kept.length}-${count}`;
      const [status, ack] = await client.append(STREAM, { records: [{ body }] }).catch(() => [0, {}] as const);
      if (status !== 200) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        continue;
      }
      acked++;
      kept[(ack as { start: { seq_num: number } }).start.seq_num] = body;
    }
  });
  while (acked < 50) await new Promise((resolve) => setTimeout(resolve, 10));
  await lose();
  isOver = true;
  await Promise.all(writing);
}

/** What was acknowledged is there, through each node, where it was said to be. */
async function expectKept(): Promise<void> {
  await leaderOf(nodes);
  for (const { port } of nodes) {
    const bodies = await bodiesOf(new RecordsClient({ port, token: TOKEN }));
    expect(bodies.length).toBeGreaterThanOrEqual(kept.length);
    expect(kept.filter((body, i) => body !== bodies[i])).toEqual([]);
  }
}

/** A node that has just come back may not know who leads. */
async function bodiesOf(client: RecordsClient): Promise<readonly (string | undefined)[]> {
  for (;;) {
    const [status] = await client.read(STREAM, '?seq_num=0');
    if (status !== 503) return client.bodies(STREAM);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
