/**
 * Many streams as server-sent events. The id of an event is the position in every stream: a page that connects again
 * sends it by itself, and goes on in each of them.
 */

import type { Principal } from '../../access/grant.ts';
import { holderAmong } from '../../access/tickets.ts';
import { existingBasin } from '../../log/basins.ts';
import type { JoinedMember, Member } from '../../log/events.ts';
import { TailraceError } from '../../model/error.ts';
import { EVENT_ID_BYTES_MAX } from '../../model/limits.ts';
import type { Position } from '../../model/position.ts';
import { loadFilter } from '../../readers/filter/load-filter.ts';
import { type ManyQuery, parseManyQuery, readerOf, selectionOf } from '../../readers/many/parse-many-query.ts';
import { eventIdOf, parseEventId } from '../../readers/many/resume-map.ts';
import type { ReaderSet } from '../../readers/reader-set.ts';
import type { Batch, Encoded, Frame, Wire } from '../../readers/wire.ts';
import { endOf } from '../../s2/batch/batch-part.ts';
import { parseFormat, single } from '../../s2/read-query.ts';
import { DONE_EVENT, errorEvent, namedEvent, SSE_CONTENT_TYPE } from '../../s2/sse.ts';
import { authorize, authorizeAs, type RecordDeps } from '../context.ts';
import { s2ErrorBody } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { basinNamed, basinOf, dataPlaneOf, firstMediaType, headerOf, viewOf } from './call.ts';
import { readLive } from './live-read.ts';
import { type SseForm, sseForm } from './sse-read.ts';

/**
 * Resolves when the session is over.
 * @throws TailraceError `bad_header`, `bad_query`, `authn`, `permission_denied`, `basin_not_found`, while nothing is sent
 */
export async function readManySse(exchange: Exchange, deps: RecordDeps): Promise<void> {
  const query = new URLSearchParams(exchange.query);
  const isSse = firstMediaType(exchange.request.headers.accept) === 'text/event-stream';
  if (isSse) exchange.auditContext.protocol = 'sse';
  const ticket = isSse ? single(query, 'ticket') : undefined;
  const { principal, basin } = callerOf(exchange, ticket, deps);
  if (!isSse) {
    throw new TailraceError(
      'bad_header',
      'many streams are read as events: send `Accept: text/event-stream`, or open a WebSocket',
    );
  }
  const many = parseManyQuery(query, ['tail', 'start']);
  for (const stream of many.names ?? []) expectReadable(exchange, deps, principal, { basin, stream });
  const { encryptionKey } = dataPlaneOf(exchange, false);
  const form = await sseForm(viewOf(query, 'sse'), parseFormat(query, headerOf(exchange, 's2-format')));
  const eventId = headerOf(exchange, 'last-event-id');
  const byId = eventId === undefined ? undefined : parseEventId(eventId);
  const begin = async (signal: AbortSignal) => {
    const filter = await loadFilter(many.filter);
    const selection = selectionOf(many, readerOf(principal, basin));
    const from = byId === undefined ? startOf(many) : { byId };
    const range = { selection, from };
    const by = { protocol: 'sse', encryptionKey, filter } as const;
    return deps.log.startMany(existingBasin(deps.log, basin), range, signal, by);
  };
  const wire = new ManySseWire(exchange.correlationId, form, deps.readers);
  const live = { principal, contentType: SSE_CONTENT_TYPE, wire, protocol: 'sse', view: form.shownAs } as const;
  await readLive(exchange, { ...live, begin }, deps);
}

function startOf({ from }: ManyQuery): 'tail' | 'start' {
  return from === 'start' ? 'start' : 'tail';
}

/** Who reads, and in which basin. The EventSource of a page shows a ticket. */
function callerOf(exchange: Exchange, secret: string | undefined, deps: RecordDeps) {
  if (secret === undefined) {
    const basin = basinOf(exchange, deps);
    return { basin, principal: authorize(exchange, deps, { operation: 'read', basin }) };
  }
  const ticket = deps.access.redeem(secret);
  const basin = basinNamed(exchange, deps) ?? ticket.basin;
  const principal = holderAmong(ticket, basin);
  authorizeAs(exchange, deps, principal, { operation: 'read', basin });
  return { basin, principal };
}

