/** Rows of summaries as earlier builds wrote them are read as they were meant. Frozen: never regenerate the bytes. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { Summary, type SummaryPart, summaryHash } from '../../src/storage/block/summary.ts';
import { encodeSummaryRow, SummaryRow } from '../../src/storage/summary-rows.ts';

interface FrozenRow {
  readonly key: string;
  readonly value: string;
  readonly stream: number;
  readonly firstSeq: number;
  readonly blocks: readonly {
    readonly kind: 's2' | 'logs' | 'traces' | 'metrics';
    readonly end: number;
    readonly lastTimestamp: number;
    readonly summary: string;
    readonly holds: readonly (readonly [part: SummaryPart, text: string])[];
    readonly lacks: readonly (readonly [part: SummaryPart, text: string])[];
  }[];
}

const FILE = fileURLToPath(new URL('../fixtures/summaries/row-1.json', import.meta.url));
const frozen: FrozenRow = JSON.parse(readFileSync(FILE, 'utf8'));
const entry = { key: Buffer.from(frozen.key, 'hex'), value: Buffer.from(frozen.value, 'hex') };

test('a frozen row says of each block what was written', () => {
  const row = new SummaryRow(entry);
  expect([row.stream, row.firstSeq, row.blocks]).toEqual([frozen.stream, frozen.firstSeq, frozen.blocks.length]);
  for (const [i, block] of frozen.blocks.entries()) {
    expect([row.kindOf(i), row.endOf(i), row.lastTimestampOf(i)]).toEqual([block.kind, block.end, block.lastTimestamp]);
    const bytes = row.summaryOf(i);
    expect(Buffer.from(bytes).toString('hex')).toBe(block.summary);
    const mayHold = ([part, text]: readonly [SummaryPart, string]) =>
      Summary.of(bytes)?.mayHold(part, summaryHash(part, Buffer.from(text))) ?? true;
    for (const held of block.holds) expect([held, mayHold(held)]).toEqual([held, true]);
    for (const lacked of block.lacks) expect([lacked, mayHold(lacked)]).toEqual([lacked, false]);
  }
});

test('this build writes the same bytes', () => {
  let start = frozen.firstSeq;
  const blocks = frozen.blocks.map(({ kind, end, lastTimestamp, summary }) => {
    const count = end - start;
    start = end;
    return { kind, count, lastTimestamp, summary: Buffer.from(summary, 'hex'), storedBytes: 100_000 };
  });
  const written = encodeSummaryRow(frozen.stream, frozen.firstSeq, blocks);
  expect(Buffer.from(written.key).toString('hex')).toBe(frozen.key);
  expect(Buffer.from(written.value).toString('hex')).toBe(frozen.value);
});
