/** What comes over a reader's WebSocket, typed. */

import { type ErrorDetail, TailraceError } from '../model/error.ts';
import type { MessageRow } from '../model/message-row.ts';
import type { Position } from '../model/position.ts';
import { type Header, SIGNALS, type Signal, type StreamRecord } from '../model/record.ts';
import { describedError } from './failures.ts';

/** The views that the WebSocket protocol offers. */
export type ClientView = 'raw' | 'otlp' | 'otlp-json' | 'message' | 'text';

/** What a batch holds, by view. */
export interface BatchContent {
  /** Records with their exact bytes. */
  readonly raw: { readonly records: readonly StreamRecord[] };
  /** One binary `LogsData`, `TracesData` or `MetricsData` message with the records [first, next). */
  readonly otlp: {
    readonly signal: Signal;
    readonly first: number;
    /** How many records it holds; a filter leaves out others between them. */
    readonly count: number;
    readonly message: Uint8Array;
  };
  /** OTLP/JSON requests with the OTLP records among [first, next). */
  readonly 'otlp-json': { readonly first: number; readonly count: number; readonly requests: readonly object[] };
  readonly message: { readonly rows: readonly MessageRow[] };
  readonly text: { readonly lines: readonly string[] };
}

/** Records in order. `next` is where a later read goes on: after everything of this batch. */
export type BatchFrame<V extends ClientView> = BatchContent[V] & {
  readonly type: 'batch';
  readonly next: Position;
};

/** Everything that is not records. */
export type ControlFrame =
  /** The first frame of each connection. The id differs when a stream was deleted and made again. */
  | { readonly type: 'hello'; readonly streamId: string; readonly basin: string | undefined }
  /** The reader has reached the tail. */
  | { readonly type: 'caught_up'; readonly tail: Position }
  /** Nothing new for some seconds. */
  | { readonly type: 'heartbeat'; readonly tail: Position | undefined }
  /** Sequence numbers [from, to) were trimmed away before they were read. */
  | { readonly type: 'gap'; readonly from: number; readonly to: number }
  /** So many records from `from` on are not OTLP: the `otlp` view has nothing to show for them. */
  | { readonly type: 'skipped'; readonly from: number; readonly count: number; readonly next: Position }
  /** The filter wants no other record before `next`. */
  | { readonly type: 'passed'; readonly next: Position };

/** What one text or binary message means, still with what only the session needs. */
export type WireFrame =
  | ControlFrame
  | BatchFrame<'raw'>
  | BatchFrame<'otlp'>
  | BatchFrame<'otlp-json'>
  | BatchFrame<'message'>
  | BatchFrame<'text'>
  | ({ readonly type: 'positions' } & Omit<BatchContent['otlp'], 'message'> & { readonly next: Position })
  | { readonly type: 'error'; readonly error: TailraceError };

/** Everything that is not records, where many streams are read together. */
export type ManyControlFrame =
  /** The first frame of each connection. */
  | { readonly type: 'hello'; readonly basin: string | undefined }
  /** These streams are there, each from a position on; another id than before is another stream. */
  | { readonly type: 'joined'; readonly streams: readonly JoinedStream[] }
  /** No more comes of a stream, and why: it was deleted, or this reader cannot read it. */
  | {
      readonly type: 'left';
      readonly stream: string;
      readonly streamId: string | undefined;
      readonly error: TailraceError;
    }
  /** The reader has everything of so many streams. */
  | { readonly type: 'caught_up'; readonly streams: number }
  | { readonly type: 'heartbeat'; readonly streams: number }
  | (Extract<ControlFrame, { readonly type: 'gap' | 'skipped' | 'passed' }> & { readonly stream: string });

export interface JoinedStream {
  readonly stream: string;
  readonly streamId: string;
  readonly seqNum: number;
}

/** What a connection gives to the reader that it is of. */
export type SessionFrame = WireFrame | ManyControlFrame;

/** The subprotocol of each view, and the format to ask for beside it. Base64 keeps bytes that are not UTF-8. */
export const PROTOCOLS: Readonly<Record<ClientView, { readonly name: string; readonly format?: string }>> = {
  raw: { name: 's2.json', format: 'base64' },
  otlp: { name: 'otlp.proto' },
  'otlp-json': { name: 'otlp.json' },
  message: { name: 'view.json' },
  text: { name: 'view.text' },
};

type Json = Readonly<Record<string, unknown>>;

/**
 * Parses one text frame; those of `view.json` spell their names as its rows do. Unknown types are undefined: a newer server may say more.
 * @throws TailraceError `bad_json` when the frame is not what the protocol says.
 */
export function parseTextFrame(text: string): SessionFrame | undefined {
  const json = parseObject(text);
  const many = manyFrame(json);
  if (many !== undefined) return many;
  const frame = oneFrame(json);
  // A hello has a stream too, and is the same for a reader of one.
  if (frame === undefined || frame.type === 'hello' || typeof json.stream !== 'string') return frame;
  return Object.assign(frame, { stream: json.stream });
}

