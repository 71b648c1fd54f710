/** The library: a store in the test's own process, on a real data directory. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openTailrace, type RecordPage, type StreamRecord, type Tailrace } from '../../src/index.ts';
import { RECORD_METERED_BYTES_MAX } from '../../src/model/limits.ts';

let dataDir: string;
let store: Tailrace;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-store-'));
  store = await openTailrace({ dataDir, logLevel: 'error' });
});

afterEach(async () => {
  await store.close();
  await rm(dataDir, { recursive: true, force: true });
});

const record = (text: string) => ({ body: Buffer.from(text) });
const FROM_START = { start: { seqNum: 0 } } as const;

async function bodies(records: AsyncIterable<StreamRecord>): Promise<string[]> {
  const seen: string[] = [];
  for await (const { body } of records) seen.push(Buffer.from(body).toString());
  return seen;
}

describe('openTailrace', () => {
  test('appends, reads, trims, and finds everything again after a restart', async () => {
    const ack = await store.append('notes', [
      record('a'),
      record('b'),
      { ...record('c'), headers: [[Buffer.from('k'), Buffer.from('v')]] },
    ]);
    expect([ack.start.seqNum, ack.end.seqNum, ack.tail.seqNum]).toEqual([0, 3, 3]);
    await store.trim('notes', 1);
    await store.close();
    store = await openTailrace({ dataDir, logLevel: 'error' });
    expect(await bodies(store.read('notes', FROM_START))).toEqual(['b', 'c']);
    expect(await bodies(store.read('notes', { ...FROM_START, count: 1 }))).toEqual(['b']);
    expect(await bodies(store.read('notes'))).toEqual([]);
    expect(await bodies(store.read('notes', { start: { seqNum: 3 }, count: 5 }))).toEqual([]);
    expect((await store.checkTail('notes')).seqNum).toBe(3);
  });

  test('follows: it returns existing records, then new ones, until the loop is left', async () => {
    await store.append('notes', [record('before')]);
    const seen: string[] = [];
    for await (const { body } of store.follow('notes', FROM_START)) {
      seen.push(Buffer.from(body).toString());
      if (seen.length === 1) await store.append('notes', [record('after')]);
      if (seen.length === 2) break;
    }
    expect(seen).toEqual(['before', 'after']);
  });

  test('follows many streams as one, also those that are made meanwhile, with a filter or without', async () => {
    await store.append('a/1', [record('one'), record('two')]);
    await store.append('b', [record('other')]);
    const seen: string[] = [];
    for await (const { stream, seqNum, body } of store.followMany({ prefix: 'a/' }, { from: 'start' })) {
      seen.push(`${stream} ${seqNum} ${Buffer.from(body)}`);
      if (seen.length === 2) await store.append('a/2', [record('new')]);
      if (seen.length === 3) break;
    }
    expect(seen).toEqual(['a/1 0 one', 'a/1 1 two', 'a/2 0 new']);
    for await (const { stream, body } of store.followMany({ glob: '*' }, { from: 'start', filter: 'body~oth' })) {
      expect(`${stream} ${Buffer.from(body)}`).toBe('b other');
      break;
    }
    const wrong = store.followMany({ prefix: 'a', glob: 'b' } as never);
    await expect(wrong.next()).rejects.toMatchObject({ code: 'invalid' });
  });

  test('accepts OTLP in both encodings', async () => {
    const pb = await readFile(new URL('../fixtures/otlp/bench-512.pb', import.meta.url));
    const json = await readFile(new URL('../fixtures/otlp/bench-512.json', import.meta.url));
    expect(await store.ingestOtlp(pb, { signal: 'logs', contentType: 'application/x-protobuf' })).toMatchObject({
      accepted: 512,
      rejected: 0,
    });
    expect(await store.ingestOtlp(json, { signal: 'logs', contentType: 'application/json' })).toMatchObject({
      accepted: 512,
      rejected: 0,
    });
    const records = [];
    for await (const one of store.read('orders', FROM_START)) records.push(one);
    expect(records.map(({ seqNum }) => seqNum)).toEqual(Array.from({ length: 1_024 }, (_, i) => i));
    expect(records[512]?.headers.map(([name]) => Buffer.from(name).toString())).toEqual([
      'otel.signal',
      'content-type',
    ]);
  });

  test('appends a batch larger than a block at once; a record at the limit is accepted, one above it is not', async () => {
    const many = Array.from({ length: 5 }, () => ({ body: Buffer.alloc(500_000, 'x') }));
    expect((await store.append('large', many)).end.seqNum).toBe(5);
    await store.append('large', [{ body: Buffer.alloc(RECORD_METERED_BYTES_MAX - 8) }]);
    await expect(store.append('large', [{ body: Buffer.alloc(RECORD_METERED_BYTES_MAX - 7) }])).rejects.toMatchObject({
      code: 'invalid',
    });
    expect((await store.checkTail('large')).seqNum).toBe(6);
  });

  test.each([
    ['an empty append', () => store.append('x', []), 'invalid'],
    ['a bad name', () => store.append('', [record('x')]), 'invalid'],
    ['a stream that is not there', () => store.checkTail('ghost'), 'stream_not_found'],
    ['a second owner of the directory', () => openTailrace({ dataDir }), 'data_dir_in_use'],
    ['an unknown setting', () => openTailrace({ dataDir, colour: 'blue' } as object), 'config'],
  ])('refuses %s', async (_, call, code) => {
    await expect(call()).rejects.toMatchObject({ code });
  });

  test('rejects calls on a closed store', async () => {
    await store.close();
    await expect(store.append('x', [record('x')])).rejects.toMatchObject({ code: 'closed' });
  });
});

test('A store takes OTLP data into streams with a cipher, and returns it, with the key alone', async () => {
  const initFile = join(dataDir, 'init.json');
  const config = { stream_cipher: 'aes-256-gcm', create_stream_on_append: true, otlp_default_stream: 'sealed' };
  await writeFile(initFile, JSON.stringify({ basins: [{ name: 'telemetry', config }] }));
  const sealed = await openTailrace({ dataDir: join(dataDir, 'sealed'), initFile, logLevel: 'error' });
  const request = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityText":"hidden"}]}]}]}';
  const otlp = { signal: 'logs', contentType: 'application/json' } as const;
  const encryptionKey = Buffer.alloc(32, 1);
  try {
    expect(await sealed.ingestOtlp(request, otlp)).toMatchObject({ accepted: 0, rejected: 1 });
    expect(await sealed.ingestOtlp(request, { ...otlp, encryptionKey })).toMatchObject({ accepted: 1, rejected: 0 });
    const [body, ...more] = await bodies(sealed.read('sealed', { ...FROM_START, encryptionKey }));
    expect([body?.includes('hidden'), more]).toEqual([true, []]);
    await expect(bodies(sealed.read('sealed', FROM_START))).rejects.toMatchObject({ code: 'bad_header' });
    const invalid = sealed.ingestOtlp(request, { ...otlp, encryptionKey: 'text' as unknown as Uint8Array });
    await expect(invalid).rejects.toMatchObject({ code: 'invalid' });
  } finally {
    await sealed.close();
  }
});

describe('a store with several streams', () => {
  test('reads backwards and around a record, and lists its streams with what they hold', async () => {
    await store.append('notes', ['a', 'b', 'c', 'd', 'e'].map(record));
    await store.append('other', [record('x')]);
    const texts = ({ records }: RecordPage) => records.map(({ body }) => Buffer.from(body).toString());
    const last = await store.readBack('notes', { limit: 2 });
    expect([texts(last), last.nextBefore, last.nextSeqNum, last.isAtStart]).toEqual([['d', 'e'], 3, 5, false]);
    const older = await store.readBack('notes', { before: last.nextBefore, filter: '!body=b' });
    expect([texts(older), older.isAtStart]).toEqual([['a', 'c'], true]);
    expect(texts(await store.readAround('notes', 3, { context: 1 }))).toEqual(['c', 'd', 'e']);
    await expect(store.readAround('notes', 5)).rejects.toMatchObject({ code: 'range_not_satisfiable' });
    await store.trim('notes', 2);
    await expect(store.readAround('notes', 1)).rejects.toMatchObject({ code: 'not_found' });
    const streams = [];
    for await (const { name, figures } of store.streams())
      streams.push([name, figures?.records, figures?.metered_bytes]);
    expect(streams).toEqual([
      ['notes', 3, 45],
      ['other', 1, 9],
    ]);
  });
});
