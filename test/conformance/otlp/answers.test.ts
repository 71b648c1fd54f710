/**
 * What every kind of OTLP request is answered, in every form in which it can be sent: status, code of gRPC, all headers,
 * the decoded body, and what is stored. A refusal leaves nothing.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SIGNALS, type Signal } from '../../../src/model/record.ts';
import { ControlClient } from '../../support/control-calls.ts';
import { faultsOf, ITEM_MS, type Row, requestFor } from '../../support/otlp-answers.ts';
import { bodyOf, compressed, encoded, FORMS, type Form, FormSender } from '../../support/otlp-forms.ts';
import { itemsOf } from '../../support/otlp-items.ts';
import { readStream } from '../../support/read-back.ts';
import { rememberSecret } from '../../support/secrets.ts';
import { startServer, type TestServer } from '../../support/server.ts';

/** Larger on the wire than after decompression, so that each is reached in all compressions. */
const LIMITS = { wire: 30_000, body: 20_000, records: 20 };
const REFUSED = 'refused';

let server: TestServer;
let sender: FormSender;
let control: ControlClient;
let readOnly: string;

beforeAll(async () => {
  server = await startServer({
    args: [
      ...['--default-stream', '', '--wire-bytes-max', String(LIMITS.wire), '--log-level', 'fatal'],
      ...['--body-bytes-max', String(LIMITS.body), '--request-records-max', String(LIMITS.records)],
    ],
  });
  sender = await FormSender.connect(server);
  control = new ControlClient(server);
  const config = {
    create_stream_on_append: true,
    otlp_default_stream: REFUSED,
    otlp_rates: { bytes_per_second: 1, burst_bytes: 1 },
  };
  await control.call('PUT /basins/slow-basin', { body: { config } });
  const scope = { basins: { prefix: '' }, streams: { prefix: '' }, ops: ['read'] };
  const issued = await control.call('POST /access-tokens', { body: { id: 'reader', scope } });
  readOnly = (issued.body as { readonly access_token: string }).access_token;
  rememberSecret('a token that reads', readOnly);
});

afterAll(async () => {
  await sender.close();
  await server.stop();
});

/** Every path in both encodings over every transport, each with one of the compressions. */
const SOME = FORMS.filter(({ transport, path, encoding, compression }, i) => {
  if (transport === 'gRPC') return true;
  const same = FORMS.filter((form) => form.transport === transport && form.path === path && form.encoding === encoding);
  return same[i % same.length]?.compression === compression;
});
const isHttp = ({ transport }: Form): boolean => transport !== 'gRPC';
const isPlain = ({ compression }: Form): boolean => compression === 'none';
const isPlainHttp = (form: Form): boolean => isHttp(form) && isPlain(form);
const one = (form: Form): Uint8Array => bodyOf(form, requestFor(form.signal, { [REFUSED]: ['x'] }));
/** The body that is refused, with other headers. */
const withHeaders = (headers: Readonly<Record<string, string | undefined>>) => (form: Form) => ({
  body: one(form),
  headers,
});
/** A request of exactly so many bytes before it is compressed. */
function sized(form: Form, stream: string, bytes: number): Uint8Array {
  const of = (text: string): Uint8Array => encoded(form, requestFor(form.signal, { [stream]: [text] }));
  const rest = bytes - of('x'.repeat(bytes)).length;
  return compressed(form, of('x'.repeat(bytes + rest)));
}
const texts = (count: number): string[] => Array.from({ length: count }, (_, i) => `x${i}`);
const streamOf = (what: string, signal: Signal): string => `${what.replaceAll(/\W+/g, '-')}-${signal}`;

/** A row of which something is stored: the items of each request, and those that are not stored. */
interface TakenRow extends Omit<Row, 'send' | 'status' | 'code'> {
  readonly texts: readonly string[];
  readonly request?: (form: Form, stream: string) => Uint8Array;
}

