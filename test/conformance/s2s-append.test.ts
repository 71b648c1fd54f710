/** Append sessions over s2s from outside: order, pipelining, and what a failed input leaves behind. */

import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { RecordsClient } from '../support/records-calls.ts';
import {
  encodeInput,
  frame,
  http1Session,
  S2sConnection,
  type S2sSession,
  type TestAck,
  type TestInput,
} from '../support/s2s-client.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let connection: S2sConnection;
let records: RecordsClient;

beforeAll(async () => {
  server = await startServer();
  connection = new S2sConnection(server);
  records = new RecordsClient(server);
});

afterAll(async () => {
  connection.close();
  await server.stop();
});

/** An AppendInput of `record 0` … `record 299`, made with the zstd command line tool. */
const RECORDS_300_ZSTD =
  'KLUv/WT6DgULACYhRBWgKcMBsMYGgMGklDKllHi4yrK/YxxEADkAPACLiA2FgaFo5C4XVTRylwsqGrnLxRSN3OVCikbucvGikbtc' +
  'uGjkLhctGrnLBYtG7nKxgILAUDRylwsCgwSEgoMEgMIwBDIicrFUKJOQOn0u//2e3+Nl8lh82zU9h6vUqfR1W3aNFolD4WmW5Bis' +
  '0Wayz+u4LVZBMSHxcDQYAW3ZNVokDoWnWZJjsEabyT6v47ZYBcWExMPRYCwiWEU1JfVytVirqCKiIaGTqUQaBdXQzMh8PB3OJqaE' +
  'AlVUU1IvV4u1iioiGhI6mUqkUVANzYzMx9PhbGJKSEZELpYKZRJSp8/lv9/ze7xMHotvu6bncJU6lb4OgSuoETDxhu3xKwcRjBBY' +
  '/CiKREEqKCJFsAisMRSE0SAKJUEpaEdH8ovz1DfXlTm/kfPWm+vKXL/ReevN9cqcQ2E5wCDEUYijOYgHahWLWsRr';

/** Every session is tried on both protocols. */
const PROTOCOLS: readonly (readonly [string, (stream: string) => S2sSession])[] = [
  ['HTTP/2', (stream) => connection.append(stream)],
  ['HTTP/1.1', (stream) => http1Session(server, 'POST', stream)],
];

function input(...bodies: readonly string[]): TestInput {
  return { records: bodies.map((body) => ({ body })) };
}

function numbered(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `record ${from + i}`);
}

/** Acks follow one another without a gap, and never promise more than is there. */
function expectContiguous(acks: readonly TestAck[], sizes: readonly number[], first = 0): void {
  expect(acks.length).toBe(sizes.length);
  let next = first;
  for (const [i, { start, end, tail }] of acks.entries()) {
    expect([start.seqNum, end.seqNum]).toEqual([next, next + (sizes[i] ?? 0)]);
    expect(tail.seqNum).toBeGreaterThanOrEqual(end.seqNum);
    next = end.seqNum;
  }
}

