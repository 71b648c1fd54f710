/**
 * The words that S2's calls on streams share: which stream is meant, and the headers of the data plane. Everything that
 * a call says is parsed before anything is looked up, in S2's order, so a refused call never makes a stream.
 */

import type { IncomingHttpHeaders } from 'node:http';
import type { Principal } from '../../access/grant.ts';
import { holderOf } from '../../access/tickets.ts';
import type { QueryNames } from '../../encoding/known-names.ts';
import { existingBasin } from '../../log/basins.ts';
import { commandType } from '../../log/check-batch.ts';
import { wrongKey } from '../../log/decrypt.ts';
import type { Stream } from '../../log/stream.ts';
import type { AggregateQuery } from '../../model/aggregate.ts';
import { TailraceError } from '../../model/error.ts';
import { streamNameFault } from '../../model/names.ts';
import type { ReadRange } from '../../model/read-range.ts';
import type { RecordInput } from '../../model/record.ts';
import type { StreamConfigRequest } from '../../model/stream-config.ts';
import type { View } from '../../model/view.ts';
import { parseAggregate } from '../../readers/aggregate/parse-aggregate.ts';
import { FROM_OLDEST } from '../../readers/aggregate/run-aggregate.ts';
import { type BackQuery, expectForward, parseBackQuery } from '../../s2/back-query.ts';
import type { JsonFormat } from '../../s2/batch/json.ts';
import { parseStreamConfigHeader } from '../../s2/config-json.ts';
import { parseEncryptionKey } from '../../s2/encryption-key.ts';
import { formatInHeader, parseFormat, parseReadParams, parseView, readRangeOf, single } from '../../s2/read-query.ts';
import { type Delivered, parseLastEventId, SSE_CONTENT_TYPE } from '../../s2/sse.ts';
import { authorize, authorizeAs, identify, type NamedBasinDeps, type RecordDeps } from '../context.ts';
import type { Exchange } from '../exchange.ts';
import { nameInPath } from '../router.ts';

/** The stream that a call is about. Neither the basin nor the stream need exist. */
export interface StreamName {
  readonly basin: string;
  readonly stream: string;
}

/** An append before its body: what its path and headers say. The stream's name is the one it is kept under. */
export interface AppendCall extends StreamName {
  /** Who asks: what stays open by their token ends with it. */
  readonly principal: Principal;
  /** How bytes are written in a JSON body; what the header says counts for that alone. */
  readonly format: JsonFormat;
  /** As it was sent, decoded; empty when that was no base64. Not judged unless the stream is encrypted. */
  readonly encryptionKey: Uint8Array | undefined;
  /** What a stream gets that this call makes. */
  readonly streamConfig: StreamConfigRequest | undefined;
}

/** A read: as an append, and what to read. */
export interface ReadCall extends AppendCall {
  readonly mode: ReadMode;
  /** As the query gives it: a unary read has tighter bounds, a resumed one goes on elsewhere. */
  readonly range: ReadRange;
  /** Where it goes backwards to; undefined for a read that goes forward, as `range` says. */
  readonly back: BackQuery | undefined;
  /** Which records are wanted, as it was asked; none for all. */
  readonly filter: readonly string[];
  /** How they are to look; `raw` is S2's form. */
  readonly view: View;
  /** The media type that the client asks for first. */
  readonly accepted: string;
  /** What a client of SSE says that it has; the other forms don't look at that. */
  readonly delivered: Delivered | undefined;
}

/** The ways to append, and to read. */
export type AppendMode = 'json' | 'proto' | 's2s';
export type ReadMode = 'unary' | 'sse' | 's2s';

/** How a GET of records reads, as its headers say. */
export function readModeOf(headers: Pick<IncomingHttpHeaders, 'accept' | 'content-type'>): ReadMode {
  if (wireFormOf(firstMediaType(headers['content-type'])) === 's2s') return 's2s';
  return firstMediaType(headers.accept) === SSE_CONTENT_TYPE ? 'sse' : 'unary';
}

/** The query parameters of calls on one stream, and on all streams of a basin. */
export const IN_BASIN: QueryNames = { once: ['basin'] };

const ENCRYPTION_KEY_BYTES = 32;

/**
 * The call of an append. S2-Format counts for a JSON body alone.
 * @throws TailraceError `bad_header`, `bad_path`, `authn`, `permission_denied`
 */
export function parseAppendCall(exchange: Exchange, segment: string, deps: RecordDeps, mode: AppendMode): AppendCall {
  const name = nameOf(exchange, segment, deps);
  const principal = authorizeAppend(exchange, name, deps);
  return { ...keptName(principal, name), principal, ...dataPlaneOf(exchange, mode === 'json') };
}

