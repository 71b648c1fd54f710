/** From bytes to appends: what commits together, what is rejected with which reason, and what is refused as a whole. */

import { describe, expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import { RECORD_METERED_BYTES_MAX, SENDER_TEXT_CHARS_MAX, YIELD_BYTES } from '../../src/model/limits.ts';
import { type OtlpSource, unknownSource } from '../../src/model/otlp-source.ts';
import { meteredBytes, OTLP_HEADERS, type Signal } from '../../src/model/record.ts';
import type { TimestampingMode } from '../../src/model/stream-config.ts';
import { ingest } from '../../src/otlp/ingest.ts';
import type { IngestResult } from '../../src/otlp/ingest-result.ts';
import type { IngestOptions } from '../../src/otlp/ports.ts';
import type { BlockDraft } from '../../src/storage/block/seal.ts';
import { field, fixed64, oracle, varint } from '../support/otlp-wire.ts';

type Bytes = readonly number[];
type Appends = readonly { readonly stream: FakeStream; readonly drafts: readonly BlockDraft[] }[];

interface FakeStream {
  readonly name: string;
  readonly config: { readonly timestampingMode: TimestampingMode };
}

/** A log that keeps what is appended. Streams named `missing…` do not exist, `slow…` are opened later. */
class FakeLog {
  readonly opened: string[] = [];
  readonly appended: Appends[] = [];
  fault: Error | undefined;

  openStream(_basin: unknown, name: string): FakeStream | Promise<FakeStream> {
    this.opened.push(name);
    if (name.startsWith('missing')) throw new TailraceError('stream_not_found', 'no such stream');
    if (name.startsWith('later-missing'))
      return Promise.reject(new TailraceError('stream_not_found', 'no such stream'));
    if (name.startsWith('deleting')) throw new TailraceError('stream_deletion_pending', 'being deleted');
    const timestampingMode = name.startsWith('strict') ? 'client-require' : 'client-prefer';
    const stream: FakeStream = { name, config: { timestampingMode } };
    return name.startsWith('slow') ? Promise.resolve(stream) : stream;
  }

  append(appends: Appends): Promise<void> {
    this.appended.push(appends);
    return this.fault === undefined ? Promise.resolve() : Promise.reject(this.fault);
  }

  /** The appended records, by stream. */
  texts(): readonly (readonly [stream: string, texts: readonly unknown[]])[] {
    return this.appended
      .flat()
      .map(({ stream, drafts }) => [
        stream.name,
        drafts.flatMap((draft) => oracle('logs', Buffer.concat(draft.payload)).map(({ item }) => item.severityText)),
      ]);
  }
}

const log = (text: string, ...more: readonly Bytes[]): Bytes => field(2, [...field(3, text), ...more.flat()]);
const named = (stream: string): Bytes => field(1, field(1, [...field(1, 's2.stream'), ...field(2, field(1, stream))]));
const resource = (stream: string, ...items: readonly Bytes[]): Bytes =>
  field(1, [...named(stream), ...field(2, items.flat())]);
const nameless = (...items: readonly Bytes[]): Bytes => field(1, field(2, items.flat()));

function send(
  port: FakeLog,
  body: Iterable<number>,
  extra: Partial<IngestOptions> & { readonly signal?: Signal; readonly fallback?: string } = {},
): Promise<IngestResult> {
  const basin = { name: 'telemetry', config: { otlpDefaultStream: extra.fallback ?? '' } };
  const options = { limits: { requestRecordsMax: 1_000 }, ...extra };
  return ingest(
    port,
    basin,
    { signal: extra.signal ?? 'logs', encoding: 'protobuf', body: Uint8Array.from(body) },
    options,
  );
}

async function refusal(sending: Promise<unknown>): Promise<TailraceError> {
  const error = await sending.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  if (error instanceof TailraceError) return error;
  throw error ?? new Error('it was accepted');
}

/** What a result says of a request that is stored as it came. */
const clean = { message: undefined, reasons: [], repairs: [], tolerated: new Map() };

describe('accepting a request', () => {
  test('appends all its streams in one append, each in the order of the request', async () => {
    const port = new FakeLog();
    const body = [...resource('a', log('1'), log('2')), ...resource('b', log('3')), ...resource('a', log('4'))];
    expect(await send(port, body)).toEqual({ accepted: 4, rejected: 0, records: 4, ...clean });
    expect(port.appended).toHaveLength(1);
    expect(port.texts()).toEqual([
      ['a', ['1', '2', '4']],
      ['b', ['3']],
    ]);
  });

  test('stores the body itself as the payload when the whole request is stored', async () => {
    const port = new FakeLog();
    const body = Uint8Array.from([...resource('a', log('1')), ...resource('a', log('2'))]);
    const basin = { name: 'telemetry', config: { otlpDefaultStream: '' } };
    await ingest(port, basin, { signal: 'logs', encoding: 'protobuf', body }, { limits: { requestRecordsMax: 10 } });
    const [part, ...more] = port.appended[0]?.[0]?.drafts[0]?.payload ?? [];
    expect(more).toEqual([]);
    expect([part?.buffer, part?.byteOffset, part?.byteLength]).toEqual([body.buffer, 0, body.length]);
  });

  test.each([
    ['no bytes', [], undefined],
    [
      'resources without items',
      [...resource('a'), ...nameless()],
      expect.stringContaining('no log records were found'),
    ],
    ['only unknown fields', field(9, 'x'), expect.stringContaining('no log records were found')],
  ])('opens and commits nothing for a request without items: %s', async (_, body, message) => {
    const port = new FakeLog();
    expect(await send(port, body)).toMatchObject({ accepted: 0, rejected: 0, message });
    expect([port.opened, port.appended]).toEqual([[], []]);
  });

  test('appends to open streams before the call returns', async () => {
    const port = new FakeLog();
    const sending = send(port, [...resource('a', log('1')), ...resource('b', log('2'))]);
    expect(port.appended).toHaveLength(1);
    await sending;
  });

  test('waits for streams that open later', async () => {
    const port = new FakeLog();
    await Promise.all([send(port, resource('slow', log('1'))), send(port, resource('a', log('2')))]);
    expect(port.texts()).toEqual([
      ['a', ['2']],
      ['slow', ['1']],
    ]);
  });

  test.each([
    [10_000, 0],
    [10_001, 1],
  ])('writes to 10,000 streams and rejects what is beyond: of %d streams %d', async (count, rejected) => {
    const port = new FakeLog();
    const body = Buffer.concat(Array.from({ length: count }, (_, i) => Buffer.from([...resource(`s${i}`, log('x'))])));
    const again = Buffer.from([...resource('s0', log('y'))]);
    const result = await send(port, Buffer.concat([body, again]), { limits: { requestRecordsMax: 20_000 } });
    expect(port.appended[0]).toHaveLength(10_000);
    expect([result.accepted, result.rejected]).toEqual([10_001, rejected]);
    expect(result.reasons.map(({ kind, stream }) => [kind, stream])).toEqual(
      rejected === 0 ? [] : [['too_many_streams', 's10000']],
    );
    if (rejected > 0) expect(result.message).toMatch(/at most 10000 streams.*send them in other requests/);
  });

  test('names the stream of other resources by the basin’s template', async () => {
    const port = new FakeLog();
    await send(port, nameless(log('1')), { fallback: '{service.name}' });
    expect(port.texts()).toEqual([['unknown_service', ['1']]]);
  });

  test('counts data points and records of metrics', async () => {
    const metric = field(2, field(5, [...field(1, []), ...field(1, []), ...field(1, [])]));
    const result = await send(new FakeLog(), [...resource('a', metric), ...nameless(metric, metric)], {
      signal: 'metrics',
    });
    expect(result).toMatchObject({ accepted: 3, rejected: 6, records: 1 });
    expect(result.message).toMatch(/^rejected 6 data points: /);
  });
});

describe('rejected while the rest commits', () => {
  test('are resources without a stream, with bad stream names, or of missing streams', async () => {
    const port = new FakeLog();
    const body = [
      ...nameless(log('x')),
      ...resource('', log('x'), log('x')),
      ...resource('missing', log('x')),
      ...resource('later-missing', log('x'), log('x')),
      ...resource('a', log('kept')),
    ];
    const result = await send(port, body);
    expect(result).toMatchObject({ accepted: 1, rejected: 6, records: 1 });
    expect(result.message).toMatch(/rejected 1 log record: .*OTEL_RESOURCE_ATTRIBUTES=s2\.stream/);
    expect(result.message).toMatch(/rejected 2 log records: s2\.stream is not a valid stream name/);
    expect(result.message).toMatch(/rejected 3 log records of stream "missing" and 1 more: .*create_stream_on_append/);
    expect(result.reasons.map(({ count }) => count).toSorted()).toEqual([1, 2, 3]);
    expect(port.texts()).toEqual([['a', ['kept']]]);
  });

  test('is a record one byte above 1 MiB metered, but not one of exactly 1 MiB', async () => {
    const overhead =
      RECORD_METERED_BYTES_MAX - bodyOf(Buffer.alloc(RECORD_METERED_BYTES_MAX / 2)) + RECORD_METERED_BYTES_MAX / 2;
    const filler = (bytes: number) => field(15, Buffer.alloc(bytes));
    const port = new FakeLog();
    const body = [
      ...resource('a', log('before'), log('fits', filler(overhead)), log('over', filler(overhead + 1)), log('after')),
    ];
    const result = await send(port, body);
    expect(result).toMatchObject({ accepted: 3, rejected: 1 });
    expect(result.message).toMatch(/rejected 1 log record of stream "a": .*1048576/);
    expect(port.texts()).toEqual([['a', ['before', 'fits', 'after']]]);
  });

  test('are items without a time where the stream requires one', async () => {
    const port = new FakeLog();
    const body = resource('strict', log('none'), log('timed', fixed64(1, 5_000_000n)), log('zero', fixed64(1, 0n)));
    expect(await send(port, body)).toMatchObject({
      accepted: 1,
      rejected: 2,
      message: expect.stringContaining('client-require'),
    });
    expect(port.texts()).toEqual([['strict', ['timed']]]);
    expect(Array.from(port.appended[0]?.[0]?.drafts[0]?.timestamps ?? [])).toEqual([5]);
  });

  test('is everything, and then nothing is appended', async () => {
    const port = new FakeLog();
    expect(await send(port, resource('strict', log('none')))).toMatchObject({ accepted: 0, rejected: 1, records: 0 });
    expect(port.appended).toEqual([]);
  });

  test('are streams that the caller may not append to, when at least one other is allowed', async () => {
    const port = new FakeLog();
    const body = [...resource('mine', log('1')), ...resource('theirs', log('2'))];
    const result = await send(port, body, { mayAppend: (stream) => stream === 'mine' });
    expect(result).toMatchObject({ accepted: 1, rejected: 1, reasons: [{ count: 1, stream: 'theirs' }] });
    expect(port.opened).toEqual(['mine']);
  });

  test('is reported in a message that stays short, however many reasons there are', async () => {
    const names = Array.from({ length: 900 }, (_, i) => 'x'.repeat(513 + i));
    const result = await send(
      new FakeLog(),
      names.flatMap((name) => resource(name, log('x'))),
    );
    expect(result.rejected).toBe(900);
    expect(result.message?.length).toBeLessThanOrEqual(4_096);
    expect(result.reasons.length).toBeLessThan(20);
    expect(result.reasons.reduce((sum, { count }) => sum + count, 0)).toBe(900);
  });
});

describe('large and awkward requests', () => {
  test('a resource head in many pieces is joined before it is stored', async () => {
    const port = new FakeLog();
    const pieces = Array.from({ length: 20 }, (_, i) => [
      ...field(1, field(1, [...field(1, `key ${i}`), ...field(2, field(1, `value ${i}`))])),
      ...field(2, log(String(i))),
    ]);
    const body = Uint8Array.from(field(1, [...named('a'), ...pieces.flat()]));
    await send(port, body);
    const [draft] = port.appended[0]?.[0]?.drafts ?? [];
    const rebuilt = oracle('logs', Buffer.concat(draft?.payload ?? []));
    expect(rebuilt).toEqual(oracle('logs', body));
    // The head of 20 pieces is one piece now, so each reader of a record copies one piece.
    expect(draft?.layout.length).toBeLessThan(150);
  });

  test('a large body yields to other work while it is processed', async () => {
    const port = new FakeLog();
    const frame = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
      const content = Buffer.concat(parts);
      return Buffer.concat([Buffer.from([tag, ...varint(content.length)]), content]);
    };
    const item = frame(0x12, Buffer.from(field(3, 'large')), frame(0x4a, Buffer.alloc(900_000)));
    const items = Array.from({ length: Math.ceil(YIELD_BYTES / item.length) }, () => item);
    const sending = send(port, frame(0x0a, Buffer.from(named('a')), frame(0x12, ...items, Buffer.from(log('last')))));
    expect(port.opened).toEqual([]);
    expect(await sending).toMatchObject({ accepted: items.length + 1, rejected: 0 });
    expect(port.texts()).toEqual([['a', [...items.map(() => 'large'), 'last']]]);
  });

  test('items whose resource alone exceeds the record limit are rejected', async () => {
    const port = new FakeLog();
    const head = Buffer.alloc(RECORD_METERED_BYTES_MAX);
    const large = Buffer.concat([Buffer.from([0x1a, ...varint(head.length)]), head.fill(0x20)]);
    const content = Buffer.concat([large, Buffer.from([...named('a'), ...field(2, [...log('x'), ...log('y')])])]);
    const body = Buffer.concat([
      Buffer.from([0x0a, ...varint(content.length)]),
      content,
      Buffer.from(resource('a', log('z'))),
    ]);
    expect(await send(port, body)).toMatchObject({
      accepted: 1,
      rejected: 2,
      message: expect.stringContaining('1048576'),
    });
    expect(port.texts()).toEqual([['a', ['z']]]);
  });
});

