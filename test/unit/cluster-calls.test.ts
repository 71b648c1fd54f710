/** What nodes of a cluster ask each other: for nodes alone, within limits, and what one throws the other one throws. */

import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { NodeTrust } from '../../src/access/node-trust.ts';
import { MemoryBudget } from '../../src/encoding/memory-budget.ts';
import type { ClusterCall } from '../../src/http/cluster-calls.ts';
import { BASIN_ROWS_PATH, CALLS_PATH, NodeRequests, SNAPSHOT_PATH } from '../../src/http/node-requests.ts';
import { TailraceError } from '../../src/model/error.ts';
import { NODE_CALL_BYTES_MAX } from '../../src/model/limits.ts';
import { type CallHandlers, LeaderCalls } from '../../src/node/leader-calls.ts';
import type { Partition } from '../../src/node/partition.ts';
import { createLogger } from '../../src/observe/logger.ts';
import { SYSTEM_CLOCK } from '../../src/observe/system-clock.ts';
import { NODE_SECRET, type OpenPort, openPort } from '../support/forwarding-node.ts';
import { freePort } from '../support/free-port.ts';
import { call } from '../support/http-call.ts';

const CALL: ClusterCall = { call: 'place-of', partition: 0, basin: 'basin-aa' };
const NODE = new NodeTrust(NODE_SECRET).headersFor({ sender: undefined, scheme: undefined, host: undefined });
const STRANGERS = [
  {},
  new NodeTrust('another-secret-of-nodes').headersFor({ sender: 'one', scheme: 'http', host: 'x' }),
];

let port: OpenPort;
let answered: ClusterCall[];
let answer: () => Promise<unknown>;

beforeAll(async () => {
  const own = new NodeRequests({
    ...{ trust: new NodeTrust(NODE_SECRET), memory: new MemoryBudget(), clock: SYSTEM_CLOCK },
    logger: createLogger('silent'),
    state: () => ({ role: 'leading', leader: undefined, partitions: [], isBroken: false, problems: [] }),
    closing: () => false,
    snapshots: () => undefined,
    basinRows: () => {
      throw new TailraceError('not_found', 'it does not move');
    },
    answer: (asked) => {
      answered.push(asked);
      return answer();
    },
  });
  port = await openPort({
    request: (...asked) => own.request(...asked),
    upgrade: (_request, socket) => socket.destroy(),
  });
});

afterAll(() => port.close());

beforeEach(() => {
  answered = [];
  answer = async () => ({ partition: 2 });
});

/** The leader of every partition is the node at this port. */
function callsTo(at: number): LeaderCalls {
  const target = { httpUrl: new URL(`http://127.0.0.1:${at}`) };
  return new LeaderCalls({
    handlers: {} as CallHandlers,
    partition: () => ({ server: undefined, target }) as unknown as Partition,
    ...{ nodeHeaders: NODE, caFile: undefined },
  });
}

const post = (headers: object, body: string) =>
  call(port.port, { path: CALLS_PATH, headers: { ...headers, 'content-type': 'application/json' }, body });

/** A call of so many bytes. */
function callOf(bytes: number): string {
  const empty = JSON.stringify({ ...CALL, basin: '' });
  return JSON.stringify({ ...CALL, basin: 'b'.repeat(bytes - empty.length) });
}

test('who does not know the secret of the nodes gets nothing, and has nothing done', async () => {
  for (const headers of STRANGERS) {
    expect((await post(headers, JSON.stringify(CALL))).status).toBe(403);
    for (const path of [SNAPSHOT_PATH, BASIN_ROWS_PATH]) {
      expect((await call(port.port, { method: 'GET', path, headers })).status).toBe(403);
    }
  }
  expect(answered).toEqual([]);
  // The control: a node.
  expect((await post(NODE, JSON.stringify(CALL))).status).toBe(200);
  const of = async (path: string) => (await call(port.port, { method: 'GET', path, headers: NODE })).status;
  expect([await of(SNAPSHOT_PATH), await of(`${BASIN_ROWS_PATH}?basin=basin-aa`)]).toEqual([503, 404]);
});

test('a call has at most its limit of bytes, and one that this build does not know is refused', async () => {
  expect((await post(NODE, callOf(NODE_CALL_BYTES_MAX))).status).toBe(200);
  const refusal = async (body: string): Promise<string> => {
    const response = await post(NODE, body);
    expect(response.status).toBe(400);
    return response.body.toString();
  };
  expect(await refusal(callOf(NODE_CALL_BYTES_MAX + 1))).toContain(String(NODE_CALL_BYTES_MAX));
  expect(await refusal('{"call":"unheard-of","partition":0}')).toContain('this build does not know');
  expect(answered).toHaveLength(1);
});

test('a call returns what the other node returns, also nothing, and throws what that throws', async () => {
  const calls = callsTo(port.port);
  expect(await calls.call(CALL)).toEqual({ partition: 2 });
  expect(answered).toEqual([CALL]);
  answer = async () => undefined;
  expect(await calls.call(CALL)).toBeUndefined();
  answer = async () => {
    throw new TailraceError('basin_not_found', 'there is none', { detail: { retryAfterSeconds: 7 } });
  };
  const thrown = { code: 'basin_not_found', message: 'there is none', detail: { retryAfterSeconds: 7 } };
  await expect(calls.call(CALL)).rejects.toMatchObject(thrown);
});

test('a node that is not there, is too slow, says too much or refuses is unavailable', async () => {
  const isUnavailable = { code: 'unavailable', detail: { retryAfterSeconds: 1 } };
  await expect(callsTo(await freePort()).call(CALL)).rejects.toMatchObject(isUnavailable);
  const calls = callsTo(port.port);
  const ended = new AbortController();
  answer = () => new Promise(() => void ended.abort());
  await expect(calls.call(CALL, ended.signal)).rejects.toMatchObject(isUnavailable);
  answer = async () => 'x'.repeat(NODE_CALL_BYTES_MAX);
  await expect(calls.call(CALL)).rejects.toMatchObject(isUnavailable);
  answer = async () => 'x'.repeat(NODE_CALL_BYTES_MAX - 100);
  expect(await calls.call(CALL)).toHaveLength(NODE_CALL_BYTES_MAX - 100);
  const unknown = { ...CALL, call: 'unheard-of' } as unknown as ClusterCall;
  await expect(calls.call(unknown)).rejects.toMatchObject(isUnavailable);
});