/**
 * The call of a read. S2-Format is looked at even where the response will be protobuf, but not by s2s.
 * @throws TailraceError as `parseAppendCall`, and `bad_query`, `invalid`
 */
export function parseReadCall(exchange: Exchange, segment: string, deps: RecordDeps, mode: ReadMode): ReadCall {
  const { principal, name } = readerOf(exchange, segment, deps, mode);
  const query = new URLSearchParams(exchange.query);
  const params = parseReadParams(query);
  if (mode !== 'sse' && query.has('ticket')) throw new TailraceError('bad_query', TICKET_ELSEWHERE);
  const [back, filter] = [parseBackQuery(query), query.getAll('filter')];
  if (mode !== 'unary') expectForward(query);
  const view = viewOf(query, mode);
  const dataPlane = dataPlaneOf(exchange, mode !== 's2s');
  // The EventSource of a page sends no headers.
  const format = single(query, 'format') === undefined ? dataPlane.format : parseFormat(query, undefined);
  const eventId = mode === 'sse' ? headerOf(exchange, 'last-event-id') : undefined;
  const delivered = eventId === undefined ? undefined : parseLastEventId(eventId);
  const accepted = firstMediaType(exchange.request.headers.accept);
  const shape = { ...dataPlane, format, mode, back, filter, view, accepted, delivered };
  return { ...keptName(principal, name), principal, ...shape, range: readRangeOf(params) };
}

/** @throws TailraceError `bad_query` for a view that the protocol cannot carry */
export function viewOf(query: URLSearchParams, mode: ReadMode): View {
  const view = parseView(query) ?? 'raw';
  if (mode === 's2s' && view !== 'raw') {
    throw new TailraceError('bad_query', `the frames of s2s are S2's: read the view ${view} over HTTP or WebSocket`);
  }
  if (mode === 'sse' && view === 'otlp') {
    throw new TailraceError('bad_query', 'server-sent events are text: ask for the view otlp-json instead of otlp');
  }
  return view;
}

/** A call that counts and sums records: as a read, and what of them. */
export interface AggregateCall extends AppendCall {
  readonly mode: 'unary' | 'sse';
  readonly range: ReadRange;
  readonly filter: readonly string[];
  readonly query: AggregateQuery;
}

export const AGGREGATE_PARAMETERS: QueryNames = {
  once: ['sum', 'bucket', 'seq_num', 'timestamp', 'tail_offset', 'clamp', 'count', 'bytes', 'until', 'basin', 'ticket'],
  many: ['by', 'filter'],
};

/** @throws TailraceError as `parseReadCall` */
export function parseAggregateCall(
  exchange: Exchange,
  segment: string,
  deps: RecordDeps,
  mode: AggregateCall['mode'],
): AggregateCall {
  const { principal, name } = readerOf(exchange, segment, deps, mode);
  const params = new URLSearchParams(exchange.query);
  const range = readRangeOf(parseReadParams(params));
  const hasStart = ['seq_num', 'timestamp', 'tail_offset'].some((start) => params.has(start));
  return {
    ...keptName(principal, name),
    principal,
    ...dataPlaneOf(exchange, false),
    mode,
    range: hasStart ? range : { ...range, start: FROM_OLDEST },
    filter: params.getAll('filter'),
    query: parseAggregate({
      sum: single(params, 'sum'),
      by: params.getAll('by'),
      bucket: single(params, 'bucket'),
    }),
  };
}

/** Who reads which stream. The EventSource of a page sends no headers: it shows a ticket, which knows its basin. */
function readerOf(exchange: Exchange, segment: string, deps: RecordDeps, mode: ReadMode) {
  const secret = mode === 'sse' ? single(new URLSearchParams(exchange.query), 'ticket') : undefined;
  if (secret === undefined) {
    const name = nameOf(exchange, segment, deps);
    return { name, principal: authorize(exchange, deps, { operation: 'read', ...name }) };
  }
  const ticket = deps.access.redeem(secret);
  const name = {
    basin: basinNamed(exchange, deps) ?? ticket.basin,
    stream: nameInPath(segment, streamNameFault),
  };
  const principal = holderOf(ticket, name.basin, name.stream);
  authorizeAs(exchange, deps, principal, { operation: 'read', ...name });
  return { name, principal };
}

/**
 * The stream of a call, made by the basin's policy when it is not there. An encrypted one needs its key right away, so
 * that a session that lacks it is refused before it begins.
 * @throws TailraceError `basin_not_found`, `stream_not_found`, `basin_deletion_pending`, `stream_deletion_pending`,
 *   `bad_header`
 */
