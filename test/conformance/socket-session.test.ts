/** How a reader's connection lives: control frames, time, pace, and every way in which it ends. */

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import { s2Block } from '../support/socket-blocks.ts';
import { Reader } from '../support/socket-reader.ts';
import {
  behind,
  records,
  ScriptedLog,
  type ScriptedServer,
  startScriptedServer,
  TOKEN,
} from '../support/socket-script.ts';

const AUTH = { headers: { authorization: `Bearer ${TOKEN}` } };
const TAIL = { seqNum: 5, timestamp: 50 };
const DRAINING = new TailraceError('draining', 'the server is stopping');
const WIRE_TAIL = { seq_num: 5, timestamp: 50 };

let log: ScriptedLog;
let server: ScriptedServer;
let fatal: unknown[];
const readers: Reader[] = [];

function connect(query = 'seq_num=0', protocols: string | readonly string[] = 's2.json', options = {}): Reader {
  const reader = new Reader(`${server.url}?${query}`, protocols, { ...AUTH, ...options });
  readers.push(reader);
  return reader;
}

/** A reader that stands at the tail. */
async function caughtUp(options = {}): Promise<Reader> {
  log.push({ type: 'caught_up', tail: TAIL });
  const reader = connect('seq_num=5', 's2.json', options);
  await reader.until('caught_up');
  return reader;
}

beforeEach(async () => {
  log = new ScriptedLog();
  fatal = [];
  server = await startScriptedServer(log, { onFatal: (error) => fatal.push(error) });
});

afterEach(async () => {
  await Promise.all(readers.splice(0).map((reader) => reader.close()));
  await server.close();
});

describe('at the tail', () => {
  test('caught_up comes once, also when the reader falls behind and catches up again', async () => {
    const block = await s2Block([{ body: 'x' }]);
    log.push({ type: 'caught_up', tail: TAIL }, records(block), { type: 'caught_up', tail: TAIL }, 'end');
    const reader = connect();
    await reader.ended;
    expect(reader.got.map((frame) => (frame as { type: string }).type)).toEqual(['hello', 'caught_up', 'batch']);
    expect(reader.got[1]).toEqual({ type: 'caught_up', tail: WIRE_TAIL });
  });

  test('after 5 to 15 s without a word comes a heartbeat, and again', async () => {
    const reader = await caughtUp();
    server.clock.advance(4_999);
    expect(reader.got).toHaveLength(2);
    server.clock.advance(10_001);
    expect(await reader.next()).toEqual({ type: 'heartbeat', tail: WIRE_TAIL });
    server.clock.advance(15_000);
    expect(await reader.next()).toEqual({ type: 'heartbeat', tail: WIRE_TAIL });
  });

  test("a heartbeat's tail is exactly where the reader stands", async () => {
    const reader = await caughtUp();
    const block = await s2Block([{ body: 'a' }, { body: 'b' }], 5);
    log.push(records(block, behind(block)));
    const { next } = await reader.until('batch');
    server.clock.advance(15_000);
    expect(await reader.next()).toEqual({ type: 'heartbeat', tail: next });
  });

  test('a reader that is behind gets no heartbeat: it would claim a tail that it has not reached', async () => {
    const block = await s2Block([{ body: 'a' }]);
    log.push(records(block));
    const reader = connect();
    await reader.until('batch');
    server.clock.advance(60_000);
    log.push('end');
    await reader.ended;
    expect(reader.got).toHaveLength(2);
  });

  test('a gap is told', async () => {
    log.push({ type: 'gap', from: 0, to: 7 }, 'end');
    const reader = connect();
    await reader.ended;
    expect(reader.got[1]).toEqual({ type: 'gap', from: 0, to: 7 });
  });
});

describe('the end', () => {
  test.each([
    ['range_not_satisfiable', 4416],
    ['stream_not_found', 4404],
    ['stream_deletion_pending', 4409],
    ['storage', 1011],
    ['corrupt', 1011],
    ['overloaded', 1013],
    ['draining', 1012],
  ] as const)('%s is told, then closed with %i', async (code, closeCode) => {
    log.push(new TailraceError(code, 'because', { detail: { tail: TAIL } }));
    const reader = connect();
    expect((await reader.ended).code).toBe(closeCode);
    expect(reader.got[1]).toEqual({ type: 'error', code, message: 'because', tail: WIRE_TAIL });
  });

  test('a fault of ours is told without its text', async () => {
    log.push(new Error('secret of the house'));
    const reader = connect();
    expect((await reader.ended).code).toBe(1011);
    expect(reader.got[1]).toMatchObject({ type: 'error', code: 'internal' });
    expect(JSON.stringify(reader.got)).not.toContain('secret');
    expect(fatal).toEqual([]);
  });

  test('a failed assertion reaches whoever decides about the process', async () => {
    const assertion = new TailraceError('fatal', 'assertion failed: 1 = 2');
    log.push(assertion);
    expect((await connect().ended).code).toBe(1011);
    expect(fatal).toEqual([assertion]);
  });

  test('a reader that hangs up ends its read', async () => {
    const reader = await caughtUp();
    expect(server.readers.size).toBe(1);
    const gone = new Promise((resolve) => log.reads[0]?.signal.addEventListener('abort', resolve));
    await reader.close();
    await gone;
    expect(server.readers.size).toBe(0);
  });

  test('a stream that is another than the reader saw: hello, error, 4409', async () => {
    const reader = connect('seq_num=3&stream_id=6');
    expect((await reader.ended).code).toBe(4409);
    expect(reader.got).toEqual([
      expect.objectContaining({ type: 'hello', stream_id: '7' }),
      expect.objectContaining({ type: 'error', code: 'stream_replaced' }),
    ]);
    expect(log.reads).toEqual([]);
  });

  test('the same stream goes on', async () => {
    log.push('end');
    expect((await connect('seq_num=3&stream_id=7').ended).code).toBe(1000);
  });
});

