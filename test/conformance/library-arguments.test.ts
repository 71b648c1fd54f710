/** What the library makes of arguments: texts are UTF-8, and a wrong one is refused without hurting the store. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fenceRecord, openTailrace, type StreamRecord, type Tailrace, trimRecord } from '../../src/index.ts';

let dataDir: string;
let store: Tailrace;
/** Faults that would close the store. */
const fatal: unknown[] = [];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-arguments-'));
  const clock = { now: () => 5_000, monotonicMs: () => performance.now(), timer: () => () => {} };
  store = await openTailrace({ dataDir, logLevel: 'silent' }, { clock, onFatal: (error) => fatal.push(error) });
});

afterAll(async () => {
  await store.close();
  await rm(dataDir, { recursive: true, force: true });
});

const FROM_START = { start: { seqNum: 0 } } as const;
const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString();

async function all(records: AsyncIterable<StreamRecord>): Promise<StreamRecord[]> {
  const seen: StreamRecord[] = [];
  for await (const record of records) seen.push(record);
  return seen;
}

describe('bytes', () => {
  test('texts are stored as UTF-8, in bodies and in names and values of headers', async () => {
    await store.append('texts', [
      { body: 'grüße \u{1f600}', headers: [['naïve', 'ключ']] },
      { body: '' },
      { body: new Uint8Array([0, 0xff]), headers: [[Buffer.from('k'), 'v']] },
    ]);
    const [first, second, third] = await all(store.read('texts', FROM_START));
    expect(textOf(first?.body ?? new Uint8Array())).toBe('grüße \u{1f600}');
    expect(first?.headers.map((header) => header.map(textOf))).toEqual([['naïve', 'ключ']]);
    expect(second?.body).toEqual(Buffer.alloc(0));
    expect(third).toMatchObject({ body: Buffer.from([0, 0xff]), headers: [[Buffer.from('k'), Buffer.from('v')]] });
  });

  test('what was read can be appended as it is, and a caller may use its buffers again at once', async () => {
    const body = Buffer.from('mine');
    const appended = store.append('again', [{ body }]);
    body.fill(0);
    await appended;
    await store.append('again', await all(store.read('again', FROM_START)));
    expect((await all(store.read('again', FROM_START))).map((record) => textOf(record.body))).toEqual(['mine', 'mine']);
  });

  test('a text is taken for a request of OTLP too', async () => {
    const logRecords = [{ body: { stringValue: 'grüße' } }];
    const request = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
    expect(await store.ingestOtlp(request, { signal: 'logs', contentType: 'application/json' })).toMatchObject({
      accepted: 1,
    });
  });
});

describe('conditions, commands and timestamps', () => {
  test('an append that must get a sequence number is refused when it would get another', async () => {
    expect((await store.append('matched', [{ body: 'a' }], { matchSeqNum: 0 })).end.seqNum).toBe(1);
    await expect(store.append('matched', [{ body: 'b' }], { matchSeqNum: 0 })).rejects.toMatchObject({
      code: 'seq_num_mismatch',
      detail: { seqNum: 1 },
    });
    expect((await store.checkTail('matched')).seqNum).toBe(1);
  });

  test('fence and trim records are commands, also in a batch of several blocks', async () => {
    const large = { body: new Uint8Array(700_000) };
    await store.append('fenced', [large, large, fenceRecord('me'), large, trimRecord(2)]);
    await expect(store.append('fenced', [{ body: 'x' }], { fencingToken: 'you' })).rejects.toMatchObject({
      code: 'fencing_token_mismatch',
      detail: { fencingToken: 'me' },
    });
    expect((await store.append('fenced', [{ body: 'x' }], { fencingToken: 'me', matchSeqNum: 5 })).end.seqNum).toBe(6);
    expect((await all(store.read('fenced', FROM_START))).map(({ seqNum }) => seqNum)).toEqual([2, 3, 4, 5]);
  });

  test('timestamps are those of the records', async () => {
    await store.append('timed', [{ body: 'a', timestamp: 0 }, { body: 'b', timestamp: 4_000 }, { body: 'c' }]);
    expect((await all(store.read('timed', FROM_START))).map(({ timestamp }) => timestamp)).toEqual([0, 4_000, 5_000]);
  });

  test('a header without a name that is no command is refused', async () => {
    await expect(store.append('odd', [{ body: 'x', headers: [['', 'erase']] }])).rejects.toMatchObject({
      code: 'invalid',
    });
    await expect(store.checkTail('odd')).rejects.toMatchObject({ code: 'stream_not_found' });
  });
});

/** Calls as JavaScript allows them, with whatever a program may pass by mistake. */
type Anything = ReturnType<typeof JSON.parse>;
const record = (body: Anything) => [{ body }];
const OTLP = { signal: 'logs', contentType: 'application/json' };
const first = (records: AsyncIterable<unknown>) => records[Symbol.asyncIterator]().next();

