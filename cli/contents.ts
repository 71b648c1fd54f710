/** What a basin or a stream holds, for somebody who is about to remove it. What cannot be found out is left out. */

import type { Client } from '../src/client/client.ts';
import { TailraceError } from '../src/model/error.ts';
import type { StreamUri } from './flags/names.ts';
import { counted, formatBytes } from './print/format.ts';

/** Records from `first` up to the tail; undefined for what the caller may not know. */
export interface StreamContents {
  readonly first: number | undefined;
  readonly tail: number | undefined;
  readonly bytes: number | undefined;
}

export interface BasinContents {
  readonly streams: number;
  readonly records: number | undefined;
  /** Whether there are more records: of very many streams only some are looked at. */
  readonly hasMore: boolean;
  readonly bytes: number | undefined;
}

/** Streams of a basin whose records are counted, and how many at a time. */
const STREAMS_LOOKED_AT = 1_000;
const STREAMS_AT_ONCE = 50;

/** @throws TailraceError `stream_not_found`, and whatever is wrong with server or token */
export async function streamContents(client: Client, { basin, stream }: StreamUri): Promise<StreamContents> {
  const tail = await ifAllowed(client.checkTail(stream, { basin }));
  const [first, bytes] = await Promise.all([
    tail?.seqNum === 0 ? 0 : ifAllowed(firstSeqNum(client, { basin, stream })),
    storedBytes(client, { basin, stream }),
  ]);
  return { first, tail: tail?.seqNum, bytes };
}

/** @throws TailraceError `basin_not_found`, and whatever is wrong with server or token */
export async function basinContents(client: Client, basin: string): Promise<BasinContents> {
  let [streams, records, hasMore]: [number, number | undefined, boolean] = [0, 0, false];
  let page: string[] = [];
  const add = async () => {
    const counts = await Promise.all(page.map((stream) => recordsIn(client, { basin, stream })));
    for (const count of counts) records = records === undefined || count === undefined ? undefined : records + count;
    page = [];
  };
  for await (const { name } of client.listStreams({ basin })) {
    streams += 1;
    hasMore = streams > STREAMS_LOOKED_AT;
    if (hasMore) continue;
    page.push(name);
    if (page.length === STREAMS_AT_ONCE) await add();
  }
  await add();
  return { streams, records, hasMore, bytes: await storedBytes(client, { basin }) };
}

/** `3 records, 1.2 KiB` */
export function contentsText({ first, tail, bytes }: StreamContents): string {
  const records = tail === undefined ? 'an unknown number of records' : recordsText(first, tail);
  return [records, ...bytesText(bytes)].join(', ');
}

/** `2 streams, 3 records, 1.2 KiB` */
export function basinContentsText({ streams, records, hasMore, bytes }: BasinContents): string {
  const count = records === undefined ? 'an unknown number of records' : counted(records, 'record');
  return [counted(streams, 'stream'), hasMore ? `more than ${count}` : count, ...bytesText(bytes)].join(', ');
}

/** The same for scripts; null for what is not known. */
export function streamContentsJson({ first, tail, bytes }: StreamContents) {
  const records = first === undefined || tail === undefined ? null : tail - first;
  return { streams: 1, records, bytes: bytes ?? null };
}

/** The same for a basin. */
export function basinContentsJson({ streams, records, hasMore, bytes }: BasinContents) {
  return { streams, records: records === undefined || hasMore ? null : records, bytes: bytes ?? null };
}

function recordsText(first: number | undefined, tail: number): string {
  return first === undefined ? `up to ${counted(tail, 'record')}` : counted(tail - first, 'record');
}

function bytesText(bytes: number | undefined): string[] {
  return bytes === undefined ? [] : [formatBytes(bytes)];
}

async function recordsIn(client: Client, uri: StreamUri): Promise<number | undefined> {
  try {
    const tail = (await client.checkTail(uri.stream, { basin: uri.basin })).seqNum;
    return tail === 0 ? 0 : tail - ((await ifAllowed(firstSeqNum(client, uri))) ?? 0);
  } catch (error) {
    // It may be deleted meanwhile, and one of very many is not worth an error.
    if (error instanceof TailraceError) return GONE.has(error.code) ? 0 : undefined;
    throw error;
  }
}

const GONE: ReadonlySet<string> = new Set(['stream_not_found', 'stream_deletion_pending']);

/** Undefined when the stream has no records, or they cannot be read without a key. */
async function firstSeqNum(client: Client, { basin, stream }: StreamUri): Promise<number | undefined> {
  const bounds = { start: { seqNum: 0 }, clamp: true, count: 1, waitSeconds: 0, reconnectForMs: 0 } as const;
  for await (const frame of client.read(stream, { ...bounds, view: 'text', basin })) {
    if (frame.type === 'gap') return frame.to;
    if (frame.type === 'batch') return frame.next.seqNum - 1;
    if (frame.type === 'caught_up') return frame.tail.seqNum;
  }
  return undefined;
}

/** Metered bytes as the server counts them now. */
async function storedBytes(
  client: Client,
  where: { readonly basin: string; readonly stream?: string },
): Promise<number | undefined> {
  const end = Math.floor(Date.now() / 1_000);
  const metrics = await ifAllowed(client.metrics({ set: 'storage', start: end - 3_600, end, ...where }));
  return metrics?.[0]?.gauge?.values.at(-1)?.[1];
}

/** Undefined when the token does not allow the call, or the records are encrypted. */
async function ifAllowed<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof TailraceError && UNKNOWABLE.has(error.code)) return undefined;
    throw error;
  }
}

const UNKNOWABLE: ReadonlySet<string> = new Set(['permission_denied', 'bad_header', 'range_not_satisfiable']);
