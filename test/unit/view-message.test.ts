/** The `message` view: every column of every signal, every type of value, and records that are not OTLP. */

import { describe, expect, test } from '@jest/globals';
import { messageRows } from '../../src/otlp/views/message.ts';
import type { Block } from '../../src/storage/block/block.ts';
import { header, otlpBlock, otlpBytes, s2Block, T0 } from '../support/socket-blocks.ts';
import { EVERY_ATTRIBUTE_JSON, LOGS, METRICS, TRACES } from '../support/socket-requests.ts';

const TIME = '2023-11-14T22:13:20.123456789Z';
const RESOURCE_ROW = { 'service.name': 'checkout', 'host.cpus': 4 };
const SCOPE_ROW = { name: 'my.scope', version: '1.2', attributes: { 'scope.flag': true } };

/** Rows as a client receives them. */
function rowsOf(block: Block, from = 0, to = block.header.count): Record<string, unknown>[] {
  return JSON.parse(JSON.stringify(messageRows(block, from, to))) as Record<string, unknown>[];
}

describe('the message view of logs', () => {
  test('shows a log record with every field', async () => {
    const [row] = rowsOf(await otlpBlock('logs', LOGS, 41));
    const { metadata, ...rest } = row ?? {};
    expect(rest).toEqual({
      seqNum: 41,
      timestamp: TIME,
      signal: 'logs',
      type: 'payment',
      body: 'payment failed',
      level: 'error',
      severityText: 'ERROR',
      serviceName: 'checkout',
      resource: RESOURCE_ROW,
      scope: SCOPE_ROW,
      traceId: '5b8efff798038103d269b633813fc60c',
      spanId: 'eee19b7ec3c1b174',
      observedTimestamp: '2023-11-14T22:13:20.123456790Z',
    });
    expect(JSON.stringify(metadata)).toBe(JSON.stringify(JSON.parse(EVERY_ATTRIBUTE_JSON)));
  });

  test('shows every attribute type, exactly as JSON text', async () => {
    const block = await otlpBlock('logs', LOGS);
    expect(JSON.stringify(messageRows(block, 0, 1)[0]?.metadata)).toBe(EVERY_ATTRIBUTE_JSON);
  });

  test('shows the observed time without a time of its own, then the time of the record', async () => {
    const [, second, third] = rowsOf(await otlpBlock('logs', LOGS));
    expect(second).toMatchObject({ timestamp: TIME, level: 'warn', body: { safe: 9007199254740991, nan: 'NaN' } });
    expect(third).toEqual({
      seqNum: 2,
      timestamp: expect.stringMatching(/^2023-11-14T22:13:20\.\d{9}Z$/),
      signal: 'logs',
      level: 'audit',
      severityText: 'AUDIT',
      metadata: {},
      resource: {},
    });
  });

  test.each([
    [1, '', 'debug'],
    [8, '', 'debug'],
    [9, 'whatever', 'info'],
    [16, '', 'warn'],
    [20, '', 'error'],
    [21, '', 'fatal'],
    [24, '', 'fatal'],
    [25, 'Critical', 'fatal'],
    [0, 'TRACE', 'debug'],
    [0, 'Information', 'info'],
    [0, '', undefined],
  ])('maps severity %i %j to level %s', async (severityNumber, severityText, level) => {
    const logRecords = [{ severityNumber, severityText, body: { stringValue: 'x' } }];
    const [row] = rowsOf(await otlpBlock('logs', { resourceLogs: [{ scopeLogs: [{ logRecords }] }] }));
    expect(row?.level).toBe(level);
  });

  test('shows the rows of a part of a block', async () => {
    const block = await otlpBlock('logs', LOGS, 10);
    const all = rowsOf(block);
    expect(rowsOf(block, 1, 3)).toEqual(all.slice(1, 3));
    expect(rowsOf(block, 2, 2)).toEqual([]);
  });
});

test('the message view shows spans', async () => {
  const [full, bare] = rowsOf(await otlpBlock('traces', TRACES, 7));
  const { metadata, ...rest } = full ?? {};
  expect(rest).toEqual({
    seqNum: 7,
    timestamp: TIME,
    signal: 'traces',
    type: 'GET /cart',
    kind: 'server',
    serviceName: 'checkout',
    resource: RESOURCE_ROW,
    scope: SCOPE_ROW,
    traceId: '5b8efff798038103d269b633813fc60c',
    spanId: 'eee19b7ec3c1b174',
    parentSpanId: 'eee19b7ec3c1b173',
    traceState: 'a=b',
    endTimestamp: '2023-11-14T22:13:20.135956790Z',
    durationMs: 12.500001,
    status: { code: 'error', message: 'boom' },
    events: [{ timestamp: '2023-11-14T22:13:20.123456794Z', name: 'retry', attributes: { n: 2 } }],
    links: [
      {
        traceId: '5b8efff798038103d269b633813fc60c',
        spanId: 'eee19b7ec3c1b173',
        traceState: 'c=d',
        attributes: { string: 'a "quoted" ü' },
      },
    ],
  });
  expect(metadata).toEqual(JSON.parse(EVERY_ATTRIBUTE_JSON));
  expect(bare).toMatchObject({ seqNum: 8, type: 'bare', status: { code: 'unset' }, events: [], links: [] });
  expect(bare).not.toHaveProperty('durationMs');
  expect(bare).not.toHaveProperty('endTimestamp');
  expect(bare).not.toHaveProperty('parentSpanId');
});

