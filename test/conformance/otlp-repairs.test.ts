/**
 * What real senders send besides well-formed OTLP, over the whole server: it is repaired where that is possible, the
 * response and the server's own warnings say so, and it is counted. Bodies named after files are in
 * `test/fixtures/reports/`, each with a line on where it was reported.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { call } from '../support/http-call.ts';
import { jsonOf, report, requestOf, send, stored } from '../support/otlp-send.ts';
import { field, varint } from '../support/otlp-wire.ts';
import { parsePrometheus, sumOf } from '../support/prometheus.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer({ args: ['--log-level', 'warn'] });
});

afterAll(async () => {
  await server.stop();
});

async function counted(what: string, signal: string): Promise<number> {
  const headers = { authorization: `Bearer ${server.token}` };
  const { body } = await call(server.port, { method: 'GET', path: '/metrics', headers });
  return sumOf(parsePrometheus(body.toString()), 'tailrace_otlp_tolerated_total', { signal, what });
}

/** Resolves when the server has written a warning that matches. */
async function warned(pattern: RegExp): Promise<void> {
  while (!pattern.test(server.stderr())) await new Promise((resolve) => setImmediate(resolve));
}

const text = (bytes: readonly number[]) => field(5, field(1, bytes));
const bodies = async (stream: string) =>
  (await stored(server, 'logs', stream)).map(({ body }) => (body as { stringValue: string }).stringValue);

describe('a string that is not UTF-8, in protobuf,', () => {
  test('in one record is repaired in place, and the other records are stored as they are', async () => {
    const before = await counted('strings', 'logs');
    const answer = await send(server, 'logs', report('proto-bad-utf8.bin'));
    expect(answer).toMatchObject({ status: 200, rejected: 0 });
    expect(answer.message).toMatch(/^repaired 1 string of stream "c-bad8p": not UTF-8/);
    expect(await bodies('c-bad8p')).toEqual(['good', 'caf?']);
    expect((await counted('strings', 'logs')) - before).toBe(1);
    await warned(/"signal":"logs","count":1,"stream":"c-bad8p".*UTF-8/);
  });

  test.each([
    ['half of an emoji in three bytes', [0x61, 0xed, 0xa0, 0xbd, 0x62], 'a\ufffdb'],
    ['both halves, each in three bytes', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80], '\ufffd\ufffd'],
    ['half of an emoji that is cut off', [0x61, 0xed, 0xa0], 'a??'],
    ['an emoji cut after three bytes', [0x61, 0xf0, 0x9f, 0x98], 'a???'],
    ['Latin-1', [...Buffer.from('Grüße', 'latin1')], 'Gr??e'],
    ['an overlong sequence', [0xc0, 0x80], '??'],
    ['a code point above U+10FFFF', [0xf4, 0x90, 0x80, 0x80], '????'],
    [
      'characters of all lengths around a bad byte',
      [...Buffer.from('aé日😀'), 0xff, ...Buffer.from('😀日éa')],
      'aé日😀?😀日éa',
    ],
    ['a bad byte behind long text', [...Buffer.from('é'.repeat(700)), 0x80], `${'é'.repeat(700)}?`],
  ])('keeps its length in protobuf: %s', async (what, bytes, repaired) => {
    const stream = `pb-${what.replaceAll(/\W/g, '-')}`;
    expect(await send(server, 'logs', requestOf(stream, text(bytes)))).toMatchObject({ status: 200, rejected: 0 });
    expect(await bodies(stream)).toEqual([repaired]);
  });

  test('and longer than a record costs its item alone, without a look at each byte', async () => {
    const long = Buffer.alloc(3 * 1_048_576, 0xff);
    const answer = await send(server, 'logs', requestOf('too-long', text([...Buffer.from('good')]), text([...long])));
    expect(answer).toMatchObject({ status: 200, rejected: 1 });
    expect(answer.message).not.toContain('repaired');
    expect(await bodies('too-long')).toEqual(['good']);
  });

  test('is repaired wherever a string can be, and bytes that are no string stay as they are', async () => {
    const bad = [0x61, 0xff];
    const attribute = field(6, [...field(1, bad), ...field(2, field(1, bad))]);
    const bytes = field(6, [...field(1, 'bytes'), ...field(2, field(7, bad))]);
    const unknown = field(900, bad);
    const scope = field(1, [...field(1, bad), ...field(2, bad)]);
    const resource = field(1, [
      ...field(1, [...field(1, 's2.stream'), ...field(2, field(1, 'everywhere'))]),
      ...field(1, [...field(1, bad), ...field(2, field(1, 'v'))]),
    ]);
    const record = [...attribute, ...bytes, ...unknown, ...field(3, bad), ...field(12, bad)];
    const scopeLogs = [...scope, ...field(2, record), ...field(3, bad)];
    const body = Uint8Array.from(field(1, [...resource, ...field(2, scopeLogs), ...field(3, bad)]));
    const { status, message } = await send(server, 'logs', body);
    expect([status, message]).toEqual([200, expect.stringMatching(/^repaired 9 strings of stream "everywhere":/)]);
    expect(await stored(server, 'logs', 'everywhere')).toEqual([
      {
        severityText: 'a?',
        eventName: 'a?',
        attributes: [
          { key: 'a?', value: { stringValue: 'a?' } },
          { key: 'bytes', value: { bytesValue: Buffer.from(bad).toString('base64') } },
        ],
      },
    ]);
  });

  test('in several streams is counted and named for each of them', async () => {
    const body = Buffer.concat([requestOf('app-a', text([0xff])), requestOf('app-b', text([0xfe]), text([0xfd]))]);
    const { message } = await send(server, 'logs', body);
    expect(message).toMatch(/^repaired 3 strings of stream "app-a" and 1 more:/);
    await warned(/"count":1,"stream":"app-a"/);
    await warned(/"count":2,"stream":"app-b"/);
  });
});

