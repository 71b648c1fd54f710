/** Counts and sums agree with a slow oracle over decoded records, on all signals and kinds of attributes. */

import { describe, expect, test } from '@jest/globals';
import type { StreamRead } from '../../src/log/open-reads.ts';
import type { AggregateResult } from '../../src/model/aggregate.ts';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { SYSTEM_CLOCK } from '../../src/observe/system-clock.ts';
import { GEN_AI_ALIASES } from '../../src/otlp/views/gen-ai-aliases.ts';
import { messageRows } from '../../src/otlp/views/message.ts';
import { aggregate } from '../../src/readers/aggregate/aggregate.ts';
import { type AggregateText, parseAggregate } from '../../src/readers/aggregate/parse-aggregate.ts';
import type { Block } from '../../src/storage/block/block.ts';
import { type OracleRow, oracleRows, wrongIn } from '../support/aggregate-oracle.ts';
import fc from '../support/fast-check.ts';
import { arbitraryRequest } from '../support/socket-arbitraries.ts';
import { header, otlpBlock, s2Block } from '../support/socket-blocks.ts';

const key = fc.constantFrom('1', 'service.name', '__proto__', 'constructor', '"}\n', 'n', 'm');
const attribute = fc
  .tuple(fc.constantFrom('attr', 'resource', 'scope'), key)
  .map(([owner, name]) => `${owner}.${JSON.stringify(name)}`);
const groupColumn = fc.oneof(
  fc.constantFrom('signal', 'level', 'service', 'name', 'scope', 'status', 'trace_id', 'span_id'),
  fc.constantFrom('spanType', 'llmSystem', 'model'),
  attribute,
);
const sumColumn = fc.oneof(
  fc.constantFrom('attr.n', 'attr.m', 'value'),
  fc.constantFrom('durationMs', 'inputTokens', 'outputTokens', 'cacheReadTokens', 'costMicrocents'),
  attribute,
);
const query: fc.Arbitrary<AggregateText> = fc.record({
  by: fc.uniqueArray(groupColumn, { maxLength: 3 }),
  sum: fc.option(sumColumn, { nil: undefined }),
  bucket: fc.constantFrom(undefined, '1ms', '1h'),
});

/** Items that often have numbers, and spans of callers of language models by all the names that these use. */
const aliases = Object.values(GEN_AI_ALIASES).flat();
const names = [
  ...aliases.flatMap(({ key: name, beside }) => [name, beside ?? name]),
  ...Array<string>(12).fill('n'),
  'm',
];
const text = fc.constantFrom('chat', 'LLM', 'ai.toolCall', 'gpt-4o', '', '12', '-0.25', '1e3', 'x', '9007199254740993');
const integer = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.integer());
const double = fc.oneof(
  fc.double(),
  fc.integer({ min: -5_000, max: 5_000 }).map((n) => n / 8),
);
const value = fc.oneof(
  text.map((stringValue) => ({ stringValue })),
  integer.map((given) => ({ intValue: String(given) })),
  double.map((doubleValue) => ({ doubleValue })),
);
const attributes = fc.array(fc.record({ key: fc.constantFrom(...names), value }), { maxLength: 5 });
const point = fc.oneof(
  fc.record({ attributes, asInt: integer.map(String) }),
  fc.record({ attributes, asDouble: double, flags: fc.constantFrom(0, 0, 0, 1) }),
);
const dataPoints = fc.array(point, { maxLength: 4 });
const metric = fc
  .tuple(fc.constantFrom('gauge', 'sum'), dataPoints)
  .map(([kind, points]) => ({ [kind]: { dataPoints: points } }));
const name = fc.constantFrom('a', 'b');
const severityNumber = fc.nat(24);
const time = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
const ITEMS: Readonly<Record<Signal, readonly [string, string, string, fc.Arbitrary<object>]>> = {
  logs: ['resourceLogs', 'scopeLogs', 'logRecords', fc.record({ severityNumber, attributes })],
  traces: [
    'resourceSpans',
    'scopeSpans',
    'spans',
    fc.record({ name, attributes, startTimeUnixNano: time, endTimeUnixNano: time }),
  ],
  metrics: ['resourceMetrics', 'scopeMetrics', 'metrics', metric],
};

