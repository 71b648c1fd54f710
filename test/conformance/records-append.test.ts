/** Unary appends: acks, what a batch may be, conditions, commands, and which fault of a call wins. */

import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { call } from '../support/http-call.ts';
import { codeOf, type JsonAck, outcome, RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let s2: RecordsClient;

beforeAll(async () => {
  server = await startServer();
  s2 = new RecordsClient(server);
});

afterAll(async () => {
  await server.stop();
});

const command = (name: string, body: string) => ({ headers: [['', name]], body });
/** Metered bytes: 8 for a record without headers. */
const sized = (bytes: number) => ({ body: 'x'.repeat(bytes - 8) });
const MiB = 1_048_576;

describe('acks', () => {
  test('are contiguous, and count from 0', async () => {
    const before = Date.now();
    const first = await s2.texts('acks', 'a', 'b');
    const second = await s2.texts('acks', 'c');
    expect([first.start.seq_num, first.end.seq_num, first.tail.seq_num]).toEqual([0, 2, 2]);
    expect([second.start.seq_num, second.end.seq_num, second.tail.seq_num]).toEqual([2, 3, 3]);
    for (const { start, end, tail } of [first, second]) {
      expect(start.timestamp).toBeGreaterThanOrEqual(before);
      expect(end.timestamp).toBeGreaterThanOrEqual(start.timestamp);
      expect(tail.timestamp).toBe(end.timestamp);
      expect(end.timestamp).toBeLessThanOrEqual(Date.now());
    }
    expect(await s2.tail('acks')).toEqual([200, { tail: second.tail }]);
    expect(await s2.bodies('acks')).toEqual(['a', 'b', 'c']);
  });

  test('of concurrent appenders do not overlap, and each batch is contiguous', async () => {
    const batches = Array.from({ length: 40 }, (_, i) => [`${i}.0`, `${i}.1`, `${i}.2`]);
    const acks = await Promise.all(batches.map((bodies) => s2.texts('crowd', ...bodies)));
    const starts = acks.map(({ start }) => start.seq_num).sort((a, b) => a - b);
    expect(starts).toEqual(batches.map((_, i) => 3 * i));
    const found = await s2.bodies('crowd');
    for (const [i, ack] of acks.entries()) {
      expect(found.slice(ack.start.seq_num, ack.end.seq_num)).toEqual(batches[i]);
    }
  });

  test('are protobuf when protobuf is accepted first, and JSON otherwise', async () => {
    const one = JSON.stringify({ records: [{ body: 'x' }] });
    for (const accept of ['application/protobuf', 'application/x-protobuf;q=1, */*', ' Application/Protobuf ']) {
      const answer = await s2.post('accepts', one, { accept });
      expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/protobuf']);
      expect(answer.body[0]).toBe(0x0a);
    }
    for (const accept of ['*/*', 'application/json, application/protobuf', 'text/html', '']) {
      const answer = await s2.post('accepts', one, { accept });
      expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json']);
      expect(JSON.parse(answer.body.toString())).toHaveProperty('start.seq_num');
    }
  });
});

describe('a body', () => {
  test.each([
    'application/json',
    'Application/JSON; charset=utf-8',
    'application/vnd.s2+json',
    'application/json, x/y',
  ])('of type %s is JSON', async (type) => {
    const answer = await s2.post('types', '{"records":[{"body":"x"}]}', { 'content-type': type });
    expect(answer.status).toBe(200);
  });

  test.each(['text/plain', 'application/octet-stream', 'application/jsonx', 'x, application/json', ''])(
    'of type %j is refused',
    async (type) => {
      const answer = await s2.post('types', '{"records":[{"body":"x"}]}', { 'content-type': type });
      expect(codeOf(outcome(answer))).toEqual([400, 'bad_json']);
    },
  );

  test('without a content type is refused', async () => {
    const answer = await call(server.port, { path: s2.path('types'), headers: s2.headers(), body: '{"records":[{}]}' });
    expect(codeOf(outcome(answer))).toEqual([400, 'bad_json']);
  });

  test.each([
    ['no JSON', '{', 'bad_json', 400],
    ['a wrong type', '{"records":[{"body":null}]}', 'bad_json', 400],
    ['headers null', '{"records":[{"headers":null}]}', 'bad_json', 400],
    ['a header of three', '{"records":[{"headers":[["a","b","c"]]}]}', 'bad_json', 400],
    ['a fraction', '{"records":[{"timestamp":1.5}]}', 'bad_json', 400],
    ['a timestamp above 2^53 - 1', '{"records":[{"timestamp":9007199254740992}]}', 'invalid', 422],
    ['no records', '{"records":[]}', 'invalid', 422],
  ])('is refused: %s', async (_what, body, code, status) => {
    expect(codeOf(outcome(await s2.post('refused', body)))).toEqual([status, code]);
  });

  test('in base64 holds any bytes', async () => {
    const headers = { 's2-format': 'base64' };
    const records = [{ headers: [['/w==', 'AAE=']], body: 'AP/+' }];
    expect((await s2.append('bytes', { records }, headers))[0]).toBe(200);
    expect((await s2.batch('bytes', '?seq_num=0', headers)).records).toMatchObject(records);
    const [status, body] = await s2.append('bytes', { records: [{ body: 'AP/' }] }, headers);
    expect([status, body]).toEqual([422, { code: 'invalid', message: expect.stringContaining('invalid Base64') }]);
  });

  test.each([
    ['raw', 'eA=='],
    ['json', 'eA=='],
    [' base64 ', 'x'],
    ['json-binsafe', 'x'],
  ])('is read by S2-Format %j', async (format, body) => {
    const ack = (await s2.append('formats', { records: [{ body: 'eA==' }] }, { 's2-format': format }))[1] as JsonAck;
    expect(await s2.bodies('formats', `?seq_num=${ack.start.seq_num}`)).toEqual([body]);
  });

  test.each(['binary', '', 'raw, raw', 'base64url'])('is refused with S2-Format %j', async (format) => {
    const outcomes = [
      await s2.append('formats', { records: [{ body: 'x' }] }, { 's2-format': format }),
      await s2.read('formats', '?seq_num=0', { 's2-format': format, accept: 'application/protobuf' }),
    ];
    for (const refused of outcomes) expect(codeOf(refused)).toEqual([400, 'bad_header']);
  });

  test('in protobuf ignores S2-Format', async () => {
    const headers = { 'content-type': 'application/protobuf', 's2-format': 'nonsense' };
    expect((await s2.post('formats', Buffer.from('0a031a0178', 'hex'), headers)).status).toBe(200);
  });

  test('may be compressed, within the same limit', async () => {
    const packed = (body: string, encoding = 'gzip') =>
      s2.post('packed', gzipSync(body), { 'content-encoding': encoding });
    expect((await packed('{"records":[{"body":"a"}]}')).status).toBe(200);
    expect(await s2.bodies('packed')).toEqual(['a']);
    expect(codeOf(outcome(await packed(`{"records":[{}],"x":"${'y'.repeat(8 * MiB)}"}`)))).toEqual([400, 'bad_json']);
    expect((await packed('{"records":[{}]}', 'br')).status).toBe(415);
    expect(await s2.tail('packed')).toMatchObject([200, { tail: { seq_num: 1 } }]);
  });

  test('is refused above its limit', async () => {
    const long = `{"records":[{}],"x":"${'y'.repeat(8 * MiB)}"}`;
    expect(codeOf(outcome(await s2.post('long', long)))).toEqual([400, 'bad_json']);
    const proto = { 'content-type': 'application/protobuf' };
    const refused = outcome(await s2.post('long', Buffer.alloc(2 * MiB + 1, 0x0a), proto));
    expect(codeOf(refused)).toEqual([400, 'bad_proto']);
    expect(refused[1]).toHaveProperty('message', expect.stringContaining('length limit exceeded'));
    const legal = `{"records":[{"body":"a"}],"x":"${'y'.repeat(7 * MiB)}"}`;
    expect((await s2.post('long', legal)).status).toBe(200);
    expect(await s2.bodies('long')).toEqual(['a']);
  });
});

describe('the limits of a batch', () => {
  test('accept 1,000 records, and refuse 1,001', async () => {
    const records = Array.from({ length: 1_000 }, (_, i) => ({ body: String(i) }));
    const [status, ack] = await s2.append('thousand', { records });
    expect([status, ack]).toMatchObject([200, { start: { seq_num: 0 }, end: { seq_num: 1_000 } }]);
    const refused = await s2.append('thousand', { records: [...records, {}] });
    expect(refused).toMatchObject([422, { code: 'invalid', message: expect.stringContaining('1000 records') }]);
    expect(await s2.tail('thousand')).toMatchObject([200, { tail: { seq_num: 1_000 } }]);
  });

  test('accept a record of 1 MiB metered, and refuse one byte more', async () => {
    expect((await s2.append('mib', { records: [sized(MiB)] }))[0]).toBe(200);
    expect(codeOf(await s2.append('mib', { records: [sized(MiB + 1)] }))).toEqual([422, 'invalid']);
    const withHeader = { headers: [['é', 'b']], body: 'x'.repeat(MiB - 8 - 2 - 3) };
    expect((await s2.append('mib', { records: [withHeader] }))[0]).toBe(200);
    expect(codeOf(await s2.append('mib', { records: [{ ...withHeader, body: `${withHeader.body}x` }] }))).toEqual([
      422,
      'invalid',
    ]);
    expect(await s2.tail('mib')).toMatchObject([200, { tail: { seq_num: 2 } }]);
  });

  test('are 1 MiB metered at most, in stored bytes', async () => {
    const half = MiB / 2;
    expect((await s2.append('halves', { records: [sized(half), sized(half)] }))[0]).toBe(200);
    expect(codeOf(await s2.append('halves', { records: [sized(half), sized(half + 1)] }))).toEqual([422, 'invalid']);
    const body = Buffer.alloc(half - 8).toString('base64');
    expect((await s2.append('halves', { records: [{ body }, { body }] }, { 's2-format': 'base64' }))[0]).toBe(200);
    const escapes = '\u0001'.repeat(MiB - 8);
    expect((await s2.append('halves', { records: [{ body: escapes }] }))[0]).toBe(200);
    expect((await s2.batch('halves', '?seq_num=4')).records[0]?.body).toBe(escapes);
  });
});

describe('a condition', () => {
  test('of match_seq_num is the next number, and 0 counts', async () => {
    const one = { records: [{ body: 'x' }] };
    expect((await s2.append('match', { ...one, match_seq_num: 0 }))[0]).toBe(200);
    expect(await s2.append('match', { ...one, match_seq_num: 0 })).toEqual([412, { seq_num_mismatch: 1 }]);
    expect(await s2.append('match', { ...one, match_seq_num: 2 })).toEqual([412, { seq_num_mismatch: 1 }]);
    expect((await s2.append('match', { ...one, match_seq_num: 1 }))[0]).toBe(200);
    expect((await s2.append('match', { ...one, match_seq_num: null }))[0]).toBe(200);
    expect(await s2.tail('match')).toMatchObject([200, { tail: { seq_num: 3 } }]);
  });

  test.each(['9007199254740992', '18446744073709551615'])('of match_seq_num %s is a mismatch', async (text) => {
    const answer = await s2.post('far', `{"records":[{}],"match_seq_num":${text}}`);
    expect(outcome(answer)).toEqual([412, { seq_num_mismatch: 0 }]);
  });

  test('of a fencing token is compared when it is given, and only then', async () => {
    const one = { records: [{ body: 'x' }] };
    expect((await s2.append('fenced', { ...one, fencing_token: '' }))[0]).toBe(200);
    expect(await s2.append('fenced', { ...one, fencing_token: 'a' })).toEqual([412, { fencing_token_mismatch: '' }]);
    expect((await s2.append('fenced', { records: [command('fence', 'a')] }))[0]).toBe(200);
    expect(await s2.append('fenced', { ...one, fencing_token: '' })).toEqual([412, { fencing_token_mismatch: 'a' }]);
    expect((await s2.append('fenced', { ...one, fencing_token: 'a' }))[0]).toBe(200);
    expect((await s2.append('fenced', one))[0]).toBe(200);
    // The batch with the command is checked against the token before it; of several in a batch the last counts.
    const fences = { records: [command('fence', 'b'), command('fence', 'ü')], fencing_token: 'a' };
    expect((await s2.append('fenced', fences))[0]).toBe(200);
    expect(await s2.append('fenced', fences)).toEqual([412, { fencing_token_mismatch: 'ü' }]);
    expect((await s2.append('fenced', { records: [command('fence', '')], fencing_token: 'ü' }))[0]).toBe(200);
    expect((await s2.append('fenced', { ...one, fencing_token: '' }))[0]).toBe(200);
  });

  test('of the token is checked before the number', async () => {
    const both = { records: [{}], match_seq_num: 7, fencing_token: 'no' };
    expect(await s2.append('both', both)).toEqual([412, { fencing_token_mismatch: '' }]);
  });

  test('of a token has 36 bytes at most', async () => {
    expect(codeOf(await s2.append('token', { records: [{}], fencing_token: 'é'.repeat(19) }))).toEqual([
      422,
      'invalid',
    ]);
    expect((await s2.append('token', { records: [command('fence', 'é'.repeat(18))] }))[0]).toBe(200);
    expect((await s2.append('token', { records: [{}], fencing_token: 'é'.repeat(18) }))[0]).toBe(200);
  });

  test('is met by only one of many concurrent appends', async () => {
    const tries = Array.from({ length: 20 }, (_, i) => ({ records: [{ body: String(i) }], match_seq_num: 0 }));
    const outcomes = await Promise.all(tries.map((input) => s2.append('race', input)));
    expect(outcomes.filter(([status]) => status === 200)).toHaveLength(1);
    for (const [status, body] of outcomes) if (status !== 200) expect(body).toEqual({ seq_num_mismatch: 1 });
    expect(await s2.bodies('race')).toHaveLength(1);
  });
});

describe('a command', () => {
  test.each([
    ['an unknown word', { headers: [['', 'freeze']] }],
    ['no word', { headers: [['', '']] }],
    [
      'an empty name among others',
      {
        headers: [
          ['a', 'b'],
          ['', 'fence'],
        ],
      },
    ],
    [
      'two empty names',
      {
        headers: [
          ['', 'fence'],
          ['', 'fence'],
        ],
      },
    ],
    ['a token of 37 bytes', { headers: [['', 'fence']], body: 'x'.repeat(37) }],
    ['a trim of 7 bytes', { headers: [['', 'trim']], body: '1234567' }],
    ['a trim of 9 bytes', { headers: [['', 'trim']], body: '123456789' }],
    ['a trim of nothing', { headers: [['', 'trim']] }],
  ])('with %s is invalid, and so is the whole batch with it', async (_what, record) => {
    expect(codeOf(await s2.append('commands', { records: [{ body: 'x' }, record] }))).toEqual([422, 'invalid']);
    // A stream is created only by a valid batch.
    expect((await s2.tail('commands'))[0]).toBe(404);
  });

  test('with a token that is not UTF-8 is invalid', async () => {
    const records = [{ headers: [['', Buffer.from('fence').toString('base64')]], body: '/w==' }];
    expect(codeOf(await s2.append('commands', { records }, { 's2-format': 'base64' }))).toEqual([422, 'invalid']);
  });

  test('is a record to readers', async () => {
    await s2.append('seen', { records: [{ body: 'x' }, command('fence', 'tok'), { body: 'y' }] });
    const { records } = await s2.batch('seen', '?seq_num=0');
    expect(records).toMatchObject([{ body: 'x' }, { headers: [['', 'fence']], body: 'tok' }, { body: 'y' }]);
    expect((await s2.batch('seen', '?seq_num=0&bytes=33')).records).toHaveLength(2);
    expect((await s2.batch('seen', '?seq_num=0&bytes=26')).records).toHaveLength(1);
  });

  test('to trim hides what is before it, and one beyond it trims up to itself', async () => {
    const at = (seq: bigint) => {
      const body = Buffer.alloc(8);
      body.writeBigUInt64BE(seq);
      return { records: [{ headers: [['', 'dHJpbQ==']], body: body.toString('base64') }] };
    };
    const base64 = { 's2-format': 'base64' };
    await s2.texts('trimmed', 'a', 'b', 'c', 'd');
    await s2.append('trimmed', at(2n), base64);
    expect((await s2.batch('trimmed', '?seq_num=0')).records.map(({ seq_num }) => seq_num)).toEqual([2, 3, 4]);
    await s2.append('trimmed', at(1n), base64);
    expect((await s2.batch('trimmed', '?seq_num=0')).records[0]?.seq_num).toBe(2);
    expect((await s2.append('trimmed', at(2n ** 64n - 1n), base64))[0]).toBe(200);
    expect(await s2.read('trimmed', '?seq_num=0')).toEqual([200, { records: [] }]);
    expect(await s2.tail('trimmed')).toMatchObject([200, { tail: { seq_num: 7 } }]);
    const [, tail] = await s2.tail('trimmed');
    expect(await s2.read('trimmed', '?timestamp=0')).toEqual([416, tail]);
    const ack = await s2.texts('trimmed', 'e');
    expect(ack.start.seq_num).toBe(7);
    expect(await s2.bodies('trimmed')).toEqual(['e']);
  });
});

describe('the first fault of a call', () => {
  const bad = { 's2-format': 'nonsense' };
  test('is a second basin, before the path', async () => {
    const path = '/v1/streams/%ff/records?basin=other-basin';
    const answer = await call(server.port, { path, headers: s2.headers(bad), body: '{' });
    expect(codeOf(outcome(answer))).toEqual([400, 'bad_header']);
  });

  test('is the path, before a missing basin, whose place is taken by the usual one', async () => {
    const headers = { authorization: 'Bearer unknown', ...bad };
    const answer = await call(server.port, { path: '/v1/streams/%ff/records', headers, body: '{' });
    expect(codeOf(outcome(answer))).toEqual([400, 'bad_path']);
  });

  test('is a bad basin name, before the path', async () => {
    const answer = await call(server.port, {
      path: '/v1/streams/%ff/records',
      headers: s2.headers({ 's2-basin': 'NO', ...bad }),
      body: '{',
    });
    expect(codeOf(outcome(answer))).toEqual([400, 'bad_header']);
  });

  test('is the path, before the data-plane headers', async () => {
    for (const path of ['/v1/streams/%ff/records', '/v1/streams/a%00b/records', '/v1/streams/../records']) {
      const answer = await call(server.port, { path, headers: s2.headers(bad), body: '{' });
      expect(codeOf(outcome(answer))).toEqual([400, 'bad_path']);
    }
  });

  test.each([
    ['s2-format', 'nonsense'],
    ['s2-encryption-key', ''],
    ['s2-encryption-key', 'x'.repeat(45)],
    ['s2-stream-config', '{'],
    ['s2-stream-config', '{"retention_policy":{"age":0}}'],
  ])('is %s: %j, before the body', async (name, value) => {
    expect(codeOf(outcome(await s2.post('wins', '{', { [name]: value })))).toEqual([400, 'bad_header']);
  });

  test('is the body, before the basin is looked up', async () => {
    const nowhere = new RecordsClient(server, 'no-such-basin');
    expect(codeOf(outcome(await nowhere.post('wins', '{')))).toEqual([400, 'bad_json']);
    expect(codeOf(await nowhere.append('wins', { records: [] }))).toEqual([422, 'invalid']);
    expect(codeOf(await nowhere.append('wins', { records: [{}] }))).toEqual([404, 'basin_not_found']);
  });

  test('creates no stream', async () => {
    expect(codeOf(await s2.tail('wins'))).toEqual([404, 'stream_not_found']);
    expect(codeOf(await s2.tail('refused'))).toEqual([404, 'stream_not_found']);
  });

  test('is the missing token, which hides all others', async () => {
    const headers = { 's2-basin': 'telemetry', 'content-type': 'application/json', ...bad };
    const answer = await call(server.port, { path: s2.path('wins'), headers, body: '{' });
    expect(codeOf(outcome(answer))).toEqual([401, 'authn']);
  });
});
