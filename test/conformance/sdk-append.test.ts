/** Appends with the official SDK: acks, conditions, commands, timestamps, bodies of every kind, creation on append. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AppendInput, AppendRecord, type S2, type S2Basin, type S2Stream } from '@s2-dev/streamstore';
import { failureOf, sdkOf, textBatch } from '../support/sdk.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let s2: S2;
let basin: S2Basin;

beforeAll(async () => {
  server = await startServer();
  s2 = sdkOf(server);
  await s2.basins.create({ basin: 'append-basin' });
  basin = s2.basin('append-basin');
});

afterAll(async () => {
  await server.stop();
});

async function created(stream: string, config = {}): Promise<S2Stream> {
  await basin.streams.create({ stream, config });
  return basin.stream(stream);
}

async function bodies(stream: S2Stream): Promise<string[]> {
  const { tail } = await stream.checkTail();
  if (tail.seqNum === 0) return [];
  return (await stream.read({ start: { from: { seqNum: 0 } } })).records.map(({ body }) => body);
}

describe('acks', () => {
  test('have the position of their batch, and the tail is updated at once', async () => {
    const stream = await created('acks');
    const first = await stream.append(textBatch(['a', 'b', 'c']));
    expect([first.start.seqNum, first.end.seqNum, first.tail.seqNum]).toEqual([0, 3, 3]);
    const second = await stream.append(textBatch(['d']));
    expect([second.start.seqNum, second.end.seqNum, second.tail.seqNum]).toEqual([3, 4, 4]);
    expect((await stream.checkTail()).tail).toEqual(second.tail);
    expect(await bodies(stream)).toEqual(['a', 'b', 'c', 'd']);
  });

  test('of a hundred concurrent appends cover the stream without gaps, each batch contiguous', async () => {
    const stream = await created('concurrent');
    const batches = Array.from({ length: 100 }, (_, i) => Array.from({ length: 1 + (i % 7) }, (_x, j) => `${i}.${j}`));
    const acks = await Promise.all(batches.map((batch) => stream.append(textBatch(batch))));
    const { records } = await stream.read({ start: { from: { seqNum: 0 } } });
    expect(records.map(({ seqNum }) => seqNum)).toEqual(records.map((_, i) => i));
    expect(records).toHaveLength(batches.flat().length);
    for (const [i, ack] of acks.entries()) {
      const stored = records.slice(ack.start.seqNum, ack.end.seqNum).map(({ body }) => body);
      expect(stored).toEqual(batches[i]);
      expect(ack.tail.seqNum).toBeGreaterThanOrEqual(ack.end.seqNum);
    }
  });
});

describe('conditions', () => {
  test('of match_seq_num hold for 0 and the next number; any other is told the right one and leaves nothing', async () => {
    const stream = await created('matched');
    await stream.append(textBatch(['a', 'b'], { matchSeqNum: 0 }));
    expect((await stream.append(textBatch(['c'], { matchSeqNum: 2 }))).end.seqNum).toBe(3);
    for (const matchSeqNum of [0, 2, 4]) {
      expect(await failureOf(stream.append(textBatch(['x'], { matchSeqNum })))).toMatchObject({
        name: 'SeqNumMismatchError',
        status: 412,
        expectedSeqNum: 3,
      });
    }
    expect(await bodies(stream)).toEqual(['a', 'b', 'c']);
  });

  test('are met by one of many concurrent appends for the same position', async () => {
    const stream = await created('contended');
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => stream.append(textBatch([`${i}`], { matchSeqNum: 0 }))),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const answer of answers) {
      if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ status: 412, expectedSeqNum: 1 });
    }
    expect((await stream.checkTail()).tail.seqNum).toBe(1);
  });

  test('of a fence hold for later batches that send a token, and the fence can be changed and removed', async () => {
    const stream = await created('fenced');
    await stream.append(AppendInput.create([AppendRecord.fence('one')], { fencingToken: '' }));
    await stream.append(textBatch(['a'], { fencingToken: 'one' }));
    await stream.append(textBatch(['without']));
    for (const fencingToken of ['', 'two']) {
      expect(await failureOf(stream.append(textBatch(['x'], { fencingToken })))).toMatchObject({
        name: 'FencingTokenMismatchError',
        status: 412,
        expectedFencingToken: 'one',
      });
    }
    await stream.append(AppendInput.create([AppendRecord.fence('two')], { fencingToken: 'one' }));
    expect(await failureOf(stream.append(textBatch(['x'], { fencingToken: 'one' })))).toMatchObject({
      expectedFencingToken: 'two',
    });
    await stream.append(AppendInput.create([AppendRecord.fence('')]));
    await stream.append(textBatch(['b'], { fencingToken: '' }));
    expect(await bodies(stream)).toEqual(['one', 'a', 'without', 'two', '', 'b']);
  });

  test('report a wrong token before a wrong number', async () => {
    const stream = await created('both');
    await stream.append(AppendInput.create([AppendRecord.fence('one')]));
    const failure = failureOf(stream.append(textBatch(['x'], { fencingToken: 'two', matchSeqNum: 9 })));
    expect(await failure).toMatchObject({ expectedFencingToken: 'one' });
  });
});

describe('commands', () => {
  test('are returned to readers as records, or left out on request', async () => {
    const stream = await created('commands');
    await stream.append(
      AppendInput.create([AppendRecord.string({ body: 'a' }), AppendRecord.fence('t'), AppendRecord.trim(0)]),
    );
    const all = await stream.read({ start: { from: { seqNum: 0 } } });
    expect(all.records.map(({ headers }) => headers)).toEqual([[], [['', 'fence']], [['', 'trim']]]);
    const data = await stream.read({ start: { from: { seqNum: 0 } }, ignoreCommandRecords: true });
    expect(data.records.map(({ body }) => body)).toEqual(['a']);
  });

  test('to trim remove the records before them, never backwards and never past themselves; numbers continue', async () => {
    const stream = await created('trimmed');
    await stream.append(textBatch(['0', '1', '2', '3', '4']));
    await stream.append(AppendInput.create([AppendRecord.trim(3)]));
    expect((await stream.read({ start: { from: { seqNum: 0 } } })).records.map(({ seqNum }) => seqNum)).toEqual([
      3, 4, 5,
    ]);
    await stream.append(AppendInput.create([AppendRecord.trim(1)]));
    expect((await stream.read({ start: { from: { seqNum: 0 } } })).records[0]?.seqNum).toBe(3);
    const ack = await stream.append(AppendInput.create([AppendRecord.trim(Number.MAX_SAFE_INTEGER)]));
    expect(ack.end.seqNum).toBe(8);
    expect((await stream.read({ start: { from: { seqNum: 0 } } })).records).toEqual([]);
    expect((await stream.append(textBatch(['5']))).start.seqNum).toBe(8);
    expect((await stream.read({ start: { from: { seqNum: 0 } } })).records.map(({ seqNum }) => seqNum)).toEqual([8]);
  });

  test.each([
    ['an unknown command', [AppendRecord.string({ body: 'x', headers: [['', 'dance']] })]],
    [
      'an empty name among others',
      [
        AppendRecord.string({
          body: 'x',
          headers: [
            ['', 'fence'],
            ['a', 'b'],
          ],
        }),
      ],
    ],
    ['a token that is too long', [AppendRecord.string({ body: 'x'.repeat(37), headers: [['', 'fence']] })]],
    ['a trim that is too short', [AppendRecord.string({ body: 'x', headers: [['', 'trim']] })]],
    [
      'a good record before a bad one',
      [AppendRecord.string({ body: 'good' }), AppendRecord.string({ body: 'x', headers: [['', 'y']] })],
    ],
  ])('are refused and leave nothing: %s', async (name, records) => {
    const stream = await created(`refused: ${name}`);
    expect(await failureOf(stream.append(AppendInput.create(records)))).toMatchObject({ status: 422, code: 'invalid' });
    expect((await stream.checkTail()).tail.seqNum).toBe(0);
  });
});

describe('bodies and headers', () => {
  const every = Uint8Array.from({ length: 256 }, (_, i) => i);

  test('are returned byte for byte for text and bytes in one batch, in both formats', async () => {
    const stream = await created('mixed');
    await stream.append(
      AppendInput.create([
        AppendRecord.string({ body: 'grüße \u{1f600}', headers: [['naïve', 'ключ']] }),
        AppendRecord.bytes({ body: every, headers: [[every.slice(1), every]] }),
        AppendRecord.string({ body: '' }),
      ]),
    );
    const { records } = await stream.read({ start: { from: { seqNum: 0 } } }, { as: 'bytes' });
    expect(records.map(({ body }) => Buffer.from(body).toString('hex'))).toEqual([
      Buffer.from('grüße \u{1f600}').toString('hex'),
      Buffer.from(every).toString('hex'),
      '',
    ]);
    expect(records[1]?.headers.map((pair) => pair.map((side) => Buffer.from(side).toString('hex')))).toEqual([
      [Buffer.from(every.slice(1)).toString('hex'), Buffer.from(every).toString('hex')],
    ]);
    const text = (await stream.read({ start: { from: { seqNum: 0 } } })).records;
    expect(text[0]).toMatchObject({ body: 'grüße \u{1f600}', headers: [['naïve', 'ключ']] });
    expect(text[1]?.body).toBe(Buffer.from(every).toString());
    expect(text[2]).toMatchObject({ body: '', headers: [] });
  });

  test('keep the order of headers, which may repeat', async () => {
    const stream = await created('headers');
    const headers = [
      ['b', '1'],
      ['a', '2'],
      ['b', '3'],
      ['c', ''],
    ] as const;
    await stream.append(AppendInput.create([AppendRecord.string({ body: 'x', headers })]));
    expect((await stream.read({ start: { from: { seqNum: 0 } } })).records[0]?.headers).toEqual(headers);
  });

  test('may hold a record of exactly 1 MiB, text full of escapes, and 1,000 records', async () => {
    const stream = await created('largest');
    const size = AppendRecord.maxBodyBytes();
    await stream.append(AppendInput.create([AppendRecord.bytes({ body: new Uint8Array(size).fill(7) })]));
    await stream.append(textBatch(['\u0001"\\'.repeat(Math.floor(size / 3))]));
    await stream.append(textBatch(Array.from({ length: 1_000 }, (_, i) => String(i))));
    expect((await stream.checkTail()).tail.seqNum).toBe(1_002);
    const { records } = await stream.read({ start: { from: { seqNum: 1 } }, stop: { limits: { count: 1 } } });
    expect(records[0]?.body === '\u0001"\\'.repeat(Math.floor(size / 3))).toBe(true);
  });
});

describe('timestamps', () => {
  const past = 1_700_000_000_000;

  test('of the client are kept, capped when in the future, and never go back', async () => {
    const stream = await created('client-prefer');
    const future = Date.now() + 60_000;
    const ack = await stream.append(
      AppendInput.create([
        AppendRecord.string({ body: 'past', timestamp: past }),
        AppendRecord.string({ body: 'earlier', timestamp: past - 5 }),
        AppendRecord.string({ body: 'future', timestamp: future }),
      ]),
    );
    expect(ack.start.timestamp.getTime()).toBe(past);
    const times = (await stream.read({ start: { from: { seqNum: 0 } } })).records.map(({ timestamp }) => +timestamp);
    expect(times.slice(0, 2)).toEqual([past, past]);
    expect(times[2]).toBeLessThan(future);
    expect(ack.end.timestamp.getTime()).toBe(times[2]);
  });

  test('of the future are kept when uncapped, and later records have at least that time', async () => {
    const stream = await created('uncapped', { timestamping: { uncapped: true } });
    const future = Date.now() + 3_600_000;
    await stream.append(AppendInput.create([AppendRecord.string({ body: 'f', timestamp: future })]));
    expect((await stream.append(textBatch(['now']))).end.timestamp.getTime()).toBe(future);
  });

  test('are ignored in arrival mode and required in client-require mode', async () => {
    const arrival = await created('arrival', { timestamping: { mode: 'arrival' } });
    const ack = await arrival.append(AppendInput.create([AppendRecord.string({ body: 'a', timestamp: past })]));
    expect(ack.end.timestamp.getTime()).toBeGreaterThan(past);
    const required = await created('client-require', { timestamping: { mode: 'client-require' } });
    expect(await failureOf(required.append(textBatch(['none'])))).toMatchObject({
      status: 422,
      code: 'invalid',
      message: expect.stringContaining('record timestamp was required but was missing'),
    });
    await required.append(AppendInput.create([AppendRecord.string({ body: 'some', timestamp: past })]));
    expect(await bodies(required)).toEqual(['some']);
  });
});

describe('creation on append', () => {
  test('makes the stream with the first append, with the config of the append', async () => {
    const defaultStreamConfig = { retentionPolicy: { ageSecs: 90 }, timestamping: { mode: 'arrival' as const } };
    await s2.basins.create({ basin: 'making-basin', config: { createStreamOnAppend: true, defaultStreamConfig } });
    const making = s2.basin('making-basin');
    const streamConfig = { timestamping: { uncapped: true } };
    const acks = await Promise.all(
      ['a', 'b', 'c'].map((body) => making.stream('made/by append').append(textBatch([body], { streamConfig }))),
    );
    expect(acks.map(({ start }) => start.seqNum).sort()).toEqual([0, 1, 2]);
    const stored = { retentionPolicy: { ageSecs: 90 }, timestamping: { mode: 'arrival', uncapped: true } };
    expect(await making.streams.getConfig({ stream: 'made/by append' })).toMatchObject(stored);
    const ignored = { retentionPolicy: { infinite: {} } };
    await making.stream('made/by append').append(textBatch(['d'], { streamConfig: ignored }));
    expect(await making.streams.getConfig({ stream: 'made/by append' })).toMatchObject(stored);
    expect(await failureOf(making.stream('only read').read())).toMatchObject({ status: 404, code: 'stream_not_found' });
  });
});
