/** One record in the forms that are not a row: as OTLP has it, and what the store says of it. */

import { request } from './call.ts';
import { type ReadPage, readRows } from './read.ts';
import type { Json, RowAddress } from './rows.ts';
import { streamPath } from './streams.ts';

/** What the store knows of a record. */
export interface StoredFacts {
  /** When the server took it, in ms since the epoch. */
  readonly storedMs: number;
  readonly bodyBytes: number;
}

/** The record, and those at both sides of it. @throws WireError as `readRows` */
export async function readBeside(
  basin: string,
  { stream, seqNum }: RowAddress,
  signal: AbortSignal,
): Promise<ReadPage> {
  return readRows(basin, stream, { around: seqNum, context: 1 }, { signal });
}

/** The request of OTLP/JSON that brings this record alone; undefined for a record that is not OTLP. */
export async function readOtlpJson(
  basin: string,
  { stream, seqNum }: RowAddress,
  signal: AbortSignal,
): Promise<Json | undefined> {
  const query = { seq_num: seqNum, count: 1, view: 'otlp-json' };
  const response = await request(streamPath(stream, 'records'), { basin, query, signal });
  const [line = ''] = (await response.text()).split('\n');
  return line === '' ? undefined : (JSON.parse(line) as Json);
}

/** Undefined where the record is gone. */
export async function readStoredFacts(
  basin: string,
  { stream, seqNum }: RowAddress,
  signal: AbortSignal,
): Promise<StoredFacts | undefined> {
  const query = { seq_num: seqNum, count: 1 };
  const options = { basin, query, headers: { 'S2-Format': 'base64' }, signal };
  const response = await request(streamPath(stream, 'records'), options);
  const { records } = (await response.json()) as {
    records: readonly { seq_num: number; timestamp: number; body?: string }[];
  };
  const record = records.find(({ seq_num }) => seq_num === seqNum);
  if (record === undefined) return undefined;
  const { body = '' } = record;
  const padding = body.endsWith('==') ? 2 : body.endsWith('=') ? 1 : 0;
  return { storedMs: record.timestamp, bodyBytes: (body.length / 4) * 3 - padding };
}
