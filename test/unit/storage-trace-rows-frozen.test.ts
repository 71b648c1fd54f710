/** Rows of trace ids as earlier builds wrote them are read as they were meant. Frozen: never regenerate the bytes. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { summaryHash } from '../../src/storage/block/summary.ts';
import { encodeTraceRow, mayHoldTrace, TraceRow, traceFilter } from '../../src/storage/trace-rows.ts';

interface FrozenRow {
  readonly key: string;
  readonly value: string;
  readonly stream: number;
  readonly firstSeq: number;
  readonly runs: readonly {
    readonly firstSeq: number;
    readonly end: number;
    readonly lastTimestamp: number;
    readonly holds: readonly string[];
    readonly lacks: readonly string[];
  }[];
}

const FILE = fileURLToPath(new URL('../fixtures/traces/row-1.json', import.meta.url));
const frozen: FrozenRow = JSON.parse(readFileSync(FILE, 'utf8'));
const entry = { key: Buffer.from(frozen.key, 'hex'), value: Buffer.from(frozen.value, 'hex') };

test('a frozen row says of each run what was written', () => {
  const row = new TraceRow(entry);
  expect([row.stream, row.firstSeq]).toEqual([frozen.stream, frozen.firstSeq]);
  expect(row.runs).toHaveLength(frozen.runs.length);
  for (const [i, { firstSeq, end, lastTimestamp, holds, lacks }] of frozen.runs.entries()) {
    const run = row.runAt(firstSeq);
    if (run === undefined) throw new Error('no run');
    expect(run).toBe(row.runs[i]);
    expect([run.firstSeq, run.end, run.lastTimestamp]).toEqual([firstSeq, end, lastTimestamp]);
    for (const held of holds) expect([held, mayHoldTrace(run.filter, hashOf(held))]).toEqual([held, true]);
    for (const lacked of lacks) expect([lacked, mayHoldTrace(run.filter, hashOf(lacked))]).toEqual([lacked, false]);
  }
});

test('this build writes the same bytes', () => {
  const runs = frozen.runs.map(({ holds, ...run }) => {
    const filter = traceFilter([Int32Array.from(holds, hashOf)], 10_000);
    if (filter === undefined) throw new Error('no filter');
    return { ...run, filter };
  });
  const written = encodeTraceRow(frozen.stream, runs);
  expect(Buffer.from(written.key).toString('hex')).toBe(frozen.key);
  expect(Buffer.from(written.value).toString('hex')).toBe(frozen.value);
});

function hashOf(traceId: string): number {
  return summaryHash('traceIds', Buffer.from(traceId, 'hex'));
}