const WRONG: readonly (readonly [what: string, call: (any: Anything) => unknown])[] = [
  ['a number as a body', (any) => any.append('w', record(42))],
  ['a record without a body', (any) => any.append('w', [{}])],
  ['null as a body', (any) => any.append('w', record(null))],
  ['an array as a body', (any) => any.append('w', record([1, 2]))],
  ['a typed array of other numbers', (any) => any.append('w', record(new Uint16Array([1, 2])))],
  ['an ArrayBuffer as a body', (any) => any.append('w', record(new ArrayBuffer(2)))],
  ['a DataView as a body', (any) => any.append('w', record(new DataView(new ArrayBuffer(2))))],
  ['an object with a length as a body', (any) => any.append('w', record({ length: 3 }))],
  ['a hole in the records', (any) => any.append('w', new Array(2))],
  ['null as a record', (any) => any.append('w', [null])],
  ['a text as a record', (any) => any.append('w', ['text'])],
  ['one record instead of a list', (any) => any.append('w', { body: 'x' })],
  ['no records', (any) => any.append('w')],
  ['headers that are an object', (any) => any.append('w', [{ body: 'x', headers: { k: 'v' } }])],
  ['a header of three', (any) => any.append('w', [{ body: 'x', headers: [['k', 'v', 'w']] }])],
  ['a header that is a text', (any) => any.append('w', [{ body: 'x', headers: ['kv'] }])],
  ['a header with a number', (any) => any.append('w', [{ body: 'x', headers: [['k', 1]] }])],
  ['a fraction as a timestamp', (any) => any.append('w', [{ body: 'x', timestamp: 1.5 }])],
  ['NaN as a timestamp', (any) => any.append('w', [{ body: 'x', timestamp: Number.NaN }])],
  ['a Date as a timestamp', (any) => any.append('w', [{ body: 'x', timestamp: new Date() }])],
  ['a negative timestamp', (any) => any.append('w', [{ body: 'x', timestamp: -1 }])],
  ['a timestamp just over 2^53 - 1', (any) => any.append('w', [{ body: 'x', timestamp: 2 ** 53 }])],
  ['NaN as a condition', (any) => any.append('w', record('x'), { matchSeqNum: Number.NaN })],
  ['a number as a fencing token', (any) => any.append('w', record('x'), { fencingToken: 7 })],
  ['a fencing token of 37 bytes', (any) => any.append('w', record('x'), { fencingToken: 'x'.repeat(37) })],
  ['a misspelt condition', (any) => any.append('w', record('x'), { matchSeqnum: 0 })],
  ['options that are no object', (any) => any.append('w', record('x'), 7)],
  ['a number as a name', (any) => any.append(7, record('x'))],
  ['no name', (any) => any.append(undefined, record('x'))],
  ['a command to fence with a number', () => fenceRecord(7 as Anything)],
  ['a command to trim to a fraction', () => trimRecord(1.5)],
  ['a command to trim to a negative number', () => trimRecord(-1)],
  ['a number as a request', (any) => any.ingestOtlp(42, OTLP)],
  ['an object as a request', (any) => any.ingestOtlp({ resourceLogs: [] }, OTLP)],
  ['a request without options', (any) => any.ingestOtlp('{}')],
  ['an unknown signal', (any) => any.ingestOtlp('{}', { ...OTLP, signal: 'profiles' })],
  ['an unknown content type', (any) => any.ingestOtlp('{}', { ...OTLP, contentType: 'text/plain' })],
  ['a read of a number', (any) => first(any.read(7))],
  ['a start that is a number', (any) => first(any.read('there', { start: 0 }))],
  ['a start without a position', (any) => first(any.read('there', { start: {} }))],
  ['a start of two positions', (any) => first(any.read('there', { start: { seqNum: 0, timestamp: 1 } }))],
  ['a start at a text', (any) => first(any.read('there', { start: { seqNum: '0' } }))],
  ['a start at NaN', (any) => first(any.follow('there', { start: { timestamp: Number.NaN } }))],
  ['a negative count', (any) => first(any.read('there', { count: -1 }))],
  ['a fraction of bytes', (any) => first(any.read('there', { bytes: 0.5 }))],
  ['a text as an end', (any) => first(any.follow('there', { until: 'now' }))],
  ['a signal that is none', (any) => first(any.follow('there', { signal: {} }))],
  ['an unknown option of a read', (any) => first(any.read('there', { from: 0 }))],
  ['null as the options of a read', (any) => first(any.read('there', null))],
  ['a trim to a text', (any) => any.trim('there', '1')],
  ['a trim to nothing', (any) => any.trim('there')],
  ['a trim to a bigint', (any) => any.trim('there', 1n)],
  ['a trim to a negative number', (any) => any.trim('there', -1)],
  ['a tail of a number', (any) => any.checkTail(7)],
];

describe('a wrong argument', () => {
  beforeAll(async () => {
    await store.append('there', record('x'));
  });

  test.each(WRONG)('%s is invalid for that call alone', async (_, call) => {
    const outcome = (async () => call(store))();
    await expect(outcome).rejects.toMatchObject({ name: 'TailraceError', code: 'invalid' });
    expect(fatal).toEqual([]);
    await store.append('there', record('still there'));
    await expect(store.checkTail('w')).rejects.toMatchObject({ code: 'stream_not_found' });
  });

  test.each([
    ['options that are null', () => openTailrace(null as Anything)],
    ['a number as the directory', () => openTailrace({ dataDir: 42 } as Anything)],
    ['parts that are null', () => openTailrace({}, null as Anything)],
    ['a logger that cannot log', () => openTailrace({ dataDir: join(dataDir, 'none') }, { logger: {} as Anything })],
    ['a clock that has no time', () => openTailrace({ dataDir: join(dataDir, 'none') }, { clock: {} as Anything })],
    ['a part that is none', () => openTailrace({ dataDir: join(dataDir, 'none') }, { log: {} } as Anything)],
  ])('%s is refused before anything is opened', async (_, call) => {
    await expect(call()).rejects.toMatchObject({ name: 'TailraceError', code: 'config' });
  });
});