describe('a string that is not UTF-8, in JSON,', () => {
  test('becomes U+FFFD: raw bytes, escapes, halves in the wrong order', async () => {
    const before = await counted('strings', 'logs');
    const answer = await send(server, 'logs', report('json-lone-surrogate.json'));
    expect(answer).toMatchObject({ status: 200, rejected: 0 });
    expect(answer.message).toMatch(/^repaired 1 string of stream "c-sur":/);
    expect(await bodies('c-sur')).toEqual(['good', 'cut \ufffd']);
    const cases: readonly (readonly [written: string, stored: string])[] = [
      ['\\ud83d', '\ufffd'],
      ['\\ude00', '\ufffd'],
      ['\\ude00\\ud83d!', '\ufffd\ufffd!'],
      ['\xc3\xa9\\ud83dA', 'é\ufffdA'],
      ['\\ud83d\\ud83d\\ude00', '\ufffd😀'],
      ['\xe9t\xe9', '\ufffdt\ufffd'],
      ['\xf0\x9f\x98', '\ufffd'],
      ['\xed\xa0\xbd', '\ufffd'],
      ['\xc3\xa9\xff\\ud83d', 'é\ufffd\ufffd'],
    ];
    const records = cases.map(([written], index) => `{"severityText":"${index}","body":{"stringValue":"${written}"}}`);
    // Each character here is one byte of the body.
    const body = Buffer.from(jsonOf('logs', 'json-text', ...records, '{"body":{"stringValue":"fine"}}'), 'latin1');
    const sent = await send(server, 'logs', body);
    expect(sent).toMatchObject({
      status: 200,
      rejected: 0,
      message: expect.stringMatching(/^repaired 9 strings of stream "json-text"/),
    });
    expect(await bodies('json-text')).toEqual([...cases.map(([, wanted]) => wanted), 'fine']);
    expect((await counted('strings', 'logs')) - before).toBe(10);
  });

  test('in a body of megabytes costs nothing but itself', async () => {
    const long = 'x'.repeat(900_000);
    const records = [long, 'caf\xe9', long].map((value) => `{"body":{"stringValue":"${value}"}}`);
    const sent = await send(server, 'logs', Buffer.from(jsonOf('logs', 'json-large', ...records), 'latin1'));
    expect(sent).toMatchObject({ status: 200, rejected: 0 });
    expect(await bodies('json-large')).toEqual([long, 'caf\ufffd', long]);
  });
});