test('the message view shows metrics of every kind', async () => {
  const rows = rowsOf(await otlpBlock('metrics', METRICS));
  const point = { timestamp: TIME, startTimestamp: '2023-11-14T22:13:20.123455789Z', attributes: { route: '/' } };
  expect(rows.map((row) => [row.type, row.kind, row.timestamp === TIME])).toEqual([
    ['temperature', 'gauge', true],
    ['requests', 'sum', true],
    ['latency', 'histogram', true],
    ['size', 'exponentialHistogram', true],
    ['quantiles', 'summary', true],
    ['nothing', undefined, false],
  ]);
  expect(rows[0]).toMatchObject({ unit: 'Cel', description: 'How warm it is', metadata: { source: 'roof' } });
  expect(rows.map((row) => row.dataPoints)).toEqual([
    [
      { ...point, value: 21.5 },
      { ...point, value: 'NaN', noRecordedValue: true },
    ],
    [
      {
        ...point,
        value: '9007199254740993',
        exemplars: [
          {
            timestamp: '2023-11-14T22:13:20.123456784Z',
            value: 7,
            traceId: '5b8efff798038103d269b633813fc60c',
            spanId: 'eee19b7ec3c1b174',
            attributes: { user: 'u' },
          },
        ],
      },
    ],
    [
      { ...point, count: 3, sum: 6.5, min: 1, max: 4, bucketCounts: [1, 2], explicitBounds: [2] },
      { ...point, count: 0, bucketCounts: [0], explicitBounds: [] },
    ],
    [
      {
        ...point,
        count: 5,
        sum: 10,
        scale: -1,
        zeroCount: 1,
        zeroThreshold: 0.5,
        positive: { offset: -2, bucketCounts: [1, 3] },
        negative: { offset: 0, bucketCounts: [] },
      },
    ],
    [
      {
        ...point,
        count: 2,
        sum: 3,
        quantiles: [
          { quantile: 0.5, value: 1 },
          { quantile: 1, value: 2 },
        ],
      },
    ],
    [],
  ]);
  expect(rows[1]).toMatchObject({ temporality: 'cumulative', monotonic: true });
  expect(rows[2]).toMatchObject({ temporality: 'delta' });
});

describe('records appended through S2', () => {
  const oneLog = otlpBytes('logs', {
    resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: 'by hand' } }] }] }],
  });
  const twoLogs = Buffer.concat([oneLog, oneLog]);
  const oneSpan = otlpBytes('traces', { resourceSpans: [{ scopeSpans: [{ spans: [{ name: 's' }] }] }] });

  test('are shown as OTLP when they say so and hold one item; the others keep their body', async () => {
    const block = await s2Block([
      { headers: [header('otel.signal', 'logs')], body: oneLog },
      { headers: [header('otel.signal', 'traces')], body: oneSpan },
      { headers: [header('otel.signal', 'logs')], body: twoLogs },
      { headers: [header('otel.signal', 'traces')], body: Buffer.from([0xff, 0xff]) },
      { headers: [header('otel.signal', 'profiles')], body: 'text' },
      { headers: [header('a', 'b'), header('a', 'c')], body: 'plain ü' },
      { body: Buffer.from([0xc3, 0x28]), headers: [header('k', 'v')] },
      {},
    ]);
    const rows = rowsOf(block);
    expect(rows.map((row) => row.seqNum)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(rows.map((row) => row.signal)).toEqual(['logs', 'traces', null, null, null, null, null, null]);
    expect(rows[0]).toMatchObject({ body: 'by hand', timestamp: '2023-11-14T22:13:20.000000000Z' });
    expect(rows[4]).toEqual({
      seqNum: 4,
      timestamp: new Date(T0).toISOString().replace('000Z', '000000000Z'),
      signal: null,
      headers: [['otel.signal', 'profiles']],
      body: 'text',
    });
    expect(rows[5]).toMatchObject({
      headers: [
        ['a', 'b'],
        ['a', 'c'],
      ],
      body: 'plain ü',
    });
    expect(rows[6]).toMatchObject({ headers: [['aw==', 'dg==']], body: 'wyg=', encoding: 'base64' });
    expect(rows[7]).toMatchObject({ headers: [], body: '' });
  });
});
