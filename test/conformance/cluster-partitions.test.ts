/** What people see of a cluster with several partitions, and how they move a basin: a server that is shown one in memory. */

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type Client, createClient } from '../../src/client/client.ts';
import { openApiDocument } from '../../src/http/api/openapi.ts';
import { TailraceError } from '../../src/model/error.ts';
import { createServer, type TailraceServer } from '../../src/server.ts';
import { ApiDescription } from '../support/api-description.ts';
import { type CliResult, runCli, startCli } from '../support/cli.ts';
import { CLUSTER_FOLLOWER, CLUSTER_LEADER, ClusterInMemory } from '../support/cluster-view.ts';
import { call } from '../support/http-call.ts';

const TOKEN = 'a-root-token-of-more-than-thirty-two-characters';
const AUTHORIZED = { authorization: `Bearer ${TOKEN}` };
const BASIN = 'orders-eu';

let dataDir: string;
let server: TailraceServer;
let port: number;
let client: Client;
let env: Readonly<Record<string, string>>;
let cluster: ClusterInMemory;
/** While no node leads. */
let isAway = false;

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'tailrace-partitions-'));
  const shown = {
    state: () => {
      const state = cluster.state();
      if (isAway) throw new TailraceError('unavailable', 'no node leads');
      return state;
    },
    problems: () => cluster.problems(),
    drain: (url: string, on: boolean) => cluster.drain(url, on),
    partitionOf: (basin: string) => cluster.partitionOf(basin),
    move: (basin: string, to: number) => cluster.move(basin, to),
  };
  const options = { port: 0, grpcPort: 0, dataDir, rootToken: TOKEN, logLevel: 'silent' } as const;
  server = await createServer(options, {}, { cluster: shown });
  const address = await server.listen();
  port = address.port;
  client = createClient({ endpoint: address.url, token: TOKEN });
  env = { TAILRACE_ENDPOINT: address.url, TAILRACE_TOKEN: TOKEN };
});

beforeEach(() => {
  cluster = new ClusterInMemory(3);
});

afterAll(async () => {
  await server.close();
  await rm(dataDir, { recursive: true, force: true });
});

const cli = (...args: readonly string[]): Promise<CliResult> => runCli(args, { env });

test('every partition is shown with who leads it, and every node with how it does there, as it is described', async () => {
  cluster.places.set(BASIN, 1);
  cluster.leaderless.add(2);
  await cluster.move(BASIN, 2);
  const { leader, nodes, partitions, moves, place } = await client.cluster({ placeOf: BASIN });
  expect(leader).toBe(CLUSTER_LEADER);
  expect(partitions).toEqual([
    { partition: 0, leader: CLUSTER_LEADER, basins: 1, problems: [] },
    { partition: 1, leader: CLUSTER_FOLLOWER, basins: 1, problems: [] },
    { partition: 2, leader: null, basins: 0, problems: [expect.stringContaining('partition 2')] },
  ]);
  expect(moves).toEqual([{ basin: BASIN, from: 1, to: 2, phase: 'copying', copied_bytes: 0, problem: null }]);
  expect(place).toEqual({ basin: BASIN, partition: 1 });
  expect(nodes[1]?.partitions).toEqual([
    { partition: 0, role: 'following', sequence: 9, durable_sequence: 12, lag: 3, damaged: false },
    { partition: 1, role: 'leading', sequence: 12, durable_sequence: 12, lag: 0, damaged: false },
    { partition: 2, role: 'following', sequence: 7, durable_sequence: 12, lag: 5, damaged: false },
  ]);
  const description = new ApiDescription(JSON.parse(JSON.stringify(openApiDocument())));
  const shown = await call(port, { method: 'GET', path: `/v1/cluster?place_of=${BASIN}`, headers: AUTHORIZED });
  expect(description.faultsOf('GET /v1/cluster', shown)).toEqual([]);
  const begun = await call(port, {
    path: '/v1/cluster/move',
    headers: { ...AUTHORIZED, 'content-type': 'application/json' },
    body: JSON.stringify({ basin: BASIN, partition: 0 }),
  });
  expect([begun.status, description.faultsOf('POST /v1/cluster/move', begun)]).toEqual([202, []]);
});

test('a token sees only the moves of basins that it may know, and moves none', async () => {
  await cluster.move(BASIN, 1);
  await cluster.move('shops-eu', 1);
  const secret = await client.issueToken({
    id: 'looks',
    scope: { ops: ['account-metrics'], basins: { prefix: 'shop' } },
  });
  const other = createClient({ endpoint: client.endpoint, token: secret });
  expect((await other.cluster({ placeOf: 'shops-eu' })).moves.map(({ basin }) => basin)).toEqual(['shops-eu']);
  await expect(other.cluster({ placeOf: BASIN })).rejects.toMatchObject({ code: 'permission_denied' });
  await expect(other.moveBasin('shops-eu', 2)).rejects.toMatchObject({ code: 'permission_denied' });
  await expect(client.cluster({ placeOf: 'No' })).rejects.toMatchObject({ code: 'bad_query' });
});

test('a move that cannot be is refused with why', async () => {
  await expect(client.moveBasin('telemetry', 1)).rejects.toMatchObject({ code: 'invalid' });
  await expect(client.moveBasin(BASIN, 3)).rejects.toMatchObject({ code: 'invalid' });
  expect(await cli('cluster', 'move', BASIN, '3')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('to partition 3'),
  });
  expect((await cli('cluster', 'move', BASIN, 'two')).code).toBe(2);
  expect((await cli('cluster', 'move', 's2://orders-eu/a', '1')).code).toBe(2);
  expect(cluster.moves.size).toBe(0);
});