function tooLate(): never {
  throw new TailraceError('deadline_exceeded', 'over');
}

describe('a refused request', () => {
  test.each<readonly [name: string, body: Bytes, code: string, extra?: Partial<IngestOptions>]>([
    ['with bad bytes after good ones', [...resource('a', log('1')), 0x0a], 'bad_proto'],
    ['with too many records', resource('a', ...Array.from({ length: 1_001 }, () => field(2, []))), 'too_large'],
    [
      'with no allowed stream',
      [...resource('a', log('1')), ...resource('b', log('1'))],
      'permission_denied',
      { mayAppend: () => false },
    ],
    [
      'with a stream that is being deleted',
      [...resource('a', log('1')), ...resource('deleting', log('1'))],
      'stream_deletion_pending',
    ],
    ['when its client waits no more', resource('a', log('1')), 'deadline_exceeded', { expectInTime: tooLate }],
  ])('appends nothing: %s', async (_, body, code, extra = {}) => {
    const port = new FakeLog();
    expect((await refusal(send(port, body, extra))).code).toBe(code);
    expect(port.appended).toEqual([]);
  });

  test('gets the error of the log, and the next request works', async () => {
    const port = new FakeLog();
    port.fault = new TailraceError('storage_full', 'no space');
    expect((await refusal(send(port, resource('a', log('1'))))).code).toBe('storage_full');
    port.fault = undefined;
    expect(await send(port, resource('a', log('2')))).toMatchObject({ accepted: 1 });
  });
});

