/**
 * A server of NATS loses the end of the log that it has acknowledged, and a node that was away leads on without it. The node
 * that has it says so, keeps it, and does not lead; what it alone has can be read from a backup of its directory.
 */

import { cpSync, renameSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runCli } from '../support/cli.ts';
import { ClusterNode, type ClusterSetup, leaderOf, untilFollowed, untilStanding } from '../support/cluster-nodes.ts';
import { describeWithNats } from '../support/describe-with-nats.ts';
import { type NatsServers, startNatsServers } from '../support/nats-servers.ts';
import { RecordsClient } from '../support/records-calls.ts';
import { startServer } from '../support/server.ts';

const TOKEN = 'a-root-token-of-more-than-thirty-two-characters';
const STREAM = 'kept';

let dir: string;
let nats: NatsServers;
let setup: ClusterSetup;
/** One that has all, and one that was away. */
let full: ClusterNode;
let away: ClusterNode;

describeWithNats('a server of NATS that loses the end of the log', () => {
  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'tailrace-lost-'));
    nats = await startNatsServers(1);
    setup = { nats, replicas: 1, dir, token: TOKEN };
    [full, away] = [await ClusterNode.at(setup, 'full'), await ClusterNode.at(setup, 'away')];
    await Promise.all([full.start(), away.start()]);
    await leaderOf([full, away]);
    await append(full, 'before');
    await untilFollowed(setup, 2);
    // In the copy no node leads.
    await Promise.all([away.stop(), full.stop()]);
    const copy = path.join(dir, 'copy-of-nats');
    const store = nats.storeDirOf(0);
    await nats.kill(0);
    cpSync(store, copy, { recursive: true });
    await nats.restart(0);
    await full.start();
    await leaderOf([full]);
    await append(full, 'lost');
    await full.stop();
    await nats.kill(0);
    rmSync(store, { recursive: true });
    renameSync(copy, store);
    await nats.restart(0);
  }, 60_000);
  afterAll(async () => {
    await Promise.all([full.stop('SIGKILL'), away.stop('SIGKILL')]);
    await nats.dispose();
    await rm(dir, { recursive: true, force: true });
  });

  test('the node that has it says that the servers have lost it, and answers nothing with it', async () => {
    await full.start();
    await untilStanding(full, ({ leads, problems }) => !leads && problems.join().includes('have lost data'));
    expect((await clientOf(full).read(STREAM, '?seq_num=0'))[0]).toBe(503);
  });

  test('when a node that was away leads on, the other one says that it does not continue, and passes requests on', async () => {
    await away.start();
    await leaderOf([away]);
    for (let i = 0; i < 20; i++) await append(away, `after-${i}`);
    await untilStanding(full, ({ problems }) => problems.join().includes('does not continue the log'));
    const bodies = ['before', ...Array.from({ length: 20 }, (_, i) => `after-${i}`)];
    for (const node of [full, away]) expect(await clientOf(node).bodies(STREAM)).toEqual(bodies);
  });

  test('what it alone has is in a backup of its directory, and with an empty one it joins again', async () => {
    await full.stop();
    const [kept, file, restored] = [`${full.dataDir}-kept`, path.join(dir, 'lost.backup'), path.join(dir, 'restored')];
    renameSync(full.dataDir, kept);
    await full.start();
    expect((await runCli(['backup', file, '--data-dir', kept])).code).toBe(0);
    expect((await runCli(['restore', file, '--data-dir', restored])).code).toBe(0);
    const { port, stop } = await startServer({ dataDir: restored, env: { TAILRACE_ROOT_TOKEN: TOKEN } });
    expect(await new RecordsClient({ port, token: TOKEN }).bodies(STREAM)).toEqual(['before', 'lost']);
    await stop();
    await untilFollowed(setup, 2);
    await away.stop();
    await leaderOf([full]);
    expect((await clientOf(full).bodies(STREAM)).slice(-1)).toEqual(['after-19']);
  });
});

function clientOf({ port }: ClusterNode): RecordsClient {
  return new RecordsClient({ port, token: TOKEN });
}

async function append(node: ClusterNode, body: string): Promise<void> {
  const [status] = await clientOf(node).append(STREAM, { records: [{ body }] });
  expect(status).toBe(200);
}
