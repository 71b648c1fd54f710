/** Finds where the last records of a stream begin that a filter wants. */

import { formatStreamUri, type StreamUri } from './flags/names.ts';
import type { RecordReading } from './record-sink.ts';

/** Where they are rare it looks back for so long. */
const LOOK_BACK_MS = 10_000;
const PAGE_RECORDS = 1_000;

export interface LookBack {
  /** The last ones, oldest first, at most as many as were asked for. */
  readonly found: readonly { readonly seqNum: number; readonly timestamp: number }[];
  /** Whoever reads on from here misses nothing that comes later. */
  readonly tail: number;
  /** Where it stopped looking, because it took too long. */
  readonly stoppedAt: number | undefined;
}

/**
 * Looks back from the tail, or from before a sequence number.
 * @throws TailraceError from the reads
 */
export async function lookBack(
  {
    connection,
    filter,
    encryptionKey,
    signal,
  }: Pick<RecordReading, 'connection' | 'filter' | 'encryptionKey' | 'signal'>,
  { basin, stream }: StreamUri,
  lines: number,
  end?: number,
): Promise<LookBack> {
  const until = performance.now() + LOOK_BACK_MS;
  let found: { seqNum: number; timestamp: number }[] = [];
  let [before, tail] = [end, end];
  for (;;) {
    const options = { before, limit: Math.min(lines - found.length, PAGE_RECORDS), filter, encryptionKey, signal };
    const page = await connection.client.readBack(stream, { ...options, basin });
    // What comes after the first look is read as it comes.
    tail ??= page.nextSeqNum;
    found = [...page.records.map(({ seqNum, timestamp }) => ({ seqNum, timestamp })), ...found];
    before = page.nextBefore;
    if (found.length >= lines || page.isAtStart) return { found, tail, stoppedAt: undefined };
    if (performance.now() >= until) return { found, tail, stoppedAt: before };
  }
}

/** What the user is told when not the whole stream was looked at. */
export function lookedBackText(uri: StreamUri, stoppedAt: number): string {
  return `looked back to record ${stoppedAt} for what the filter wants; \`tailrace read ${formatStreamUri(uri)} -s 0\` looks at all`;
}
