/**
 * Trace and span ids that are none, as real senders send them: they become ids of the right length in both encodings,
 * the same one for the same text, and the item says what was sent. Readers of OTLP never get an id of a wrong length, nor
 * a group, which Collectors cannot read; not even of what S2 clients appended.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { call } from '../support/http-call.ts';
import { itemsOf } from '../support/otlp-items.ts';
import { jsonOf, type Plain, report, requestOf, send, stored } from '../support/otlp-send.ts';
import { field, varint } from '../support/otlp-wire.ts';
import { parsePrometheus, sumOf } from '../support/prometheus.ts';
import { readStream } from '../support/read-back.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CLEAN = { status: 200, rejected: 0, message: '' };
const SPAN = 'b7ad6b7169203331';
const base64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');
const malformed = (text: string) => ({ key: 'otel.id_malformed', value: { stringValue: text } });

beforeAll(async () => {
  server = await startServer({ args: ['--log-level', 'warn'] });
});

afterAll(async () => {
  await server.stop();
});

async function counted(signal: string): Promise<number> {
  const headers = { authorization: `Bearer ${server.token}` };
  const { body } = await call(server.port, { method: 'GET', path: '/metrics', headers });
  return sumOf(parsePrometheus(body.toString()), 'tailrace_otlp_tolerated_total', { signal, what: 'ids' });
}

describe('a malformed id', () => {
  test('that is hex text in protobuf is decoded, with a warning, a counter and a line on the terminal', async () => {
    const before = await counted('logs');
    const answer = await send(server, 'logs', report('ids-hex-text-in-protobuf.bin'));
    expect(answer).toMatchObject({ status: 200, rejected: 0 });
    expect(answer.message).toMatch(/^repaired 2 ids of stream "c-hexpb":/);
    const [without, record] = await stored(server, 'logs', 'c-hexpb');
    expect(without).toEqual({ body: { stringValue: 'no trace' } });
    expect(record).toEqual({
      body: { stringValue: 'with trace' },
      traceId: base64(TRACE),
      spanId: base64(SPAN),
      attributes: [malformed(`${TRACE}, ${SPAN}`)],
    });
    expect((await counted('logs')) - before).toBe(2);
    while (!/"count":2,"stream":"c-hexpb".*ids/.test(server.stderr()))
      await new Promise((resolve) => setImmediate(resolve));
  });

  test('that is base64 in JSON is decoded', async () => {
    expect((await send(server, 'traces', report('ids-base64.json'))).message).toMatch(
      /^repaired 2 ids of stream "c-b64":/,
    );
    expect(await stored(server, 'traces', 'c-b64')).toEqual([
      {
        traceId: 'CvdlGRbNQ92ESOshHIAxnA==',
        spanId: 't61rcWkgMzE=',
        name: 'x',
        attributes: [malformed('CvdlGRbNQ92ESOshHIAxnA==, t61rcWkgMzE=')],
      },
    ]);
  });
});

describe('a malformed id of any kind', () => {
  const CASES: readonly (readonly [sent: string, id: RegExp])[] = [
    ['abc', /^0{29}abc$/],
    [SPAN, new RegExp(`^0{16}${SPAN}$`)],
    ['ABCDEF0123456789', /^0{16}abcdef0123456789$/],
    [`${TRACE}00`, /^[0-9a-f]{32}$/],
    ['4bf92f35-77b3-4da6-a3ce-929d0e0e4736', /^[0-9a-f]{32}$/],
    ['request 17', /^[0-9a-f]{32}$/],
    ['fifteen letters', /^[0-9a-f]{32}$/],
    ['ünï', /^[0-9a-f]{32}$/],
  ];

  test.each(CASES)('is made one in JSON: %s', async (sent, id) => {
    const stream = `json-${Buffer.from(sent).toString('hex')}`;
    const body = jsonOf(
      'logs',
      stream,
      `{"traceId":${JSON.stringify(sent)}}`,
      '{"traceId":""}',
      `{"traceId":"${TRACE}"}`,
    );
    expect(await send(server, 'logs', body)).toMatchObject({ status: 200, rejected: 0 });
    const [record, ...others] = await stored(server, 'logs', stream);
    expect(Buffer.from(record?.traceId as string, 'base64').toString('hex')).toMatch(id);
    expect(record?.attributes).toEqual([malformed(sent)]);
    expect(others).toEqual([{}, { traceId: base64(TRACE) }]);
  });

  test.each(CASES.filter(([sent]) => Buffer.byteLength(sent) !== 16))(
    'is the same one in protobuf: %s',
    async (sent) => {
      const stream = `pb-${Buffer.from(sent).toString('hex')}`;
      expect(await send(server, 'logs', requestOf(stream, field(9, sent)))).toMatchObject({ status: 200, rejected: 0 });
      const json = jsonOf('logs', stream, `{"traceId":${JSON.stringify(sent)}}`);
      expect(await send(server, 'logs', json)).toMatchObject({ status: 200, rejected: 0 });
      const [binary, text] = await stored(server, 'logs', stream);
      expect(binary).toEqual(text);
    },
  );
});

describe('an id in JSON that is no string', () => {
  const record = (id: string): string => `{"traceId":${id},"body":{"stringValue":"kept"}}`;
  const kept = { body: { stringValue: 'kept' } };
  const bytes = [...Buffer.from(TRACE, 'hex')];

  test.each([
    ['a whole number', '12345', '12345', /^0{27}12345$/],
    ['a number of 64 bits', '18446744073709551615', '18446744073709551615', /^0{12}18446744073709551615$/],
    ['a number below zero', '-1', '-1', /^[0-9a-f]{32}$/],
    ['a number with an exponent', '1.5e3', '1.5e3', /^[0-9a-f]{32}$/],
    ['true', 'true', 'true', /^[0-9a-f]{32}$/],
    ['an object', '{"high":1, "low":2}', '{"high":1, "low":2}', /^[0-9a-f]{32}$/],
    ['an empty list', '[]', '[]', /^[0-9a-f]{32}$/],
    ['a list of too few bytes', '[1,2]', '[1,2]', /^[0-9a-f]{32}$/],
    ['a list of no bytes', `[${Array(16).fill('256')}]`, `[${Array(16).fill('256')}]`, /^[0-9a-f]{32}$/],
  ])('is a malformed one: %s', async (what, sent, shown, id) => {
    const stream = `odd-${what.replaceAll(' ', '-')}`;
    const body = jsonOf('logs', stream, record(sent), record(`"${TRACE}"`));
    const answer = await send(server, 'logs', body);
    expect(answer).toMatchObject({ status: 200, rejected: 0 });
    expect(answer.message).toMatch(/^repaired 1 id of/);
    const [odd, good] = await stored(server, 'logs', stream);
    expect(Buffer.from(odd?.traceId as string, 'base64').toString('hex')).toMatch(id);
    expect(odd).toEqual({ ...kept, traceId: odd?.traceId, attributes: [malformed(shown)] });
    expect(good).toEqual({ ...kept, traceId: base64(TRACE) });
  });

  test.each([
    ['a list of its bytes', JSON.stringify(bytes)],
    ['a Buffer', JSON.stringify(Buffer.from(bytes))],
    ['a Uint8Array', JSON.stringify(Uint8Array.from(bytes))],
  ])('is one all the same, as %s', async (what, sent) => {
    const stream = `listed-${what.replaceAll(' ', '-')}`;
    expect(await send(server, 'logs', jsonOf('logs', stream, record(sent)))).toEqual(CLEAN);
    expect(await stored(server, 'logs', stream)).toEqual([{ ...kept, traceId: base64(TRACE) }]);
  });

  test('is shown by its beginning when it is long, and costs its item nothing, in a body of megabytes', async () => {
    const long = `{"a":"${'x'.repeat(2_000)}","b":[${Array(200_000).fill('1').join()}]}`;
    const records = [record(long), record('7'), record(`[${Array(300_000).fill('{}').join()}]`)];
    const answer = await send(server, 'logs', jsonOf('logs', 'long-ids', ...records, record(`"${TRACE}"`)));
    expect(answer).toMatchObject({ status: 200, rejected: 0 });
    const found = await stored(server, 'logs', 'long-ids');
    expect(found).toMatchObject([kept, kept, kept, { ...kept, traceId: base64(TRACE) }]);
    expect(found[0]?.attributes).toEqual([malformed(long.slice(0, 1_024))]);
    expect(found[1]?.attributes).toEqual([malformed('7')]);
  });

  test('is refused when it is no JSON', async () => {
    for (const sent of ['tru', '1x', '{"a"}', '[1', "'1'"]) {
      expect(await send(server, 'logs', jsonOf('logs', 'no-json', record(sent)))).toMatchObject({ status: 400 });
    }
  });
});

describe('malformed ids', () => {
  test('of 64 bits in protobuf get zeros before them', async () => {
    const id = Buffer.from(SPAN, 'hex');
    expect(await send(server, 'logs', requestOf('short', field(9, id)))).toMatchObject({ status: 200, rejected: 0 });
    const [record] = await stored(server, 'logs', 'short');
    expect(record).toEqual({ traceId: base64(`${'0'.repeat(16)}${SPAN}`), attributes: [malformed(SPAN)] });
  });

  test('keep spans, parents and links together, and the attribute is that of the span', async () => {
    const span = `{"traceId":"t-1","spanId":"root","name":"a","links":[{"traceId":"t-0","spanId":"${SPAN}"}],"attributes":[{"key":"k"}]}`;
    const child = '{"traceId":"t-1","spanId":"leaf","parentSpanId":"root","name":"b"}';
    const { message } = await send(server, 'traces', jsonOf('traces', 'family', span, child));
    expect(message).toMatch(/^repaired 6 ids/);
    const [one, two] = (await stored(server, 'traces', 'family')) as [Plain, Plain];
    expect(two.traceId).toBe(one.traceId);
    expect(two.parentSpanId).toBe(one.spanId);
    expect(one.attributes).toEqual([{ key: 'k' }, malformed('t-1, root, t-0')]);
    const [link] = one.links as Plain[];
    expect(Buffer.from(link?.traceId as string, 'base64')).toHaveLength(16);
    expect(link).toEqual({ traceId: link?.traceId, spanId: base64(SPAN) });
  });

  test('in an exemplar are noted in its filtered attributes', async () => {
    const exemplar = '{"traceId":"zz","spanId":"","asInt":"5","filteredAttributes":[]}';
    const metric = `{"name":"m","sum":{"isMonotonic":true,"dataPoints":[{"asInt":"1"},{"asInt":"2","exemplars":[${exemplar}]}]}}`;
    const { message } = await send(server, 'metrics', jsonOf('metrics', 'exemplar', metric));
    expect(message).toMatch(/^repaired 1 id of/);
    const [{ sum } = {} as Plain] = await stored(server, 'metrics', 'exemplar');
    const [, point] = (sum as { dataPoints: Plain[] }).dataPoints;
    const [found] = (point?.exemplars ?? []) as Plain[];
    expect(found).toMatchObject({ asInt: '5', filteredAttributes: [malformed('zz')] });
    expect(Buffer.from(found?.traceId as string, 'base64')).toHaveLength(16);
  });

  test('beside strings to repair and items to reject change nothing else, in a body of megabytes', async () => {
    const good = field(5, field(1, 'x'.repeat(1_000)));
    const items: (readonly number[])[] = Array.from({ length: 1_200 }, (_, i) => [
      ...good,
      ...(i % 300 === 0 ? field(10, 'not hex') : []),
    ]);
    items.push([...field(5, field(1, [0xff])), ...field(9, 'q')]);
    items.push(field(5, field(1, 'y'.repeat(1_100_000))));
    const answer = await send(server, 'logs', requestOf('mixed', ...items));
    expect(answer).toMatchObject({ status: 200, rejected: 1 });
    expect(answer.message).toMatch(/rejected 1 log record .*repaired 1 string .*repaired 5 ids/);
    const records = await stored(server, 'logs', 'mixed');
    expect(records).toHaveLength(1_201);
    expect(records.filter(({ attributes }) => attributes !== undefined)).toHaveLength(5);
    expect(records[1]).toEqual({ body: { stringValue: 'x'.repeat(1_000) } });
    expect(records[1_200]).toMatchObject({ body: { stringValue: '?' }, attributes: [malformed('q')] });
  });
});

test('100,000 spans with malformed ids are stored with good ones, and the response counts them', async () => {
  const spans = Buffer.alloc(5 * 100_000, Buffer.of(0x12, 3, 0x0a, 1, 7));
  const resource = field(1, field(1, [...field(1, 's2.stream'), ...field(2, field(1, 'many'))]));
  const request = Buffer.from(field(1, [...resource, ...field(2, [...spans])]));
  const answer = await send(server, 'traces', request);
  expect(answer).toMatchObject({ status: 200, rejected: 0 });
  expect(answer.message).toMatch(/^repaired 100000 ids of stream "many"/);
  const headers = { authorization: `Bearer ${server.token}`, 's2-format': 'base64' };
  const path = '/v1/streams/many/records?seq_num=99999';
  const { records } = JSON.parse((await call(server.port, { method: 'GET', path, headers })).body.toString());
  const [last] = itemsOf('traces', Buffer.from(records[0].body, 'base64'), false);
  expect(last?.item).toEqual({ traceId: base64(`${'0'.repeat(31)}7`), attributes: [malformed('07')] });
});

test('an id of a wrong length that was appended over S2 is handed out repaired in all views', async () => {
  const body = Buffer.from(requestOf('any', [...field(9, TRACE), ...field(5, field(1, 'old'))])).toString('base64');
  const headers = [['otel.signal', 'logs'].map((text) => Buffer.from(text).toString('base64'))];
  const response = await call(server.port, {
    path: '/v1/streams/appended/records',
    headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json', 's2-format': 'base64' },
    body: JSON.stringify({ records: [{ headers, body }] }),
  });
  expect([response.status, response.body.toString()]).toEqual([200, expect.anything()]);
  expect(await framesOf('otlp.json')).toContain(`"traceId":"${TRACE}"`);
  expect(await framesOf('otlp.json')).toContain('"otel.id_malformed"');
  expect(await framesOf('view.json')).toContain(`"traceId":"${TRACE}"`);
  const binary = Buffer.from(await framesOf('otlp.proto'), 'latin1');
  expect(binary.includes(Buffer.from(`4a10${TRACE}`, 'hex'))).toBe(true);
});

test('a group of an unknown field is stored, and left out of what readers of OTLP get', async () => {
  const group = [...varint((40 << 3) | 3), ...field(1, 'inside'), ...varint((40 << 3) | 4)];
  const value = [...group, ...field(1, 'good'), ...group];
  const attribute = [...field(1, 'key'), ...group, ...field(2, value)];
  const item = [...group, ...field(6, attribute), ...field(200, 'an unknown field that stays')];
  const body = Buffer.from(requestOf('groups', item, field(3, 'WARN')));
  expect(await send(server, 'logs', body)).toEqual({ status: 200, rejected: 0, message: '' });
  await append('groups', requestOf('x', item));
  const bodies = (await readStream(server, 'groups')).map((record) => Buffer.from(record.body).toString('latin1'));
  expect(bodies.map((text) => text.split('inside').length - 1)).toEqual([4, 0, 4]);
  const binary = await framesOf('otlp.proto', 'groups');
  expect(binary).not.toContain('inside');
  const kept = [
    ...field(6, [...field(1, 'key'), ...field(2, field(1, 'good'))]),
    ...field(200, 'an unknown field that stays'),
  ];
  expect(binary.split(Buffer.from(field(2, kept)).toString('latin1'))).toHaveLength(3);
});

test('what was appended over S2 as OTLP is handed out as OTLP when a receiver would take it', async () => {
  const wrongType = requestOf('x', field(2, 'a number by the schema'));
  const notUtf8 = requestOf('x', field(3, [0xff]));
  await append('claims', wrongType, notUtf8, requestOf('x', field(3, 'WARN')));
  const frames = await framesOf('otlp.proto', 'claims');
  expect(frames).toMatch(/"signal":null,"first":{"seq_num":0,[^}]*},"next":{"seq_num":2,/);
  expect(frames).toMatch(/"signal":"logs","first":{"seq_num":2,[^}]*},"next":{"seq_num":3,/);
  expect(frames).not.toContain('a number by the schema');
  const bodies = (await readStream(server, 'claims')).map((record) => Buffer.from(record.body));
  expect(bodies.slice(0, 2)).toEqual([Buffer.from(wrongType), Buffer.from(notUtf8)]);
});

/** Appends records that say that they are logs. */
async function append(stream: string, ...bodies: readonly Uint8Array[]): Promise<void> {
  const headers = [['otel.signal', 'logs'].map((text) => Buffer.from(text).toString('base64'))];
  const { status } = await call(server.port, {
    path: `/v1/streams/${stream}/records`,
    headers: { authorization: `Bearer ${server.token}`, 'content-type': 'application/json', 's2-format': 'base64' },
    body: JSON.stringify({ records: bodies.map((body) => ({ headers, body: Buffer.from(body).toString('base64') })) }),
  });
  expect(status).toBe(200);
}

/** All frames of a stream up to its tail, each byte as one character. */
function framesOf(protocol: string, stream = 'appended'): Promise<string> {
  const headers = { authorization: `Bearer ${server.token}` };
  const url = `ws://127.0.0.1:${server.port}/v1/streams/${stream}/records?seq_num=0`;
  const socket = new WebSocket(url, protocol, { headers });
  let text = '';
  return new Promise((resolve, reject) => {
    socket.on('error', reject).on('close', () => resolve(text));
    socket.on('message', (data) => {
      text += (data as Buffer).toString('latin1');
      if (/"type":"caught[_-]?up"/i.test(String(data))) socket.close();
    });
  });
}