describe('what a reader sends', () => {
  test('anything but close, ping and pong ends it with 4400', async () => {
    const reader = await caughtUp();
    reader.socket.send('{"hello":1}');
    expect((await reader.ended).code).toBe(4400);
    expect(reader.got.at(-1)).toMatchObject({ type: 'error', code: 'bad_request' });
  });

  test('a message beyond the limit ends it with 1009', async () => {
    const reader = await caughtUp();
    reader.socket.send(Buffer.alloc(65 * 1024));
    expect((await reader.ended).code).toBe(1009);
  });

  test('a ping is answered', async () => {
    const reader = await caughtUp();
    const pong = new Promise<Buffer>((resolve) => reader.socket.once('pong', resolve));
    reader.socket.ping('abc');
    expect((await pong).toString()).toBe('abc');
  });

  test('its own close is answered', async () => {
    const reader = await caughtUp();
    reader.socket.close(1000);
    expect((await reader.ended).code).toBe(1000);
  });
});

describe('a reader that is gone', () => {
  test('is asked for a sign of life every 30 s', async () => {
    const reader = await caughtUp();
    const ping = new Promise((resolve) => reader.socket.once('ping', resolve));
    server.clock.advance(30_000);
    await ping;
  });

  test('is let go when it gives none', async () => {
    const reader = await caughtUp({ autoPong: false });
    // Its socket takes heartbeats, which is a sign of life; so time must pass at once.
    server.clock.advance(601_000);
    server.clock.advance(601_000);
    await reader.ended;
    expect(server.readers.size).toBe(0);
  });
});

describe('back-pressure', () => {
  test('a reader that does not read is asked no more; others are not held up; it gets all once it reads', async () => {
    const blocks = 64;
    const slow = connect('seq_num=0', 's2.proto');
    await slow.until('hello');
    slow.socket.pause();
    const fast = connect('seq_num=0', 's2.proto');
    await fast.until('hello');
    for (let i = 0; i < blocks; i++) {
      const block = await s2Block([{ body: Buffer.alloc(1024 * 1024 - 8, i) }], i);
      log.push(records(block));
    }
    await fast.nextOf(blocks);
    expect(log.reads.map((read) => read.taken)).toEqual([expect.any(Number), blocks]);
    expect(log.reads[0]?.taken).toBeLessThan(blocks / 2);
    slow.socket.resume();
    const frames = (await slow.nextOf(blocks)) as Buffer[];
    expect(frames.map((frame) => frame.at(-1))).toEqual(Array.from({ length: blocks }, (_, i) => i));
  });
});

describe('when the server stops', () => {
  test('every reader is told and closed with 1012, and new ones are refused', async () => {
    log.push({ type: 'caught_up', tail: TAIL });
    const both = [connect('', 's2.json'), connect('', 'otlp.proto')];
    for (const reader of both) await reader.until('caught_up');
    await server.readers.finish(DRAINING);
    for (const reader of both) {
      expect((await reader.ended).code).toBe(1012);
      expect(reader.got.at(-1)).toMatchObject({ type: 'error', code: 'draining' });
    }
    const { status, headers } = await connect().refused;
    expect([status, headers['retry-after']]).toEqual([503, '1']);
  });

  test('a reader that does not read holds no other up', async () => {
    const reader = connect('seq_num=0', 's2.proto');
    await reader.until('hello');
    reader.socket.pause();
    for (let i = 0; i < 24; i++) log.push(records(await s2Block([{ body: Buffer.alloc(1024 * 1024 - 8) }], i)));
    const drained = server.readers.finish(DRAINING);
    server.clock.advance(2_000);
    await drained;
    expect(server.readers.size).toBe(0);
  });

  test('close may come twice, and cuts what is left', async () => {
    const reader = await caughtUp();
    await Promise.all([server.readers.close(), server.readers.close()]);
    expect((await reader.ended).code).toBe(1006);
  });
});
