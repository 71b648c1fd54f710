/** For any request: the views show what protobufjs shows, and no view throws or lets control characters through. */

import { describe, expect, test } from '@jest/globals';
import { OTLP_LIMITS } from '../../src/model/limits.ts';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { transcodeJson } from '../../src/otlp/json/transcode.ts';
import { leaveOutGroups } from '../../src/otlp/leave-out-groups.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { messageRows } from '../../src/otlp/views/message.ts';
import { otlpRuns } from '../../src/otlp/views/otlp.ts';
import { otlpJson } from '../../src/otlp/views/otlp-json.ts';
import { textLines } from '../../src/otlp/views/text.ts';
import { readBatchProto } from '../../src/s2/batch/proto.ts';
import type { Block } from '../../src/storage/block/block.ts';
import fc from '../support/fast-check.ts';
import { oracle, requestBytes } from '../support/otlp-wire.ts';
import { shareOf } from '../support/share-of.ts';
import { arbitraryRequest } from '../support/socket-arbitraries.ts';
import { header, otlpBlock, otlpBytes, otlpType, s2Block } from '../support/socket-blocks.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: these must not get through
const HARMFUL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;
const RUNS = { numRuns: shareOf(100) };

function decoded(signal: Signal, message: Uint8Array): unknown {
  const type = otlpType(signal);
  return type.toObject(type.decode(message), { longs: String, bytes: String, json: true });
}

/** Items in order, as text: the content of a message, whatever its containers are. */
function items(signal: Signal, message: Uint8Array): string[] {
  const names = { logs: 'Logs', traces: 'Spans', metrics: 'Metrics' } as const;
  const list = { logs: 'logRecords', traces: 'spans', metrics: 'metrics' } as const;
  type Plain = Record<string, Plain[]>;
  const data = decoded(signal, message) as Plain;
  return (data[`resource${names[signal]}`] ?? []).flatMap((resource) =>
    (resource[`scope${names[signal]}`] ?? []).flatMap((scope) =>
      (scope[list[signal]] ?? []).map((item) =>
        JSON.stringify([resource.resource, resource.schemaUrl, scope.scope, scope.schemaUrl, item]),
      ),
    ),
  );
}

function checkEveryView(block: Block, from: number, to: number): void {
  const rows = messageRows(block, from, to);
  const seqNums = Array.from({ length: to - from }, (_, i) => block.firstSeq + from + i);
  expect(rows.map((row) => row.seqNum)).toEqual(seqNums);
  JSON.parse(JSON.stringify(rows));
  const lines = textLines(block, from, to);
  expect(lines).toHaveLength(to - from);
  for (const line of lines) expect(HARMFUL.test(line)).toBe(false);
  readBatchProto([{ block, from, to }], undefined);
}

describe.each(SIGNALS)('%s', (signal) => {
  test('the JSON view, parsed again, is the request', () => {
    fc.assert(
      fc.property(arbitraryRequest(signal), (request) => {
        const bytes = otlpBytes(signal, request);
        const json = otlpJson(signal, bytes);
        expect(decoded(signal, transcodeJson(signal, Buffer.from(json)))).toEqual(decoded(signal, bytes));
      }),
      RUNS,
    );
  });

  test('every view shows each item once, in order, in any part of the block', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryRequest(signal), fc.nat(), fc.nat(), async (request, a, b) => {
        const bytes = otlpBytes(signal, request);
        const expected = items(signal, bytes);
        if (expected.length === 0) return;
        const block = await otlpBlock(signal, request, 5);
        expect(block.header.count).toBe(expected.length);
        const [from, to] = [a % (expected.length + 1), b % (expected.length + 1)].sort((x, y) => x - y) as [
          number,
          number,
        ];
        checkEveryView(block, from, to);
        checkEveryView(block, 0, expected.length);
        const messages = otlpRuns(block, from, to).map((run) => run.message);
        expect(items(signal, Buffer.concat(messages))).toEqual(expected.slice(from, to));
      }),
      RUNS,
    );
  });
});

test.each(SIGNALS)(
  'what is left of any request of %s without its groups has the same items, and no group',
  (signal) => {
    const withGroups = { seen: 0 };
    fc.assert(
      fc.property(requestBytes(signal), (request) => {
        const bytes = Buffer.from(request);
        const { hasGroups } = scanRequest(signal, bytes, OTLP_LIMITS);
        const left = Buffer.from(leaveOutGroups(signal, bytes));
        withGroups.seen += Number(hasGroups);
        expect(oracle(signal, left)).toEqual(oracle(signal, bytes));
        expect(scanRequest(signal, left, OTLP_LIMITS).hasGroups).toBe(false);
        if (!hasGroups) expect(left).toEqual(bytes);
      }),
      RUNS,
    );
    expect(withGroups.seen).toBeGreaterThan(RUNS.numRuns / 10);
  },
);

test('records that claim to be OTLP and hold anything never break a view', async () => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    arbitraryRequest('logs').map((request) => otlpBytes('logs', request)),
    arbitraryRequest('traces').map((request) => otlpBytes('traces', request)),
  );
  const record = fc.record({ body, signal: fc.constantFrom('logs', 'traces', 'metrics', 'x', '') });
  await fc.assert(
    fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 8 }), async (claims) => {
      const block = await s2Block(
        claims.map((claim) => ({ body: claim.body, headers: [header('otel.signal', claim.signal)] })),
      );
      checkEveryView(block, 0, claims.length);
      const runs = otlpRuns(block, 0, claims.length);
      expect(runs.map((run) => run.from)).toEqual([0, ...runs.slice(0, -1).map((run) => run.to)]);
      expect(runs.at(-1)?.to).toBe(claims.length);
      for (const run of runs) {
        if (run.signal !== undefined) expect(items(run.signal, run.message)).toHaveLength(run.to - run.from);
      }
    }),
    RUNS,
  );
});
