/**
 * Where a reader of many streams was, as it says it: over WebSocket in messages of its own, and over server-sent events in
 * the id of the last event, which a page sends by itself.
 */

import type { ResumePoint } from '../../log/many/read-many.ts';
import { TailraceError } from '../../model/error.ts';
import { EVENT_ID_BYTES_MAX, READER_STREAMS_MAX, RESUME_BYTES_MAX } from '../../model/limits.ts';

/** How the messages of a subprotocol spell their names. */
export interface ResumeWords {
  readonly seqNum: string;
  readonly streamId: string;
}

/** Collects what a reader says, in one message or several. */
export class ResumeMap {
  readonly points = new Map<string, ResumePoint>();
  readonly #words: ResumeWords;
  #bytes = 0;
  #isWhole = false;

  constructor(words: ResumeWords) {
    this.#words = words;
  }

  /** Whether the last message has come. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** @throws TailraceError `bad_frame`, `too_large` */
  add(message: Buffer, isBinary: boolean): void {
    if (this.#isWhole) throw wrong('a reader sends nothing after its resume map but close, ping and pong');
    this.#bytes += message.length;
    if (this.#bytes > RESUME_BYTES_MAX) throw tooLarge(`${RESUME_BYTES_MAX} bytes`);
    if (isBinary) throw wrong(`the resume map is text, not binary: ${this.#form}`);
    const { resume, more, ...others } = objectIn(message, this.#form);
    const [other] = Object.keys(others);
    if (other !== undefined) throw wrong(`unknown field ${JSON.stringify(other.slice(0, 64))}: ${this.#form}`);
    if (!isObject(resume)) throw wrong(`"resume" is no object: ${this.#form}`);
    if (more !== undefined && typeof more !== 'boolean') throw wrong('"more" is true or false');
    for (const [name, at] of Object.entries(resume)) this.points.set(name, this.#pointIn(name, at));
    if (this.points.size > READER_STREAMS_MAX) throw tooLarge(`${READER_STREAMS_MAX} streams`);
    this.#isWhole = more !== true;
  }

  get #form(): string {
    const { seqNum, streamId } = this.#words;
    return `send {"resume":{"<stream>":{"${seqNum}":12,"${streamId}":"7"}}}, in several messages with "more":true in all but the last`;
  }

  #pointIn(name: string, at: unknown): ResumePoint {
    if (isPosition(at)) return { next: at, id: undefined };
    const { seqNum, streamId } = this.#words;
    const { [seqNum]: next, [streamId]: id, ...others } = isObject(at) ? at : {};
    const isKnown = Object.keys(others).length === 0 && (id === undefined || typeof id === 'string');
    if (!isKnown || !isPosition(next)) {
      throw wrong(`the position of stream ${JSON.stringify(name.slice(0, 64))} is wrong: ${this.#form}`);
    }
    return { next, id };
  }
}

/** No stream had a record yet. */
const NONE = '-';
const EVENT_ID = /^[0-9a-z]{1,11}:[0-9a-z]{1,11}$/;

/** The id of an event: the position in each stream, by the id of the stream. Undefined when it would be too long. */
export function eventIdOf(positions: ReadonlyMap<string, number>): string | undefined {
  let id = '';
  for (const [streamId, next] of positions) {
    id += `${id === '' ? '' : ','}${Number(streamId).toString(36)}:${next.toString(36)}`;
    if (id.length > EVENT_ID_BYTES_MAX) return undefined;
  }
  return id === '' ? NONE : id;
}

/** @throws TailraceError `bad_header` */
export function parseEventId(header: string): ReadonlyMap<string, number> {
  const positions = new Map<string, number>();
  const text = header.trim();
  if (text === NONE) return positions;
  for (const part of text.split(',')) {
    const [streamId = '', next = ''] = EVENT_ID.test(part) ? part.split(':') : [];
    const [number, position] = [Number.parseInt(streamId, 36), Number.parseInt(next, 36)];
    if (!Number.isSafeInteger(number) || !isPosition(position)) {
      throw new TailraceError('bad_header', 'last-event-id must be the id of an event of this reader, as it came');
    }
    positions.set(String(number), position);
  }
  return positions;
}

function isPosition(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objectIn(message: Buffer, form: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(message.toString('utf8'));
    if (isObject(value)) return value;
  } catch {
    // Told below.
  }
  throw wrong(`the resume map is no JSON object: ${form}`);
}

function wrong(message: string): TailraceError {
  return new TailraceError('bad_frame', message);
}

function tooLarge(most: string): TailraceError {
  return new TailraceError('too_large', `the resume map has more than ${most}: read fewer streams with one reader`);
}