const TAKEN: readonly TakenRow[] = [
  { what: 'one item', texts: ['an item'] },
  { what: 'several items', texts: ['a', 'b', 'c'] },
  {
    what: 'items beside some without a stream',
    texts: ['kept'],
    request: ({ signal, ...form }, stream) =>
      bodyOf({ signal, ...form }, requestFor(signal, { [stream]: ['kept'], '': ['lost', 'too'] })),
    rejected: 2,
    words: 's2.stream',
  },
  { what: 'a string that is no Unicode', texts: ['half \ud83d'], words: 'repaired 1 string of stream' },
  {
    what: 'as many bytes as may be',
    texts: [],
    request: (form, stream) => sized(form, stream, LIMITS.body),
  },
  { what: 'as many records as may be', texts: texts(LIMITS.records) },
];

describe('a request is taken', () => {
  test.each(TAKEN)('when it holds $what, and stored as it is', async ({ texts, request, ...rest }) => {
    const usual = (form: Form, stream: string): Uint8Array =>
      bodyOf(form, requestFor(form.signal, { [stream]: texts }));
    const send = (form: Form) => ({ body: (request ?? usual)(form, streamOf(rest.what, form.signal)) });
    const row = { status: 200, code: 0, send, ...rest };
    const forms = rest.what === 'one item' ? FORMS : SOME;
    expect(await faultsOf(row, forms, sender)).toEqual([]);
    for (const signal of SIGNALS) {
      const stream = streamOf(rest.what, signal);
      const records = await readStream(server, stream);
      const times = forms.filter((form) => form.signal === signal).length;
      expect(records).toHaveLength(times * Math.max(1, texts.length));
      const shape = {
        headers: [
          ['otel.signal', signal],
          ['content-type', 'application/x-protobuf'],
        ],
        ms: ITEM_MS,
      };
      for (const { headers, timestamp } of records) expect({ headers, ms: timestamp }).toEqual(shape);
      if (texts.length === 0) continue;
      const repaired = texts.map((text) => text.replace('\ud83d', '\ufffd'));
      const wanted = itemsOf(
        signal,
        encoded({ signal, encoding: 'protobuf' }, requestFor(signal, { [stream]: repaired })),
        false,
      );
      const found = records.flatMap(({ body }) => itemsOf(signal, body, false));
      // Requests are under way at the same time, but the items of one stay together.
      for (let at = 0; at < found.length; at += wanted.length)
        expect(found.slice(at, at + wanted.length)).toEqual(wanted);
    }
  });

  test('when it is empty, with the empty response', async () => {
    const send = (form: Form) => ({ body: compressed(form, Buffer.from(form.encoding === 'JSON' ? '{}' : '')) });
    expect(await faultsOf({ what: 'empty', status: 200, code: 0, send }, SOME, sender)).toEqual([]);
  });
});

/** Paths that senders take for those of OTLP, and what they are told. */
const ASTRAY: readonly (readonly [path: string, words: string])[] = [
  ['/', '/v1/logs'],
  ['/otlp', '/v1/logs'],
  ['/v1/v1/logs', '/v1/logs'],
  ['/logs', '/v1/logs'],
  ['/v1development/profiles', 'profiles are not supported yet'],
];
const astray = ASTRAY.map(
  ([path, words]): Row => ({
    what: `sent to ${path}`,
    over: (form) => isPlainHttp(form) && form.path === `/v1/${form.signal}`,
    send: (form) => ({ path, body: one(form) }),
    ...{ status: 404, code: 5, words },
  }),
);

