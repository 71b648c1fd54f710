/** Resources that repeat a head: each goes to the stream of its own bytes, and blocks tell of the same services. */

import { expect, test } from '@jest/globals';
import { draftBlocks } from '../../src/otlp/draft-blocks.ts';
import { Rejections } from '../../src/otlp/rejections.ts';
import { routeResource } from '../../src/otlp/routing/route.ts';
import { type Routing, sortResources } from '../../src/otlp/routing/sort-resources.ts';
import type { ScannedRequest } from '../../src/otlp/scan/columns.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import fc from '../support/fast-check.ts';
import { field } from '../support/otlp-wire.ts';

type Bytes = readonly number[];

const FALLBACK = 'of-{service.name}';
const LONG = 'x'.repeat(2_000);

const attribute = (key: string, value: string): Bytes => field(1, [...field(1, key), ...field(2, field(1, value))]);
const resource = (...attributes: readonly Bytes[]): Bytes => field(1, attributes.flat());
const SCOPE: Bytes = field(2, field(2, field(5, field(1, 'a body'))));

/** Some differ in one byte, some behind much that is equal, some are in two pieces, and some have no stream. */
const CONTAINERS: readonly Bytes[] = [
  [...resource(attribute('s2.stream', 'a')), ...SCOPE],
  [...resource(attribute('s2.stream', 'b')), ...SCOPE],
  [...resource(attribute('s2.stream', 'a'), attribute('service.name', 'one')), ...SCOPE],
  [...resource(attribute('s2.stream', 'a'), attribute('service.name', 'two')), ...SCOPE],
  [...resource(attribute('service.name', 'one')), ...SCOPE],
  [...resource(attribute('long', LONG), attribute('s2.stream', 'a')), ...SCOPE],
  [...resource(attribute('long', LONG), attribute('s2.stream', 'b')), ...SCOPE],
  [...resource(attribute('s2.stream', 'a')), ...SCOPE, ...resource(attribute('s2.stream', 'b'))],
  [...resource(attribute('s2.stream', 'a')), ...SCOPE, ...resource(attribute('s2.stream', 'c'))],
  [...resource(attribute('s2.stream', '\n')), ...SCOPE],
  SCOPE,
].map((container) => field(1, container));

const chosen = fc.array(fc.nat(CONTAINERS.length - 1), { minLength: 1, maxLength: 120, size: 'max' });

function scanOf(containers: readonly number[]): ScannedRequest {
  const body = Uint8Array.from(containers.flatMap((i) => CONTAINERS[i] ?? []));
  return scanRequest('logs', body, { requestRecordsMax: 1_000 });
}

function sorted(scanned: ScannedRequest) {
  const rejections = new Rejections();
  const routing: Routing = {
    fallback: FALLBACK,
    stamper: undefined,
    required: [],
    recordBytesMax: 1_048_576,
    services: undefined,
    row: 0,
    stamped: 0,
    known: [],
  };
  const streams = new Map<string, number[]>();
  while (routing.row < scanned.resourceCount) sortResources(scanned, routing, streams, rejections);
  return { streams, rejected: rejections.count };
}

test('resources go where each one alone would, in their order, whatever heads are in between', () => {
  fc.assert(
    fc.property(chosen, (containers) => {
      const scanned = scanOf(containers);
      const expected = new Map<string, number[]>();
      let rejected = 0;
      for (let row = 0; row < scanned.resourceCount; row++) {
        const route = routeResource(scanned, row, { fallback: FALLBACK });
        if ('stream' in route) expected.set(route.stream, [...(expected.get(route.stream) ?? []), row]);
        else rejected += 1;
      }
      expect(sorted(scanned)).toEqual({ streams: expected, rejected });
    }),
  );
});

test('a head counts as that of another resource only where all its bytes are the same', () => {
  let alike = 0;
  fc.assert(
    fc.property(chosen, (containers) => {
      const scanned = scanOf(containers);
      sorted(scanned);
      for (const [row, container] of containers.entries()) {
        const like = scanned.resourceLike[row] ?? -1;
        expect(like).toBeLessThanOrEqual(row);
        expect(containers[like]).toBe(container);
        if (like < row) alike += 1;
      }
    }),
  );
  expect(alike).toBeGreaterThan(1_000);
});

test('the summary of a block is the same when it is known which heads are alike', () => {
  fc.assert(
    fc.property(chosen, (containers) => {
      const [one, other] = [scanOf(containers), scanOf(containers)];
      sorted(one);
      expect(summariesOf(one)).toEqual(summariesOf(other));
    }),
  );
});

function summariesOf(scanned: ScannedRequest) {
  const rows = Array.from({ length: scanned.resourceCount }, (_, row) => row);
  return draftBlocks(scanned, rows, { timeRequired: false, summaryBytesMin: 0, reject: () => {} }).map(
    ({ summary }) => summary,
  );
}