/** One that is asked for by its name must not be left out without a word. */
function expectReadable(
  exchange: Exchange,
  { access }: RecordDeps,
  principal: Principal,
  name: { readonly basin: string; readonly stream: string },
): void {
  const need = { operation: 'read', ...name } as const;
  exchange.auditContext.need = need;
  access.expectAllowed(principal, need);
}

class ManySseWire implements Wire {
  readonly gathers: boolean;
  readonly batchEnd: Wire['batchEnd'];
  readonly #correlationId: string;
  readonly #form: SseForm;
  readonly #readers: ReaderSet;
  /** The position in each stream, by its id; of those that have had no record there is none. */
  readonly #positions = new Map<string, number>();

  constructor(correlationId: string, form: SseForm, readers: ReaderSet) {
    this.gathers = form.gathers;
    this.batchEnd = form.batchEnd;
    this.#correlationId = correlationId;
    this.#form = form;
    this.#readers = readers;
  }

  /** The data is that of a reader of one stream, with the name of the stream before it. */
  async batch(batch: Batch): Promise<Encoded> {
    const { of } = batch;
    const events: Frame[] = [];
    for (const each of this.#form.apart(batch)) {
      const { frames } = await this.#readers.frames.encoded(this.#form, { ...each, of: undefined });
      this.#advance(of, endOf(each.parts));
      const head = `event: batch\nid: ${this.#id()}\ndata: {"stream":${JSON.stringify(of?.name)},`;
      const data = frames.map((frame, index) => (index > 0 ? frame : { ...frame, bytes: frame.bytes.slice(1) }));
      events.push({ bytes: head }, ...data, { bytes: '\n\n' });
    }
    return { frames: events };
  }

  caughtUp(_tail: Position, isFirst: boolean, members = 0): Frame | undefined {
    return isFirst ? { bytes: namedEvent('caught_up', `{"streams":${members}}`, this.#id()) } : undefined;
  }

  heartbeat(_tail: Position, members = 0): Frame {
    return { bytes: namedEvent('ping', `{"timestamp":${this.#readers.clock.now()},"streams":${members}}`) };
  }

  /** Positions alone: the last of several says all of them. */
  passed(next: Position, of?: Member, isLast = true): Frame | undefined {
    this.#advance(of, next.seqNum);
    const id = eventIdOf(this.#positions);
    if (!isLast || id === undefined) return undefined;
    return { bytes: namedEvent('ping', `{"timestamp":${this.#readers.clock.now()}}`, id) };
  }

  gap(from: number, to: number, of?: Member): Frame {
    this.#advance(of, to);
    return { bytes: namedEvent('gap', JSON.stringify({ stream: of?.name, from, to }), this.#id()) };
  }

  /** Without an id: until all streams are known, one would say that the others are new. */
  joined(members: readonly JoinedMember[]): Frame {
    for (const member of members) this.#advance(member, member.next);
    this.#id();
    const streams = members.map(({ name, id, next }) => ({ stream: name, stream_id: id, seq_num: next }));
    return { bytes: namedEvent('joined', JSON.stringify({ streams })) };
  }

  left({ name, id }: Member, { code, message }: TailraceError): Frame {
    if (code === 'stream_deletion_pending') this.#positions.delete(id);
    return { bytes: namedEvent('left', JSON.stringify({ stream: name, stream_id: id, code, message })) };
  }

  advice(tail: Position): Frame {
    return this.heartbeat(tail);
  }

  lastFrame(error: TailraceError | undefined): Frame {
    return { bytes: error === undefined ? DONE_EVENT : errorEvent(s2ErrorBody(error, this.#correlationId)) };
  }

  #advance(of: Member | undefined, next: number): void {
    if (of !== undefined && next > 0) this.#positions.set(of.id, next);
  }

  #id(): string {
    const id = eventIdOf(this.#positions);
    if (id !== undefined) return id;
    throw new TailraceError(
      'invalid',
      `the positions of ${this.#positions.size} streams make an event id of more than ${EVENT_ID_BYTES_MAX} bytes, with which no page could go on: read fewer streams with one EventSource, or open a WebSocket`,
    );
  }
}
