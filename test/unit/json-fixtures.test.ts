/** OTLP's own examples and the benchmark's body as JSON: the protobuf that they become is frozen. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { OTLP_LIMITS } from '../../src/model/limits.ts';
import type { Signal } from '../../src/model/record.ts';
import { transcodeJson } from '../../src/otlp/json/transcode.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { decoded, expected } from '../support/json-oracle.ts';

const EXAMPLES: readonly (readonly [Signal, string])[] = [
  ['logs', 'logs'],
  ['logs', 'events'],
  ['traces', 'trace'],
  ['metrics', 'metrics'],
];

describe('examples of OTLP', () => {
  test.each(EXAMPLES)('%s: %s.json', (signal, name) => {
    const body = fixture(`otlp/${name}.json`);
    const bytes = transcodeJson(signal, body);
    expect(Buffer.from(bytes).toString('hex')).toBe(fixture(`json/${name}.hex`).toString().replaceAll(/\s/g, ''));
    expect(decoded(signal, bytes)).toEqual(expected(signal, body));
    // What the transcoder writes, the scanner takes.
    expect(scanRequest(signal, bytes, OTLP_LIMITS).itemCount).toBeGreaterThan(0);
  });

  test.each(EXAMPLES)('%s: %s.json without spaces is the same', (signal, name) => {
    const body = fixture(`otlp/${name}.json`);
    const compact = Buffer.from(JSON.stringify(JSON.parse(body.toString())));
    expect(transcodeJson(signal, compact)).toEqual(transcodeJson(signal, body));
  });
});

test('512 log records, in JSON and in protobuf, are the same', () => {
  const bytes = transcodeJson('logs', fixture('otlp/bench-512.json'));
  expect(decoded('logs', bytes)).toEqual(decoded('logs', fixture('otlp/bench-512.pb')));
  expect(bytes.length).toBe(fixture('otlp/bench-512.pb').length);
});

test('what was handed out stays as it is', () => {
  const first = transcodeJson('traces', fixture('otlp/trace.json'));
  const copy = Uint8Array.from(first);
  transcodeJson('metrics', fixture('otlp/metrics.json'));
  expect(first).toEqual(copy);
});

test('a body that is a view of a larger buffer', () => {
  const body = fixture('otlp/logs.json');
  const larger = Buffer.concat([Buffer.from('{"junk'), body, Buffer.from(',]')]);
  const view = larger.subarray(6, 6 + body.length);
  expect(transcodeJson('logs', view)).toEqual(transcodeJson('logs', body));
});

function fixture(name: string): Buffer {
  return readFileSync(new URL(`../fixtures/${name}`, import.meta.url));
}