/** Metered bytes of a log record with this trace id and the text `fits`, in stream `a`. */
function bodyOf(filler: Uint8Array): number {
  const item = log('fits', field(9, filler));
  return meteredBytes(OTLP_HEADERS.logs, resource('a', item).length);
}

describe('what a request says of its sender', () => {
  const text = (key: string, value: string): Bytes => field(1, [...field(1, key), ...field(2, field(1, value))]);
  const sdk = [
    ...text('telemetry.sdk.name', 'opentelemetry'),
    ...text('telemetry.sdk.language', 'nodejs'),
    ...text('telemetry.sdk.version', '2.8.0'),
  ];
  const from = (attributes: Bytes, items: Bytes): Bytes => field(1, [...field(1, attributes), ...field(2, items)]);
  const at = (ms: number): Bytes => field(2, fixed64(1, BigInt(ms) * 1_000_000n));

  async function sourceOf(body: Bytes, extra: Parameters<typeof send>[2] = {}): Promise<OtlpSource> {
    const source = unknownSource();
    await send(new FakeLog(), body, { source, fallback: '{service.name}', ...extra }).catch(() => {});
    return source;
  }

  test('is the service and the SDK of the first resource, the streams, and the later time of first and last item', async () => {
    const body = [
      ...from([...text('service.name', 'checkout'), ...sdk], [...at(5_000), ...at(9_000), ...at(7_000)]),
      ...from(text('service.name', 'billing'), at(6_000)),
    ];
    expect(await sourceOf(body)).toEqual({
      service: 'checkout',
      sdk: { name: 'opentelemetry', language: 'nodejs', version: '2.8.0' },
      resources: 2,
      newestMs: 6_000,
      streams: ['checkout', 'billing'],
    });
  });

  test('is known when the request is refused later, and is not what the token sets', async () => {
    const body = from(text('service.name', 'checkout'), at(5_000));
    const resourceAttributes = new Map([['service.name', 'forced']]);
    const source = await sourceOf(body, { resourceAttributes, mayAppend: () => false });
    expect(source).toMatchObject({ service: 'checkout', sdk: undefined, resources: 1, newestMs: 5_000, streams: [] });
  });

  test('is nothing when there are no items, or what they name is no text', async () => {
    expect(await sourceOf([])).toEqual(unknownSource());
    const number = field(1, [...field(1, 'service.name'), ...field(2, [0x18, 7])]);
    expect(await sourceOf(from(number, field(2, [])))).toMatchObject({ service: '', resources: 1, newestMs: 0 });
  });

  test('is read from each head, however alike they are', async () => {
    const names = Array.from({ length: 60 }, (_, i) => `${'x'.repeat(i)}y${'x'.repeat(59 - i)}`);
    for (const name of [...names, ...names]) {
      expect(await sourceOf(from([...text('service.name', name), ...sdk], at(1)))).toMatchObject({ service: name });
    }
    const torn = field(1, [
      ...field(1, text('service.name', 'a')),
      ...field(2, at(1)),
      ...field(1, text('service.name', 'b')),
    ]);
    expect(await sourceOf(torn)).toMatchObject({ service: 'b' });
  });

  test('is cut between two characters', async () => {
    const long = `${'x'.repeat(SENDER_TEXT_CHARS_MAX - 1)}\u00fc\u00fc`;
    const { service } = await sourceOf(from(text('service.name', long), at(1)));
    expect(service).toBe('x'.repeat(SENDER_TEXT_CHARS_MAX - 1));
    const whole = 'x'.repeat(SENDER_TEXT_CHARS_MAX);
    expect((await sourceOf(from(text('service.name', whole), at(1)))).service).toBe(whole);
  });
});
