/** Resource attributes that a token sets: every wire form of a forgery fails, and everything else stays. */

import { describe, expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import { RECORD_METERED_BYTES_MAX, STAMPED_BYTES_MAX } from '../../src/model/limits.ts';
import type { TimestampingMode } from '../../src/model/stream-config.ts';
import { ingest } from '../../src/otlp/ingest.ts';
import type { IngestResult } from '../../src/otlp/ingest-result.ts';
import type { IngestOptions } from '../../src/otlp/ports.ts';
import type { BlockDraft } from '../../src/storage/block/seal.ts';
import { field, oracle, varint } from '../support/otlp-wire.ts';

type Bytes = readonly number[];

interface FakeStream {
  readonly name: string;
  readonly config: { readonly timestampingMode: TimestampingMode };
}

interface Stored {
  readonly stream: string;
  readonly drafts: readonly BlockDraft[];
}

const text = (value: string): Bytes => field(1, value);
const attribute = (key: string, value: Bytes): Bytes => field(1, [...field(1, key), ...field(2, value)]);
const resource = (...fields: readonly Bytes[]): Bytes => field(1, fields.flat());
const log = (body: string, ...more: readonly Bytes[]): Bytes => field(2, [...field(5, text(body)), ...more.flat()]);
const scope = (...fields: readonly Bytes[]): Bytes => field(2, fields.flat());
const request = (...fields: readonly Bytes[]): Bytes => field(1, fields.flat());
const TENANT = new Map([['tenant', 'mine']]);

async function send(body: Iterable<number>, extra: Partial<IngestOptions> & { readonly fallback?: string } = {}) {
  const stored: Stored[] = [];
  const port = {
    openStream: (_: unknown, name: string): FakeStream => ({ name, config: { timestampingMode: 'client-prefer' } }),
    append: async (appends: readonly { stream: FakeStream; drafts: readonly BlockDraft[] }[]) => {
      stored.push(...appends.map(({ stream, drafts }) => ({ stream: stream.name, drafts })));
    },
  };
  const basin = { name: 'telemetry', config: { otlpDefaultStream: extra.fallback ?? 'all' } };
  const options = { limits: { requestRecordsMax: 100_000 }, resourceAttributes: TENANT, ...extra };
  const bytes = Uint8Array.from(body);
  const result = await ingest(port, basin, { signal: 'logs', encoding: 'protobuf', body: bytes }, options);
  return { result, stored, payload: Buffer.concat(stored.flatMap(({ drafts }) => drafts.flatMap((d) => d.payload))) };
}

/** What protobufjs finds in the one stored resource. */
async function resourceOf(body: Iterable<number>, extra?: Partial<IngestOptions>) {
  const { payload } = await send(body, extra);
  const [item] = oracle('logs', payload);
  return item?.resource.resource as {
    attributes: { key?: string; value?: unknown }[];
    droppedAttributesCount?: number;
  };
}

const mine = { key: 'tenant', value: { stringValue: 'mine' } };

describe('a forged value of a set attribute is removed', () => {
  const forged = attribute('tenant', text('theirs'));
  test.each<readonly [string, Bytes]>([
    ['no resource at all', scope(log('x'))],
    ['an empty resource', [...resource(), ...scope(log('x'))]],
    ['once', [...resource(forged), ...scope(log('x'))]],
    ['several times', [...resource(forged, forged, attribute('tenant', text('more'))), ...scope(log('x'))]],
    ['in a second resource message', [...resource(), ...resource(forged), ...scope(log('x'))]],
    ['in each of two', [...resource(forged), ...resource(forged), ...scope(log('x'))]],
    ['after the scopes', [...resource(), ...scope(log('x')), ...resource(forged)]],
    ['between the scopes', [...scope(log('x')), ...resource(forged), ...scope(log('y')), ...resource(forged)]],
    ['as a number', [...resource(attribute('tenant', [0x18, 5])), ...scope(log('x'))]],
    ['as a list', [...resource(attribute('tenant', field(5, field(1, text('theirs'))))), ...scope(log('x'))]],
    ['without a value', [...resource(field(1, field(1, 'tenant'))), ...scope(log('x'))]],
    [
      'with the key after the value',
      [...resource(field(1, [...field(2, text('x')), ...field(1, 'tenant')])), ...scope(log('x'))],
    ],
    [
      'with another key before it',
      [...resource(field(1, [...field(1, 'other'), ...field(1, 'tenant')])), ...scope(log('x'))],
    ],
    ['with a tag in two bytes', [...resource([0x8a, 0, ...forged.slice(1)]), ...scope(log('x'))]],
    ['in a resource with a tag in two bytes', [0x8a, 0, ...resource(forged).slice(1), ...scope(log('x'))]],
    [
      'with a length in three bytes',
      [...resource([0x0a, ...varint(forged.length - 2, 2), ...forged.slice(2)]), ...scope(log('x'))],
    ],
    [
      'with unknown fields in the attribute',
      [...resource(field(1, [...field(1, 'tenant'), ...field(77, 'x')])), ...scope(log('x'))],
    ],
  ])('when it is written as %s', async (_, content) => {
    expect((await resourceOf(request(content))).attributes).toEqual([mine]);
  });

  test('but an attribute whose last key is another one stays', async () => {
    const changed = field(1, [...field(1, 'tenant'), ...field(1, 'other'), ...field(2, text('x'))]);
    expect((await resourceOf(request(resource(changed), scope(log('x'))))).attributes).toEqual([
      { key: 'other', value: { stringValue: 'x' } },
      mine,
    ]);
  });
});

describe('stamping keeps', () => {
  test('other keys, including other letter case and nested keys', async () => {
    const nested = field(6, attribute('tenant', text('nested')));
    const body = request(
      resource(attribute('Tenant', text('a')), attribute('tenant.id', text('b')), attribute('deep', nested)),
      scope(log('x')),
    );
    expect((await resourceOf(body)).attributes).toEqual([
      { key: 'Tenant', value: { stringValue: 'a' } },
      { key: 'tenant.id', value: { stringValue: 'b' } },
      { key: 'deep', value: { kvlistValue: { values: [{ key: 'tenant', value: { stringValue: 'nested' } }] } } },
      mine,
    ]);
  });

  test('the count of dropped attributes, unknown fields of every kind, and the schema', async () => {
    const unknown = [...field(99, 'unknown in resource'), ...[0x75, 1, 2, 3, 4], ...[0x6b, 0x08, 1, 0x6c]];
    const body = request(
      resource([0x10, 7], unknown, attribute('tenant', text('theirs'))),
      field(3, 'https://schema'),
      field(98, 'unknown beside it'),
      scope(log('x')),
    );
    const { payload } = await send(body);
    expect((await resourceOf(body)).droppedAttributesCount).toBe(7);
    expect(payload.includes(Buffer.from(unknown))).toBe(true);
    expect(payload.includes('unknown beside it')).toBe(true);
    expect(oracle('logs', payload)[0]?.resource.schemaUrl).toBe('https://schema');
    expect(payload.includes('theirs')).toBe(false);
  });

  test('attributes of scopes and records', async () => {
    const scopeHead = field(1, [...field(1, 'lib'), ...field(3, [...field(1, 'tenant'), ...field(2, text('scope'))])]);
    const record = log('x', field(6, [...field(1, 'tenant'), ...field(2, text('record'))]));
    const { payload } = await send(request(resource(), scope(scopeHead, record)));
    const [item] = oracle('logs', payload);
    expect(item?.scope).toMatchObject({ scope: { attributes: [{ key: 'tenant', value: { stringValue: 'scope' } }] } });
    expect(item?.item).toMatchObject({ attributes: [{ key: 'tenant', value: { stringValue: 'record' } }] });
  });
});

describe('set attributes', () => {
  const set = (key: string, value: string) => ({ resourceAttributes: new Map([[key, value]]) });

  test('route: a set s2.stream wins, whatever the sender says', async () => {
    const body = [
      ...request(resource(attribute('s2.stream', text('theirs'))), scope(log('1'))),
      ...request(scope(log('2'))),
      ...request(resource(attribute('s2.stream', [0x18, 1])), scope(log('3'))),
    ];
    const { stored, result } = await send(body, set('s2.stream', 'ours'));
    expect(stored.map(({ stream }) => stream)).toEqual(['ours']);
    expect(result).toMatchObject({ accepted: 3, rejected: 0 });
  });

  test('are available to templates', async () => {
    const body = request(resource(attribute('service.name', text('theirs'))), scope(log('1')));
    const { stored } = await send(body, { ...set('service.name', 'ours'), fallback: 'of-{service.name}' });
    expect(stored.map(({ stream }) => stream)).toEqual(['of-ours']);
  });

  test('count in the size of records', async () => {
    const fits = 'x'.repeat(RECORD_METERED_BYTES_MAX - 600);
    const body = request(scope(log(fits), log('small')));
    expect((await send(body, set('k', 'v'))).result).toMatchObject({ accepted: 2 });
    const { result, stored } = await send(body, set('k', 'v'.repeat(600)));
    expect(result).toMatchObject({ accepted: 1, rejected: 1, reasons: [{ kind: 'too_large' }] });
    expect(stored[0]?.drafts.reduce((sum, { count }) => sum + count, 0)).toBe(1);
  });

  test('of many small resources do not take gigabytes', async () => {
    const attributes = new Map([['k', 'v'.repeat(4_000)]]);
    const one = request(scope(log('')));
    const most = Math.floor(STAMPED_BYTES_MAX / 4_016);
    const fits = Array.from({ length: most - 100 }, () => one).flat();
    const result: IngestResult = (await send(fits, { resourceAttributes: attributes })).result;
    expect(result.accepted).toBe(most - 100);
    const tooMany = Array.from({ length: most + 100 }, () => one).flat();
    const error = await send(tooMany, { resourceAttributes: attributes }).catch((thrown: unknown) => thrown);
    expect((error as TailraceError).code).toBe('too_large');
  });

  test('reserve memory first, and without it nothing is stored', async () => {
    const attributes = new Map([['k', 'v'.repeat(4_000)]]);
    const body = Array.from({ length: 1_000 }, () => request(scope(log('')))).flat();
    const asked: number[] = [];
    await send(body, { resourceAttributes: attributes, reserve: (bytes) => asked.push(bytes) });
    expect(asked).toEqual([...asked].sort((a, b) => a - b));
    expect(asked.at(-1)).toBeGreaterThan(2 * 1_000 * 4_000);
    const refuse = (bytes: number): void => {
      if (bytes > 1_000_000) throw new TailraceError('overloaded', 'no memory');
    };
    await expect(send(body, { resourceAttributes: attributes, reserve: refuse })).rejects.toMatchObject({
      code: 'overloaded',
    });
    asked.length = 0;
    await send(request(scope(log('x'))), { resourceAttributes: new Map(), reserve: (bytes) => asked.push(bytes) });
    expect(asked).toEqual([]);
  });

  test('copy no scopes: those of a whole resource are the bytes of the request', async () => {
    const stored: BlockDraft[] = [];
    const port = {
      openStream: () => ({ config: { timestampingMode: 'client-prefer' as const } }),
      append: async (appends: readonly { drafts: readonly BlockDraft[] }[]) => {
        stored.push(...appends.flatMap(({ drafts }) => drafts));
      },
    };
    const body = Uint8Array.from(request(resource(), scope(log('1'), log('2')), field(3, 'schema')));
    const options = { limits: { requestRecordsMax: 10 }, resourceAttributes: TENANT };
    const basin = { name: 'telemetry', config: { otlpDefaultStream: 'all' } };
    await ingest(port, basin, { signal: 'logs', encoding: 'protobuf', body }, options);
    expect(stored[0]?.payload.map((part) => part.buffer === body.buffer)).toEqual([false, true]);
  });
});