/** Frames that only a reader of many streams gets. */
function manyFrame(json: Json): ManyControlFrame | undefined {
  const { type, streams } = json;
  if (type === 'joined' && Array.isArray(streams)) return { type, streams: streams.map(joinedStream) };
  if ((type === 'caught_up' || type === 'heartbeat') && typeof streams === 'number') return { type, streams };
  if (type === 'hello' && json.stream === undefined && (json.stream_id ?? json.streamId) === undefined) {
    return { type, basin: stringOrNone(json.basin) };
  }
  if (type !== 'left') return undefined;
  const streamId = stringOrNone(json.stream_id ?? json.streamId);
  return { type, stream: String(json.stream), streamId, error: errorOf(json) };
}

function joinedStream(value: unknown): JoinedStream {
  const json = value as Json;
  const seqNum = json.seq_num ?? json.seqNum;
  if (typeof json.stream !== 'string' || typeof seqNum !== 'number')
    throw malformed('a stream has no name or position');
  return { stream: json.stream, streamId: String(json.stream_id ?? json.streamId), seqNum };
}

function oneFrame(json: Json): WireFrame | undefined {
  switch (json.type) {
    case 'batch':
      return batch(json);
    case 'positions':
      return positions(json);
    case 'hello':
      return { type: 'hello', streamId: String(json.stream_id ?? json.streamId), basin: stringOrNone(json.basin) };
    case 'caught_up':
      return { type: 'caught_up', tail: position(json.tail) };
    case 'heartbeat':
      return { type: 'heartbeat', tail: json.tail === undefined ? undefined : position(json.tail) };
    case 'passed':
      return { type: 'passed', next: position(json.next) };
    case 'gap':
      return { type: 'gap', from: seqOf(json.from), to: seqOf(json.to) };
    case 'error':
      return { type: 'error', error: errorOf(json) };
    default:
      return undefined;
  }
}

/** How many records a batch covers: what counts toward `count`. */
export function recordsIn(frame: BatchFrame<ClientView>): number {
  if ('records' in frame) return frame.records.length;
  if ('rows' in frame) return frame.rows.length;
  if ('lines' in frame) return frame.lines.length;
  return frame.count;
}

function batch(json: Json): WireFrame {
  const next = position(json.next);
  if (Array.isArray(json.rows)) return { type: 'batch', rows: json.rows as MessageRow[], next };
  if (Array.isArray(json.lines)) return { type: 'batch', lines: json.lines.map(String), next };
  if (Array.isArray(json.records)) return { type: 'batch', records: json.records.map(recordOf), next };
  if (Array.isArray(json.requests)) {
    const first = seqOf(json.first);
    return { type: 'batch', first, count: countOf(json, first, next), requests: json.requests as object[], next };
  }
  throw malformed('a batch has neither records, rows, lines nor requests');
}

function positions(json: Json): WireFrame {
  const [first, next] = [seqOf(json.first), position(json.next)];
  const signal = SIGNALS.find((known) => known === json.signal);
  const count = countOf(json, first, next);
  if (signal === undefined) return { type: 'skipped', from: first, count, next };
  return { type: 'positions', signal, first, count, next };
}

/** Without a word they are all those up to `next`. */
function countOf(json: Json, first: number, next: Position): number {
  return typeof json.count === 'number' ? json.count : next.seqNum - first;
}

/** A record in JSON, with its bytes in base64. @throws TailraceError `bad_json` */
export function recordOf(value: unknown): StreamRecord {
  const json = value as Json;
  const headers = Array.isArray(json.headers) ? json.headers.map(header) : [];
  return { ...positionOf(json), headers, body: bytes(json.body) };
}

function header(value: unknown): Header {
  if (!Array.isArray(value)) throw malformed('a header is not a pair');
  return [bytes(value[0]), bytes(value[1])];
}

function bytes(value: unknown): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value, 'base64') : new Uint8Array();
}

function position(value: unknown): Position {
  if (typeof value !== 'object' || value === null) throw malformed('a position is missing');
  return positionOf(value as Json);
}

function positionOf(json: Json): Position {
  const seqNum = json.seq_num ?? json.seqNum;
  if (typeof seqNum !== 'number' || typeof json.timestamp !== 'number') {
    throw malformed('a position has no sequence number or timestamp');
  }
  return { seqNum, timestamp: json.timestamp };
}

/** A sequence number alone or inside a position. */
function seqOf(value: unknown): number {
  if (typeof value === 'number') return value;
  return position(value).seqNum;
}

function stringOrNone(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function errorOf(json: Json): TailraceError {
  const retryAfter = json.retry_after ?? json.retryAfter;
  const retry = typeof retryAfter === 'number' ? { retryAfterSeconds: retryAfter } : {};
  const tail = typeof json.tail === 'object' && json.tail !== null ? { tail: position(json.tail) } : {};
  const detail: ErrorDetail = { ...tail, ...retry };
  const code = typeof json.code === 'string' ? json.code : 'internal';
  return describedError(code, typeof json.message === 'string' ? json.message : code, detail);
}

function parseObject(text: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Json;
  } catch (cause) {
    throw new TailraceError('bad_json', 'a frame from the server is not JSON', { cause });
  }
  throw malformed('it is not an object');
}

function malformed(what: string): TailraceError {
  return new TailraceError('bad_json', `a frame from the server makes no sense: ${what}`);
}