describe('values nested too deep', () => {
  /** So many lists of key and value within one another, in both encodings. */
  const deep = (levels: number): readonly number[] => {
    const leads: (readonly number[])[] = [field(1, 'end')];
    let length = 5;
    const enclose = (tag: number, before: readonly number[] = []): void => {
      const lead = [...before, tag, ...varint(length)];
      leads.push(lead);
      length += lead.length;
    };
    for (let i = 0; i < levels; i++) {
      // The value in a pair, the pair in a list, the list in a value.
      enclose(0x12, field(1, 'k'));
      enclose(0x0a);
      enclose(0x32);
    }
    return leads.reverse().flat();
  };
  const deepJson = (levels: number) =>
    `${'{"kvlistValue":{"values":[{"key":"k","value":'.repeat(levels)}{"stringValue":"end"}${'}]}}'.repeat(levels)}`;

  test('cost nothing while 31 objects are within one another, as tool schemas are', async () => {
    expect(await send(server, 'logs', report('deep-20.json'))).toEqual({ status: 200, rejected: 0, message: '' });
    expect(await stored(server, 'logs', 'dp')).toHaveLength(2);
    const attribute = [...field(1, 'a'), ...field(2, deep(31))];
    const binary = [field(5, deep(31)), field(6, attribute)];
    const texts = [`{"body":${deepJson(31)}}`, `{"attributes":[{"key":"a","value":${deepJson(31)}}]}`];
    const clean = { status: 200, rejected: 0, message: '' };
    expect(await send(server, 'logs', requestOf('deep-31', ...binary))).toEqual(clean);
    expect(await send(server, 'logs', jsonOf('logs', 'deep-31', ...texts))).toEqual(clean);
    const event = field(11, field(3, attribute));
    const spans = requestOf('deep-span', [...field(1, Buffer.alloc(16, 1)), ...field(2, Buffer.alloc(8, 1)), ...event]);
    expect(await send(server, 'traces', spans)).toEqual(clean);
    const [body, inAttribute, ...again] = await stored(server, 'logs', 'deep-31');
    expect(again).toEqual([body, inAttribute]);
    expect(JSON.stringify(inAttribute).split('kvlistValue')).toHaveLength(32);
  });

  test.each([33, 1_000, 20_000])('%i of them cost their record only, in both encodings', async (levels) => {
    const records = [text([...Buffer.from('before')]), field(5, deep(levels)), text([...Buffer.from('after')])];
    const texts = [
      `{"body":{"stringValue":"before"}}`,
      `{"body":${deepJson(levels)}}`,
      `{"body":{"stringValue":"after"}}`,
    ];
    for (const body of [requestOf(`deep-${levels}`, ...records), jsonOf('logs', `deep-${levels}`, ...texts)]) {
      const { message, ...answer } = await send(server, 'logs', body);
      expect(answer).toEqual({ status: 200, rejected: 1 });
      expect(message).toMatch(/rejected 1 log record of stream "deep-\d+": messages are nested more than 100 levels/);
    }
    expect(await bodies(`deep-${levels}`)).toEqual(['before', 'after', 'before', 'after']);
  });

  test('in a scope or a resource cost the records in it, and no others', async () => {
    const attributes = (stream: string, levels: number): string =>
      `{"attributes":[{"key":"s2.stream","value":{"stringValue":"${stream}"}},{"key":"d","value":${deepJson(levels)}}]}`;
    const scope = (levels: number, ...names: readonly string[]): string => {
      const records = names.map((name) => `{"body":{"stringValue":"${name}"}}`);
      return `{"scope":{"attributes":[{"key":"d","value":${deepJson(levels)}}]},"logRecords":[${records.join(',')}]}`;
    };
    const resource = (levels: number, ...scopes: readonly string[]): string =>
      `{"resource":${attributes('deep-heads', levels)},"scopeLogs":[${scopes.join(',')}]}`;
    const body = `{"resourceLogs":[${resource(1, scope(1, 'a'), scope(40, 'b', 'c'), scope(1, 'd'))},${resource(40, scope(1, 'e'))}]}`;
    expect(await send(server, 'logs', body)).toMatchObject({ status: 200, rejected: 3 });
    expect(await bodies('deep-heads')).toEqual(['a', 'd']);
  });
});
