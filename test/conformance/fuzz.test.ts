/**
 * Mutated protobuf and JSON bodies against a real server. It never crashes, returns only allowed statuses, and stores
 * no record that protobufjs cannot decode and no half request.
 */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { OTLP_LIMITS } from '../../src/model/limits.ts';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { encodeJsonFixture, itemsOf } from '../support/otlp-items.ts';
import { readStream } from '../support/read-back.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { shareOf } from '../support/share-of.ts';
import { seededRandom } from '../support/writers.ts';

const BODIES = Number(process.env.TAILRACE_TEST_FUZZ ?? shareOf(4_000));
const SEED = Number(process.env.TAILRACE_TEST_SEED ?? 20_261_121);
const ALLOWED = new Set([200, 400, 413]);

const FILES: Readonly<Record<Signal, string>> = { logs: 'logs.json', traces: 'trace.json', metrics: 'metrics.json' };

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
});

describe('mutated bodies', () => {
  test.each(['protobuf', 'json'] as const)(
    `are answered and stored whole or refused: ${BODIES} bodies as %s (seed ${SEED})`,
    async (encoding) => {
      const random = seededRandom(SEED);
      const seeds = seedBodies(encoding);
      const accepted = { logs: 0, traces: 0, metrics: 0 };
      const before = await storedItems();
      for (let i = 0; i < BODIES; i += 16) {
        await Promise.all(
          Array.from({ length: 16 }, async () => {
            const signal = SIGNALS[Math.floor(random() * 3)] ?? 'logs';
            const body = mutate(seeds[signal], random);
            const { status, answer } = await post(signal, encoding, body);
            expect(ALLOWED).toContain(status);
            if (status === 200)
              accepted[signal] += records(signal, encoding, body) - rejectedRecords(signal, answer, encoding);
          }),
        );
      }
      const after = await storedItems();
      // A metric counts as one record but may reject many data points, so metrics are compared only with what decodes.
      expect(after.logs - before.logs).toBe(accepted.logs);
      expect(after.traces - before.traces).toBe(accepted.traces);
      expect(accepted.logs + accepted.traces).toBeGreaterThan(0);
      expect((await fetch(`${server.url}/health`)).status).toBe(200);
    },
    120_000,
  );
});

function seedBodies(encoding: 'protobuf' | 'json'): Record<Signal, Buffer> {
  const body = (signal: Signal): Buffer => {
    const text = readFileSync(new URL(`../fixtures/otlp/${FILES[signal]}`, import.meta.url));
    const json = withStream(text, `fuzz-${signal}`);
    return encoding === 'json' ? json : encodeJsonFixture(signal, json);
  };
  return { logs: body('logs'), traces: body('traces'), metrics: body('metrics') };
}

function withStream(text: Buffer, stream: string): Buffer {
  const attribute = `{"key":"s2.stream","value":{"stringValue":"${stream}"}},`;
  return Buffer.from(text.toString().replace(/"attributes"\s*:\s*\[/, (found) => found + attribute));
}

/** One to four random edits: a bit, a byte, a cut, a repeat, a swap of two parts. */
function mutate(seed: Buffer, random: () => number): Buffer {
  let body = Buffer.from(seed);
  const at = (): number => Math.floor(random() * body.length);
  for (let edits = Math.floor(random() * 4); edits >= 0; edits--) {
    const kind = Math.floor(random() * 6);
    const from = at();
    const to = Math.min(body.length, from + Math.floor(random() * 40));
    if (kind === 0) body[from] = (body[from] ?? 0) ^ (1 << Math.floor(random() * 8));
    else if (kind === 1) body[from] = Math.floor(random() * 256);
    else if (kind === 2) body = Buffer.concat([body.subarray(0, from), body.subarray(to)]);
    else if (kind === 3) body = Buffer.concat([body.subarray(0, to), body.subarray(from)]);
    else if (kind === 4) body = body.subarray(0, from + 1);
    // kind 5 leaves the body as it is: valid ones must be among them
  }
  return body;
}

async function post(
  signal: Signal,
  encoding: 'protobuf' | 'json',
  body: Buffer,
): Promise<{ status: number; answer: Buffer }> {
  const contentType = encoding === 'json' ? 'application/json' : 'application/x-protobuf';
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': contentType };
  const answer = await fetch(`${server.url}/v1/${signal}`, { method: 'POST', headers, body });
  return { status: answer.status, answer: Buffer.from(await answer.arrayBuffer()) };
}

/** Items that a body holds, by the slow oracle, which reads no string that is not UTF-8: those are repaired first. */
function records(signal: Signal, encoding: 'protobuf' | 'json', body: Buffer): number {
  if (encoding === 'protobuf') scanRequest(signal, body, OTLP_LIMITS);
  return itemsOf(signal, body, encoding === 'json').length;
}

function rejectedRecords(signal: Signal, answer: Buffer, encoding: 'protobuf' | 'json'): number {
  if (answer.length === 0 || signal === 'metrics') return 0;
  const field = signal === 'logs' ? 'rejectedLogRecords' : 'rejectedSpans';
  if (encoding === 'json') {
    const parsed = JSON.parse(answer.toString()) as { partialSuccess?: Record<string, string> };
    return Number(parsed.partialSuccess?.[field] ?? 0);
  }
  // ExportPartialSuccess { rejected = 1 varint } inside field 1 of the response.
  return answer[2] === 0x08 ? readVarint(answer, 3) : 0;
}

function readVarint(bytes: Buffer, at: number): number {
  let value = 0;
  for (let shift = 0, i = at; ; i++, shift += 7) {
    const byte = bytes[i] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return value;
  }
}

/** Items in every stream of the server, each record decoded by protobufjs; throws for one that cannot be decoded. */
async function storedItems(): Promise<Record<Signal, number>> {
  const headers = { authorization: `Bearer ${server.token}`, 's2-basin': 'telemetry' };
  const counts = { logs: 0, traces: 0, metrics: 0 };
  let startAfter = '';
  for (;;) {
    const answer = await fetch(`${server.url}/v1/streams?start_after=${encodeURIComponent(startAfter)}`, { headers });
    const page = (await answer.json()) as { streams: { name: string }[]; has_more: boolean };
    for (const { name } of page.streams) {
      for (const { headers: recordHeaders, body } of await readStream(server, name)) {
        const signal = recordHeaders[0]?.[1] as Signal;
        expect(itemsOf(signal, body, false)).toHaveLength(1);
        counts[signal]++;
      }
    }
    if (!page.has_more) return counts;
    startAfter = page.streams.at(-1)?.name ?? '';
  }
}