function numericRequest(signal: Signal): fc.Arbitrary<object> {
  const [resources, scopes, items, item] = ITEMS[signal];
  const list = fc.array(item, { minLength: 1, maxLength: 30 });
  return list.map((all) => ({ [resources]: [{ [scopes]: [{ [items]: all }] }] }));
}

/** A read of one block. */
function readOf(block: Block): StreamRead {
  const tail = { seqNum: block.firstSeq + block.header.count, timestamp: 0 };
  const event = {
    type: 'records',
    block,
    from: 0,
    to: block.header.count,
    tail,
    isShared: false,
    isLive: false,
    hasMore: false,
  } as const;
  return Object.assign(
    (async function* () {
      yield event;
    })(),
    { position: block.firstSeq, isScanning: false, park: async () => {} },
  ) as unknown as StreamRead;
}

async function resultOf(block: Block, text: AggregateText): Promise<AggregateResult> {
  const options = { clock: SYSTEM_CLOCK, tail: Number.MAX_SAFE_INTEGER, signal: new AbortController().signal };
  const more = { msMax: undefined, hasPartial: false, reserve: () => {} };
  for await (const result of aggregate(readOf(block), parseAggregate(text), { ...options, ...more })) return result;
  throw new Error('no result');
}

function expected(signal: Signal, block: Block, text: AggregateText): ReadonlyMap<string, readonly OracleRow[]> {
  const groups = new Map<string, OracleRow[]>();
  const rows = messageRows(block, 0, block.header.count);
  for (const [i, row] of rows.entries()) {
    const record = { signal, timestamp: block.timestamp(i), message: block.record(i).body, row };
    for (const each of oracleRows(parseAggregate(text), record)) {
      const name = JSON.stringify([each.bucket, each.names]);
      groups.set(name, [...(groups.get(name) ?? []), each]);
    }
  }
  return groups;
}

const seen = { sums: 0, groups: 0 };

function check(text: AggregateText, result: AggregateResult, right: ReadonlyMap<string, readonly OracleRow[]>): void {
  const { by } = parseAggregate(text);
  const wrong: string[] = [];
  for (const row of result.rows) {
    const name = JSON.stringify([row.bucket ?? 0, by.map((column) => row.group?.[column.name] ?? null)]);
    const all = right.get(name);
    seen.groups++;
    if ((row.values ?? 0) > 0) seen.sums++;
    const fault = all === undefined ? 'there is no such group' : wrongIn(row, all);
    if (fault !== undefined) wrong.push(`${name}: ${fault}`);
  }
  expect([text, wrong, result.rows.length]).toEqual([text, [], right.size]);
}

/** A span without an end is open: its second record would count once, which unit tests look at. */
function isOnce(signal: Signal, block: Block): boolean {
  if (signal !== 'traces') return true;
  const ids = messageRows(block, 0, block.header.count).map(({ traceId, spanId }) => `${traceId} ${spanId}`);
  return new Set(ids).size === ids.length || ids.every((id) => id === 'undefined undefined');
}

async function checkBoth(signal: Signal, request: object, texts: readonly AggregateText[]): Promise<void> {
  let block: Block;
  try {
    block = await otlpBlock(signal, request, 5);
  } catch {
    return;
  }
  if (!isOnce(signal, block)) return;
  const headers = [header('otel.signal', signal)];
  const bodies = Array.from({ length: block.header.count }, (_, i) => ({
    headers,
    timestamp: block.timestamp(i),
    body: block.record(i).body,
  }));
  const plain = await s2Block(bodies, 5);
  for (const text of texts) {
    const right = expected(signal, block, text);
    check(text, await resultOf(block, text), right);
    check(text, await resultOf(plain, text), right);
  }
}

describe.each(SIGNALS)('%s', (signal) => {
  test.each([
    ['any request', arbitraryRequest(signal), 50],
    ['requests with many numbers', numericRequest(signal), 60],
  ])(
    'what is counted and summed of %s is what the oracle counts and sums, as OTLP and as S2 records',
    async (_, requests, numRuns) => {
      const queries = fc.array(query, { minLength: 4, maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(requests, queries, (request, texts) => checkBoth(signal, request, texts)),
        { numRuns },
      );
    },
  );

  test('the requests had enough groups and sums', () => {
    expect(Math.min(seen.groups, seen.sums)).toBeGreaterThan(25);
    Object.assign(seen, { groups: 0, sums: 0 });
  });
});