describe.each(PROTOCOLS)('over %s', (protocol, open) => {
  test('acks one by one while the client goes on sending', async () => {
    const session = open(`one by one ${protocol}`);
    session.sendInputs(input('a', 'b'));
    const first = await session.nextAck();
    expect([first.start.seqNum, first.end.seqNum]).toEqual([0, 2]);
    session.sendInputs(input('c'));
    expect((await session.nextAck()).start.seqNum).toBe(2);
    session.halfClose();
    expect(await session.restOfAcks()).toEqual({ acks: [], end: 'clean' });
    expect(await records.bodies(`one by one ${protocol}`)).toEqual(['a', 'b', 'c']);
  });

  test('the head of the answer', async () => {
    const session = open(`head ${protocol}`);
    expect(await session.status).toBe(200);
    expect(await session.headers).toMatchObject({
      'content-type': 's2s/proto',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    session.halfClose();
    expect(await session.restOfAcks()).toEqual({ acks: [], end: 'clean' });
  });

  test('200 inputs at once, acknowledged in order', async () => {
    const stream = `pipelined ${protocol}`;
    const session = open(stream);
    const sizes = Array.from({ length: 200 }, (_, i) => 1 + (i % 5));
    let at = 0;
    const inputs = sizes.map((size) => {
      at += size;
      return input(...numbered(at - size, at));
    });
    session.sendInputs(...inputs);
    session.halfClose();
    const { acks, end } = await session.restOfAcks();
    expect(end).toBe('clean');
    expectContiguous(acks, sizes);
    expect(await records.bodies(stream)).toEqual(numbered(0, at));
  });

  test('the fifth of ten inputs fails: four acks, its reason, and nothing behind it is applied', async () => {
    const stream = `poisoned ${protocol}`;
    const session = open(stream);
    const inputs = Array.from({ length: 10 }, (_, i) => ({ ...input(`record ${i}`), matchSeqNum: i === 4 ? 0 : i }));
    session.sendInputs(...inputs);
    const { acks, end } = await session.restOfAcks();
    expectContiguous(acks, [1, 1, 1, 1]);
    expect(end).toEqual({ status: 412, json: { seq_num_mismatch: 4 } });
    expect(await records.bodies(stream)).toEqual(numbered(0, 4));
  });
});

describe('conditions', () => {
  test('inputs behind a refused one would match, and are not applied all the same', async () => {
    const session = connection.append('behind');
    session.sendInputs(
      { ...input('first'), matchSeqNum: 0 },
      { ...input('stale'), matchSeqNum: 0 },
      { ...input('would match'), matchSeqNum: 1 },
      input('has no condition'),
    );
    const { acks, end } = await session.restOfAcks();
    expectContiguous(acks, [1]);
    expect(end).toEqual({ status: 412, json: { seq_num_mismatch: 1 } });
    expect(await records.bodies('behind')).toEqual(['first']);
  });

  test('a chain of conditions that all hold needs no waiting', async () => {
    const session = connection.append('chain');
    session.sendInputs(...Array.from({ length: 50 }, (_, i) => ({ ...input(`record ${i}`), matchSeqNum: i })));
    session.halfClose();
    const { acks, end } = await session.restOfAcks();
    expect(end).toBe('clean');
    expectContiguous(acks, Array(50).fill(1));
  });

  test('a fence counts for what comes behind it, in the same session too', async () => {
    const fence = (token: string): TestInput => ({ records: [{ headers: [['', 'fence']], body: token }] });
    const session = connection.append('fenced');
    session.sendInputs(fence('mine'), { ...input('holds the token'), fencingToken: 'mine' });
    session.sendInputs({ ...input('another one'), fencingToken: 'yours' }, input('no condition'));
    const { acks, end } = await session.restOfAcks();
    expectContiguous(acks, [1, 1]);
    expect(end).toEqual({ status: 412, json: { fencing_token_mismatch: 'mine' } });
    expect((await records.batch('fenced', '?seq_num=0')).records.length).toBe(2);
  });

  test('two sessions on one stream: every record once, batches whole', async () => {
    const sessions = [connection.append('shared'), connection.append('shared')];
    for (const [who, session] of sessions.entries()) {
      session.sendInputs(...Array.from({ length: 40 }, (_, i) => input(`${who} ${i} a`, `${who} ${i} b`)));
      session.halfClose();
    }
    const ends = await Promise.all(sessions.map((session) => session.restOfAcks()));
    for (const { acks, end } of ends) {
      expect(end).toBe('clean');
      for (const { start, end: last } of acks) expect(last.seqNum - start.seqNum).toBe(2);
    }
    const starts = ends.flatMap(({ acks }) => acks.map(({ start }) => start.seqNum));
    expect(starts.sort((a, b) => a - b)).toEqual(Array.from({ length: 80 }, (_, i) => 2 * i));
    const bodies = await records.bodies('shared');
    for (const [i, body] of bodies.entries()) expect(body?.endsWith(i % 2 === 0 ? 'a' : 'b')).toBe(true);
    expect(new Set(bodies).size).toBe(160);
  });
});

describe('inputs that are none', () => {
  const good = frame(encodeInput(input('good')));
  const bad: readonly (readonly [string, Buffer, number, string])[] = [
    ['a length of 0', Buffer.from([0, 0, 0, 0]), 400, 'bad_frame'],
    ['a length beyond 2 MiB', Buffer.from([0x20, 0, 1, 0]), 400, 'bad_frame'],
    ['a terminal frame', frame(Buffer.from([0, 200]), 0x80), 400, 'bad_frame'],
    ['an unknown compression', frame(encodeInput(input('x')), 0x60), 400, 'bad_frame'],
    ['gzip that is none', frame(encodeInput(input('x')), 0x40), 400, 'bad_frame'],
    ['zstd that is none', frame(encodeInput(input('x')), 0x20), 400, 'bad_frame'],
    ['a gzip bomb', frame(gzipSync(Buffer.alloc(8_000_000)), 0x40), 400, 'bad_frame'],
    ['no protobuf', frame(Buffer.from('no protobuf')), 400, 'bad_frame'],
    ['an empty batch', frame(encodeInput({ records: [] })), 422, 'invalid'],
    ['1001 records', frame(encodeInput(input(...Array<string>(1_001).fill('x')))), 422, 'invalid'],
    ['a batch that is too large', frame(encodeInput(input('x'.repeat(700_000), 'x'.repeat(700_000)))), 422, 'invalid'],
    ['an unknown command', frame(encodeInput({ records: [{ headers: [['', 'what']] }] })), 422, 'invalid'],
    ['a token that is too long', frame(encodeInput({ ...input('x'), fencingToken: 'x'.repeat(37) })), 422, 'invalid'],
  ];

  test.each(bad)(
    '%s: what was before is acknowledged, what is behind is not looked at',
    async (name, bytes, ...why) => {
      const session = connection.append(`bad ${name}`);
      session.send(Buffer.concat([good, good, bytes, good]));
      const { acks, end } = await session.restOfAcks();
      expectContiguous(acks, [1, 1]);
      expect(end).toMatchObject({ status: why[0], json: { code: why[1], message: expect.any(String) } });
      expect((await records.batch(`bad ${name}`, '?seq_num=0')).records.length).toBe(2);
    },
  );

  test('a last frame that is truncated', async () => {
    const session = connection.append('truncated');
    session.send(Buffer.concat([good, good.subarray(0, -1)]));
    session.halfClose();
    const { acks, end } = await session.restOfAcks();
    expectContiguous(acks, [1]);
    expect(end).toMatchObject({ status: 400, json: { code: 'bad_frame' } });
  });
});

describe('compressed inputs', () => {
  const large = input(...numbered(0, 300));
  const zstd = Buffer.from(RECORDS_300_ZSTD, 'base64');

  test('gzip and zstd frames, between plain ones', async () => {
    const message = encodeInput(large);
    const session = connection.append('compressed');
    session.send(frame(gzipSync(message), 0x40));
    session.sendInputs(input('plain'));
    session.send(frame(zstd, 0x20));
    session.halfClose();
    const { acks, end } = await session.restOfAcks();
    expect(end).toBe('clean');
    expectContiguous(acks, [300, 1, 300]);
    expect(await records.bodies('compressed')).toEqual([...numbered(0, 300), 'plain', ...numbered(0, 300)]);
  });
});

describe('where a session begins', () => {
  test.each([
    ['no basin', { 's2-basin': 'there-is-none' }, 404, 'basin_not_found'],
    ['a basin that is none', { 's2-basin': 'NO' }, 400, 'bad_header'],
    ['no token', { authorization: 'Bearer wrong' }, 401, 'authn'],
    ['a stream configuration that is none', { 's2-stream-config': '{' }, 400, 'bad_header'],
    ['a key that is none', { 's2-encryption-key': '' }, 400, 'bad_header'],
  ])('%s is an ordinary answer', async (_, headers, status, code) => {
    const session = connection.append('never made', headers);
    expect(await session.refusal()).toMatchObject({ status, json: { code } });
    expect(await records.tail('never made')).toMatchObject([404, { code: 'stream_not_found' }]);
  });

  test('a session without an input makes no stream', async () => {
    const session = connection.append('nothing sent');
    session.halfClose();
    expect(await session.restOfAcks()).toEqual({ acks: [], end: 'clean' });
    expect((await records.tail('nothing sent'))[0]).toBe(404);
  });
});

describe('clients that go', () => {
  test('a reset takes back nothing that was handed in, and the server goes on', async () => {
    const session = connection.append('reset');
    session.sendInputs(input('kept'));
    await session.nextAck();
    session.send(good100());
    session.cancel();
    await session.restOfAcks().catch(() => undefined);
    const again = connection.append('reset');
    again.sendInputs(input('afterwards'));
    const { start } = await again.nextAck();
    expect(start.seqNum).toBeGreaterThanOrEqual(1);
    again.halfClose();
    await again.restOfAcks();
  });

  test('a client that reads no acks is not read for ever, and gets all of them in the end', async () => {
    const session = connection.append('no acks read');
    session.sendInputs(input('first'));
    await session.nextAck();
    session.pause();
    const inputs = Array.from({ length: 5_000 }, (_, i) => input(`record ${i}`));
    session.sendInputs(...inputs);
    session.halfClose();
    session.resume();
    const { acks, end } = await session.restOfAcks();
    expect(end).toBe('clean');
    expectContiguous(acks, Array(5_000).fill(1), 1);
  });
});

function good100(): Buffer {
  return Buffer.concat(Array.from({ length: 100 }, () => frame(encodeInput(input('maybe')))));
}