export async function openCalled(call: AppendCall, purpose: 'append' | 'read', deps: RecordDeps): Promise<Stream> {
  const { encryptionKey, streamConfig } = call;
  const stream = await deps.log.openStream(existingBasin(deps.log, call.basin), call.stream, purpose, streamConfig);
  if (stream.cipher !== undefined && encryptionKey?.length !== ENCRYPTION_KEY_BYTES) {
    throw wrongKey(call.stream, stream.cipher, encryptionKey);
  }
  return stream;
}

/**
 * A batch may hold records that need other operations: commands have theirs, and a caller who may do one of the
 * three gets as far as the batch.
 */
function authorizeAppend(exchange: Exchange, name: StreamName, deps: RecordDeps): Principal {
  const principal = identify(exchange, deps);
  const kept = principal.absolute(name.stream);
  const operation = APPEND_OPERATIONS.find((one) => principal.allows(one, name.basin, kept)) ?? 'append';
  authorizeAs(exchange, deps, principal, { operation, ...name });
  if (principal.token !== undefined && principal.token.resourceAttributes.size > 0) {
    // A record made by hand could carry forged attributes: see src/access/README.md.
    throw new TailraceError('permission_denied', `the token \`${principal.id}\` appends over OTLP only`);
  }
  return principal;
}

/** @throws TailraceError `permission_denied` when a record of the batch is more than the caller may append */
export function expectAppendable(exchange: Exchange, call: AppendCall, records: readonly RecordInput[]): void {
  const { principal, basin, stream } = call;
  if (principal.token === undefined) return;
  const needed = new Set(records.map((record) => commandType(record) ?? 'append'));
  for (const operation of needed) {
    if (principal.allows(operation, basin, stream)) continue;
    const shown = principal.shown(stream);
    exchange.auditContext.need = { operation, basin, stream: shown };
    throw new TailraceError(
      'permission_denied',
      `the token \`${principal.id}\` may not ${operation} on stream \`${shown}\``,
    );
  }
}

const APPEND_OPERATIONS = ['append', 'fence', 'trim'] as const;

/** The name that a stream is kept under. @throws TailraceError `bad_path` when the caller's prefix makes it too long */
export function keptName(principal: Principal, { basin, stream }: StreamName): StreamName {
  const kept = principal.absolute(stream);
  const fault = kept === stream ? undefined : streamNameFault(kept);
  if (fault !== undefined) throw new TailraceError('bad_path', `with the prefix of the token, the ${fault}`);
  return { basin, stream: kept };
}

/**
 * The stream that a call is about. A call that names no basin is about the usual one of its caller.
 * @throws TailraceError `bad_header`, `bad_query`, `bad_path`; `authn` for a stranger who names no basin
 */
export function nameOf(exchange: Exchange, segment: string, deps: NamedBasinDeps): StreamName {
  const named = basinNamed(exchange, deps);
  const stream = nameInPath(segment, streamNameFault);
  return { basin: named ?? deps.basinRule.usual(identify(exchange, deps)), stream };
}

/** The basin of a call on all its streams. @throws as {@link nameOf} */
export function basinOf(exchange: Exchange, deps: NamedBasinDeps): string {
  return basinNamed(exchange, deps) ?? deps.basinRule.usual(identify(exchange, deps));
}

export function basinNamed(
  { request: { headers }, query }: Exchange,
  { basinRule }: NamedBasinDeps,
): string | undefined {
  return basinRule.named({ headers, query });
}

/** The first entry of Content-Type or Accept, without parameters, in lower case. */
export function firstMediaType(header: string | undefined): string {
  return (header ?? '').split(',', 1)[0]?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** Which of the three wire forms a media type means. */
export function wireFormOf(mediaType: string): 's2s' | 'proto' | 'json' | undefined {
  if (mediaType === 's2s/proto') return 's2s';
  if (/^application\/(x-protobuf|protobuf|proto)$/.test(mediaType)) return 'proto';
  return /^application\/(.+\+)?json$/.test(mediaType) ? 'json' : undefined;
}

type DataPlane = Omit<AppendCall, keyof StreamName | 'principal'>;

export function dataPlaneOf(exchange: Exchange, hasFormat: boolean): DataPlane {
  const encryptionKey = parseEncryptionKey(headerOf(exchange, 's2-encryption-key'));
  const config = headerOf(exchange, 's2-stream-config');
  const streamConfig = config === undefined ? undefined : parseStreamConfigHeader(config);
  const format = hasFormat ? formatInHeader(headerOf(exchange, 's2-format')) : 'raw';
  return { encryptionKey, streamConfig, format };
}

export function headerOf({ request }: Exchange, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

const TICKET_ELSEWHERE =
  'a ticket opens server-sent events (Accept: text/event-stream) and WebSockets: for another read leave it out';