const AUTH = { 'www-authenticate': 'Bearer' };
const ROWS: readonly Row[] = [
  ...astray,
  {
    what: 'bytes that are no request',
    send: (form) => ({ body: compressed(form, Buffer.from('hello')) }),
    ...{ status: 400, code: 3, words: 'the body is not' },
  },
  {
    what: 'a message that is cut off',
    send: (form) => {
      const whole = encoded(form, requestFor(form.signal, { [REFUSED]: ['x'] }));
      return { body: compressed(form, whole.subarray(0, -1)) };
    },
    ...{ status: 400, code: 3, words: 'the body is not' },
  },
  {
    what: 'compressed otherwise than it says',
    over: (form) => !isPlain(form),
    send: (form) => ({ body: encoded(form, requestFor(form.signal, { [REFUSED]: ['x'] })) }),
    ...{ status: 400, code: 3, words: 'damaged' },
  },
  {
    what: 'without a Content-Type',
    over: isPlainHttp,
    send: withHeaders({ 'content-type': undefined }),
    ...{ status: 400, code: 3, words: 'send Content-Type application/x-protobuf or application/json' },
    headers: () => ({ 'content-type': 'application/json' }),
  },
  {
    what: 'with the Content-Type of a web form',
    over: isPlainHttp,
    send: withHeaders({ 'content-type': 'application/x-www-form-urlencoded' }),
    ...{ status: 400, code: 3, words: "-H 'Content-Type: application/json'" },
    headers: () => ({ 'content-type': 'application/json' }),
  },
  {
    what: 'for a basin with an illegal name',
    send: withHeaders({ 's2-basin': 'NO' }),
    ...{ status: 400, code: 3, words: 'basin' },
  },
  {
    what: 'without a token',
    send: withHeaders({ authorization: undefined }),
    ...{ status: 401, code: 16, words: 'a token is needed' },
    headers: () => AUTH,
  },
  {
    what: 'with an unknown token',
    send: withHeaders({ authorization: 'Bearer trk_0' }),
    ...{ status: 401, code: 16, words: 'not known' },
    headers: () => AUTH,
  },
  {
    what: 'with a token that may not append',
    send: (form) => withHeaders({ authorization: `Bearer ${readOnly}` })(form),
    ...{ status: 403, code: 7, words: '`reader` may not append' },
  },
  {
    what: 'for a basin that does not exist',
    send: withHeaders({ 's2-basin': 'no-such-basin' }),
    ...{ status: 404, code: 5, words: 'no-such-basin' },
  },
  {
    what: 'with another method',
    over: isHttp,
    send: (form) => ({ method: 'PUT', body: one(form) }),
    ...{ status: 405, code: 12, words: 'this path takes POST' },
    headers: ({ path }) => ({ allow: path === '/v1/metrics' ? 'POST, GET, HEAD' : 'POST' }),
  },
  {
    what: 'larger on the wire than it may be',
    send: () => ({ body: Buffer.alloc(LIMITS.wire + 1) }),
    ...{ status: 413, code: 8, words: '--wire-bytes-max' },
  },
  {
    what: 'larger after decompression than it may be',
    send: (form) => ({ body: sized(form, REFUSED, LIMITS.body + 1) }),
    ...{ status: 413, code: 8, words: '--body-bytes-max' },
  },
  {
    what: 'one record more than there may be',
    send: (form) => ({ body: bodyOf(form, requestFor(form.signal, { [REFUSED]: texts(LIMITS.records + 1) })) }),
    ...{ status: 413, code: 8, words: '--request-records-max' },
  },
  {
    what: 'in an unknown compression',
    over: isPlain,
    send: withHeaders({ 'content-encoding': 'br', 'grpc-encoding': 'br' }),
    ...{ status: 415, code: 12, words: '"br" is not supported' },
    headers: () => ({ 'accept-encoding': 'gzip' }),
  },
  {
    what: 'more than its basin takes in a second',
    send: withHeaders({ 's2-basin': 'slow-basin' }),
    ...{ status: 429, code: 14, words: 'may take 1 bytes a second', retryAfter: [1, 5] },
  },
];

describe('a request is refused', () => {
  test.each(ROWS)('when it is $what, and nothing of it is stored', async (row) => {
    if (row.status === 429) {
      const [form] = FORMS as readonly [Form];
      const first = await sender.send(form, {
        body: bodyOf(form, requestFor('logs', { spent: texts(9) })),
        headers: { 's2-basin': 'slow-basin' },
      });
      expect(first.status).toBe(200);
    }
    expect(await faultsOf(row, row.over === undefined ? SOME : FORMS, sender)).toEqual([]);
    for (const basin of ['telemetry', 'slow-basin']) {
      const { body } = await control.call(`GET /streams?prefix=${REFUSED}`, { basin });
      expect(body).toEqual({ streams: [], has_more: false });
    }
  });
});

test('an answer that is not as its row says is found in every form', async () => {
  const [row] = ROWS.filter(({ what }) => what === 'for a basin that does not exist') as [Row];
  const count = SOME.length - 3;
  for (const wrong of [{ code: 3 }, { words: 'another' }, { retryAfter: [1, 5] as const }, { rejected: 1 }]) {
    const faults = await faultsOf({ ...row, ...wrong }, SOME, sender);
    expect(faults.at(-1)).toEqual({ more: count });
  }
});
