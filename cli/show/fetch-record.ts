/** Fetches one record of a stream, as a row and as it is stored, and those around it. */

import type { Client } from '../../src/client/client.ts';
import type { ClientView } from '../../src/client/frames.ts';
import type { ReadFrame } from '../../src/client/reader.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { MessageRow } from '../../src/model/message-row.ts';
import type { StreamRecord } from '../../src/model/record.ts';
import { streamContents } from '../contents.ts';
import { formatStreamUri, type StreamUri } from '../flags/names.ts';

export interface RecordPlace extends StreamUri {
  /** Undefined: the last record. */
  readonly seqNum: number | undefined;
  readonly encryptionKey: string | undefined;
}

const RECONNECT_MS = 10_000;
const ABSENT: ReadonlySet<string> = new Set(['range_not_satisfiable']);

/** @throws TailraceError `not_found` with the numbers that there are; `stream_not_found` … */
export async function fetchRow(client: Client, place: RecordPlace): Promise<MessageRow> {
  for await (const frame of readOne(client, place, 'message')) {
    if (frame.type !== 'batch' || !('rows' in frame)) continue;
    const [row] = frame.rows;
    if (row !== undefined && (place.seqNum ?? row.seqNum) === row.seqNum) return row;
  }
  throw await absent(client, place);
}

/** The same record as it is stored. */
export async function fetchStored(client: Client, place: RecordPlace): Promise<StreamRecord> {
  for await (const frame of readOne(client, place, 'raw')) {
    if (frame.type !== 'batch' || !('records' in frame)) continue;
    const [record] = frame.records;
    if (record !== undefined && (place.seqNum ?? record.seqNum) === record.seqNum) return record;
  }
  throw await absent(client, place);
}

/** Records before and after one, and itself, in order. */
export async function fetchAround(
  client: Client,
  { basin, stream, encryptionKey }: RecordPlace,
  seqNum: number,
  context: number,
): Promise<readonly MessageRow[]> {
  const start = { seqNum: Math.max(0, seqNum - context) };
  const count = seqNum - start.seqNum + 1 + context;
  const rows: MessageRow[] = [];
  const bounds = { start, count, waitSeconds: 0, reconnectForMs: RECONNECT_MS } as const;
  for await (const frame of client.read(stream, { ...bounds, view: 'message', basin, encryptionKey })) {
    if (frame.type === 'batch' && 'rows' in frame) rows.push(...frame.rows);
  }
  // Of what was trimmed away, as many are left out and not replaced by later ones.
  return rows.filter((row) => row.seqNum <= seqNum + context);
}

async function* readOne<V extends ClientView>(
  client: Client,
  { basin, stream, seqNum, encryptionKey }: RecordPlace,
  view: V,
): AsyncGenerator<ReadFrame<V>> {
  const start = seqNum === undefined ? { tailOffset: 1 } : { seqNum };
  const bounds = { start, count: 1, waitSeconds: 0, reconnectForMs: RECONNECT_MS } as const;
  try {
    yield* client.read(stream, { ...bounds, view, basin, encryptionKey });
  } catch (error) {
    if (!(error instanceof TailraceError) || !ABSENT.has(error.code)) throw error;
  }
}

async function absent(client: Client, { basin, stream, seqNum }: RecordPlace): Promise<TailraceError> {
  const uri = formatStreamUri({ basin, stream });
  const { first, tail } = await streamContents(client, { basin, stream });
  if (tail === undefined) return new TailraceError('not_found', `${uri} has no such record`);
  if (first === tail) {
    const next = tail === 0 ? 'nothing was appended yet' : `the next one will be ${tail}`;
    return new TailraceError('not_found', `${uri} has no records: ${next}`);
  }
  return new TailraceError('not_found', `${uri} has no record ${seqNum}: it has ${first ?? 0}..${tail - 1}`);
}