test('the command line shows partitions, which node leads which, and moves', async () => {
  cluster.places.set(BASIN, 1);
  cluster.leaderless.add(1);
  await cluster.move(BASIN, 2);
  cluster.step(BASIN, { copiedBytes: 3 * 2 ** 20, problem: 'Partition 2 is full.' });
  const { code, stdout } = await cli('cluster', 'status');
  expect(code).toBe(1);
  expect(stdout.split('\n')).toEqual([
    'cluster shops: 3 partitions on 2 nodes',
    '',
    'PARTITION  LEADER                BASINS',
    `        0  ${CLUSTER_LEADER}       1`,
    '        1  none                       1',
    expect.stringContaining('  ! No node is known to lead partition 1'),
    `        2  ${CLUSTER_LEADER}       0`,
    '',
    'NODE                  ROLE       VERSION  LEADS  LAG',
    `${CLUSTER_LEADER}  leading    1.0.0    0, 2     0`,
    `${CLUSTER_FOLLOWER}  following  1.0.0             5`,
    '  ! It is slow. Give it a disk.',
    '',
    'MOVES      FROM  TO  PHASE     COPIED',
    `${BASIN}     1   2  copying  3.0 MiB`,
    '  ! Partition 2 is full.',
    '',
  ]);
  const doctor = await cli('doctor');
  expect(doctor.stdout).toContain(`with 2 nodes and 3 partitions; ${CLUSTER_LEADER} leads partition 0`);
  expect(doctor.stdout).toContain(`the move of ${BASIN}: Partition 2 is full.`);
});

test('the command line shows a cluster with one partition as if there were none', async () => {
  cluster = new ClusterInMemory(1);
  const { stdout } = await cli('cluster', 'status');
  expect(stdout.split('\n').slice(0, 2)).toEqual([
    `cluster shops: ${CLUSTER_LEADER} leads`,
    'NODE                  ROLE       VERSION  SEQUENCE  ON DISK  LAG',
  ]);
});

test('a node that knows no leader says how it does in each partition', async () => {
  const partitions = [
    { partition: 0, role: 'following', leader: null },
    { partition: 1, role: 'joining', leader: CLUSTER_LEADER },
  ];
  const node = createHttpServer((request, response) => {
    const said = {
      status: 'no_leader',
      writes: 'no_leader',
      role: 'following',
      leader: null,
      problems: [],
      partitions,
    };
    const refused = { code: 'unavailable', message: 'no node leads' };
    response.writeHead(503).end(JSON.stringify(request.url === '/readyz' ? said : refused));
  });
  await once(node.listen(0, '127.0.0.1'), 'listening');
  const endpoint = `http://127.0.0.1:${(node.address() as AddressInfo).port}`;
  const { code, stdout } = await cli('cluster', 'status', '--endpoint', endpoint);
  node.close();
  expect(stdout.split('\n')).toEqual([
    expect.stringContaining('no node leads the cluster'),
    `the node ${endpoint}: following`,
    '  partition 0: following; no node is known to lead',
    `  partition 1: joining; ${CLUSTER_LEADER} leads`,
    '',
  ]);
  expect(code).toBe(1);
});

test('the command line waits until a basin has moved, also while no node leads', async () => {
  const moving = startCli(['cluster', 'move', BASIN, '1', '--json'], { env });
  await moving.saw(`${BASIN} moves to partition 1`);
  cluster.step(BASIN, { phase: 'sealed', problem: 'It waits.' });
  isAway = true;
  await cluster.looks(2);
  isAway = false;
  cluster.places.set(BASIN, 1);
  const { code, stdout } = await moving.done;
  expect(JSON.parse(stdout)).toEqual({ basin: BASIN, to: 1, partition: 1, moved: true, problem: null });
  expect(code).toBe(0);
});

test('the command line says why a move was given up, and exits with 1', async () => {
  const moving = startCli(['cluster', 'move', BASIN, '2'], { env });
  await moving.saw(`${BASIN} moves to partition 2`);
  cluster.step(BASIN, { phase: 'aborting', problem: 'Partition 2 is full.' });
  await cluster.looks(2);
  cluster.end(BASIN, 0);
  const { code, stdout } = await moving.done;
  expect(stdout).toBe(`! ${BASIN} is in partition 0: its move to 2 was given up. Partition 2 is full.\n`);
  expect(code).toBe(1);
});

test('Ctrl-C leaves a move going, and --no-wait does not wait for its end', async () => {
  const moving = startCli(['cluster', 'move', BASIN, '1'], { env });
  await moving.saw(`${BASIN} moves to partition 1`);
  const { code, stderr } = await moving.stop('SIGINT');
  expect([code, stderr]).toEqual([130, expect.stringContaining(`the move of ${BASIN} goes on`)]);
  expect(cluster.moves.has(BASIN)).toBe(true);
  const begun = await cli('cluster', 'move', 'shops-eu', '2', '--no-wait');
  expect(begun).toMatchObject({ code: 0, stdout: expect.stringContaining('shops-eu moves to partition 2') });
  expect(cluster.moves.has('shops-eu')).toBe(true);
});
