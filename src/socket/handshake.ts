/** What a reader asks for in its upgrade request, parsed and checked before the stream is touched. */

import type { IncomingMessage } from 'node:http';
import type { BasinRequest } from '../access/basin-rule.ts';
import { headerFault, type QueryNames, queryFault } from '../encoding/known-names.ts';
import { TailraceError } from '../model/error.ts';
import { streamNameFault } from '../model/names.ts';
import type { ReadRange } from '../model/read-range.ts';
import { DEFAULT_SUBPROTOCOL, SUBPROTOCOLS, SUBPROTOCOLS_OF, type Subprotocol } from '../readers/encoders.ts';
import { MANY_PARAMETERS, type ManyQuery, parseManyQuery } from '../readers/many/parse-many-query.ts';
import { BACK_PARAMETERS, expectForward } from '../s2/back-query.ts';
import type { JsonFormat } from '../s2/batch/json.ts';
import { parseEncryptionKey } from '../s2/encryption-key.ts';
import { parseFormat, parseReadQuery, parseView, READ_PARAMETERS, single } from '../s2/read-query.ts';

const RECORDS_PATH = /^\/v1\/streams\/([^/]+)\/records$/;
const MANY_PATH = '/v1/records';
const BEARER_PREFIX = 'bearer.';
/** Many streams have none in common. */
const NO_RANGE = parseReadQuery(new URLSearchParams());

/** Which stream, or which basin for a reader of many streams. */
export interface Target {
  readonly basin: string;
  readonly stream: string | undefined;
}

/** How to read it. */
export interface ReadRequest {
  readonly range: ReadRange;
  /** Which streams, where many are read together. */
  readonly many: ManyQuery | undefined;
  /** Which records are wanted, as it was asked; none for all. */
  readonly filter: readonly string[];
  readonly subprotocol: Subprotocol;
  /** The stream that the reader saw before, if it says so. */
  readonly streamId: string | undefined;
  /** As it was sent, decoded; not judged unless the stream is encrypted. */
  readonly encryptionKey: Uint8Array | undefined;
}

/** An upgrade request, taken apart without judging its values. */
export interface Handshake {
  /** The path segment of the stream, still encoded; undefined when the path is another. */
  readonly rawStream: string | undefined;
  /** Many streams are asked for. */
  readonly isMany: boolean;
  readonly query: URLSearchParams;
  /** The same as it came. */
  readonly rawQuery: string;
  readonly subprotocols: readonly string[];
  /** The subprotocol to select: the first of those offered that we speak. */
  readonly selected: string | undefined;
  readonly credential: string | undefined;
  /** In place of a credential, once. */
  readonly ticket: string | undefined;
}

/** The credential that a browser offers as a subprotocol: it can send no header. */
export function bearerInSubprotocols(header: string | undefined): string | undefined {
  const offered = header?.split(',').map((name) => name.trim());
  return offered?.find((name) => name.startsWith(BEARER_PREFIX))?.slice(BEARER_PREFIX.length);
}

/** The path is split before it is decoded: an encoded slash is part of a stream's name. */
export function parseHandshake(request: IncomingMessage): Handshake {
  const url = request.url ?? '';
  const question = url.indexOf('?');
  const path = question < 0 ? url : url.slice(0, question);
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  const subprotocols = offered.filter((name) => name !== '' && !name.startsWith(BEARER_PREFIX));
  const rawQuery = question < 0 ? '' : url.slice(question + 1);
  const query = new URLSearchParams(rawQuery);
  return {
    rawStream: RECORDS_PATH.exec(path)?.[1],
    isMany: path === MANY_PATH,
    query,
    rawQuery,
    subprotocols,
    selected: subprotocols.find((name) => SUBPROTOCOLS.has(name)),
    credential:
      bearerToken(request.headers.authorization) ?? bearerInSubprotocols(request.headers['sec-websocket-protocol']),
    ticket: query.get('ticket') ?? undefined,
  };
}

/**
 * The stream or the basin that is meant; `basinOf` finds the basin.
 * @throws TailraceError `bad_path`, and as `basinOf`
 */
export function targetOf(
  { headers }: IncomingMessage,
  handshake: Handshake,
  basinOf: (request: BasinRequest) => string,
): Target {
  if (handshake.isMany) return { basin: basinOf({ headers, query: handshake.rawQuery }), stream: undefined };
  const stream = decodeSegment(handshake.rawStream ?? '');
  const fault = streamNameFault(stream);
  if (fault !== undefined) throw new TailraceError('bad_path', fault);
  return { basin: basinOf({ headers, query: handshake.rawQuery }), stream };
}

const PARAMETERS: QueryNames = { ...READ_PARAMETERS, once: [...READ_PARAMETERS.once, ...BACK_PARAMETERS, 'stream_id'] };

/** @throws TailraceError `bad_header`, `bad_query` or `invalid` */
export function readRequestOf(request: IncomingMessage, handshake: Handshake): ReadRequest {
  const { query } = handshake;
  const { isMany } = handshake;
  const fault = headerFault(request.headers) ?? queryFault(query, isMany ? MANY_PARAMETERS : PARAMETERS);
  if (fault !== undefined) throw fault;
  if (!isMany) expectForward(query);
  return {
    range: isMany ? NO_RANGE : parseReadQuery(query),
    many: isMany ? parseManyQuery(query) : undefined,
    filter: query.getAll('filter'),
    subprotocol: subprotocolOf(inView(handshake), parseFormat(query, headerOf(request, 's2-format'))),
    streamId: single(query, 'stream_id'),
    // Browsers cannot send it: encrypted streams are not for them.
    encryptionKey: parseEncryptionKey(headerOf(request, 's2-encryption-key')),
  };
}

/** The subprotocol that was selected, or the default where no subprotocol was offered. */
export function subprotocolOf({ selected }: Handshake, format: JsonFormat = 'raw'): Subprotocol {
  const subprotocol = SUBPROTOCOLS.get(selected ?? DEFAULT_SUBPROTOCOL);
  if (subprotocol === undefined) throw new TailraceError('bad_request', unknownSubprotocol());
  return subprotocol(format);
}

/** With the subprotocol of the view that the query asks for. @throws TailraceError `bad_query` */
function inView(handshake: Handshake): Handshake {
  const view = parseView(handshake.query);
  if (view === undefined) return handshake;
  const { selected = SUBPROTOCOLS_OF[view][0] } = handshake;
  if (SUBPROTOCOLS_OF[view].includes(selected)) return { ...handshake, selected };
  const names = SUBPROTOCOLS_OF[view].join(' or ');
  throw new TailraceError(
    'bad_query',
    `view=${view} is the subprotocol ${names}, not ${selected}: name one of the two`,
  );
}

/** What to say to a reader that offers only subprotocols that we don't speak. */
export function unknownSubprotocol(): string {
  return `none of the offered subprotocols is known; offer one of ${[...SUBPROTOCOLS.keys()].join(', ')}`;
}

/** A header that is there twice comes joined. */
function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (cause) {
    throw new TailraceError('bad_path', 'the stream name in the path is not valid percent-encoded UTF-8', { cause });
  }
}

function bearerToken(authorization: string | undefined): string | undefined {
  return /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
}
