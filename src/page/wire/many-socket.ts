/**
 * Many streams over one WebSocket (src/socket/README.md, Many streams on one socket). It connects again by itself and goes
 * on in every stream where it was, so each record comes exactly once; what it tells is enough to prove that.
 */

import { currentToken, tellRefused, WireError } from './call.ts';
import type { Row } from './rows.ts';

/** Which streams of a basin: one of the three. */
export type StreamSelection =
  | { readonly prefix: string }
  | { readonly glob: string }
  | { readonly streams: readonly string[] };

export interface ManyOptions {
  readonly basin: string;
  readonly select: StreamSelection;
  /** Where it starts in the streams that are there; a map of sequence numbers goes on in each. Later streams come whole. */
  readonly from: 'tail' | 'start' | ReadonlyMap<string, number>;
  /** Conditions as src/readers/filter/README.md has them. */
  readonly filter?: string | undefined;
}

/** One frame with records. `text` is the frame as it came, to be parsed again later in place of keeping objects. */
export interface RowBatch {
  readonly stream: string;
  readonly rows: readonly Row[];
  readonly text: string;
  /** Where a later read goes on. */
  readonly next: number;
}

/** Leave out what does not matter to the caller. */
export interface ManyHandlers {
  /** A connection is open. `isAgain` when it goes on after a lost one. */
  opened?(isAgain: boolean): void;
  joined?(streams: readonly { readonly stream: string; readonly seqNum: number; readonly streamId: string }[]): void;
  batch?(batch: RowBatch): void;
  /** The filter wanted none of the records up to there. */
  passed?(stream: string, next: number): void;
  /** Records were trimmed before they were read: `to` is exclusive. */
  gap?(stream: string, from: number, to: number): void;
  left?(stream: string, code: string, message: string): void;
  /** Once for each connection: everything that was there has come. */
  caughtUp?(): void;
  /** The connection is gone and comes again, in so many milliseconds. */
  lost?(reason: string, retryMs: number): void;
  /** It does not come again: the request itself is refused. */
  failed?(error: WireError): void;
}

const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 5_000;
/** Of a message of the resume map; the server takes 64 KiB. */
const MESSAGE_CHARS_MAX = 16_000;
/** Codes of streams that have no position any more. */
const GONE: ReadonlySet<string> = new Set(['stream_deletion_pending', 'stream_not_found']);

interface Point {
  next: number;
  readonly streamId: string | undefined;
}

/** A frame of the server; which fields it has depends on its type. */
interface Frame {
  readonly type: string;
  readonly stream: string;
  readonly streamId: string;
  readonly streams: readonly { stream: string; seqNum: number; streamId: string }[];
  readonly rows: readonly Row[];
  readonly next: { readonly seqNum: number };
  readonly from: number;
  readonly to: number;
  readonly code: string;
  readonly message: string;
  readonly retryAfter?: number;
}

/** Connects at once, and goes on until it is closed. */
export class ManySocket {
  readonly #options: ManyOptions;
  readonly #handlers: ManyHandlers;
  readonly #points = new Map<string, Point>();
  /** The map has all streams: a connection goes on from it. */
  #isWhole = false;
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tries = 0;
  #connections = 0;
  #isClosed = false;
  /** What the server said before it closed. */
  #error: Frame | undefined;

  constructor(options: ManyOptions, handlers: ManyHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    if (typeof options.from === 'object') {
      for (const [stream, next] of options.from) this.#points.set(stream, { next, streamId: undefined });
      this.#isWhole = true;
    }
    this.#connect();
  }

  /** The next sequence number of each stream. */
  positions(): ReadonlyMap<string, number> {
    return new Map([...this.#points].map(([stream, { next }]) => [stream, next]));
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  #connect(): void {
    this.#error = undefined;
    const token = currentToken();
    const protocols = token === undefined ? ['view.json'] : ['view.json', `bearer.${token}`];
    const socket = new WebSocket(urlOf(this.#options, this.#isWhole), protocols);
    this.#socket = socket;
    socket.onopen = () => {
      if (this.#isWhole) for (const message of resumeMessages(this.#points)) socket.send(message);
    };
    socket.onmessage = ({ data }: MessageEvent<string>) => {
      if (!this.#isClosed) this.#take(JSON.parse(data) as Frame, data);
    };
    socket.onclose = ({ code }) => {
      if (!this.#isClosed) this.#onClose(code);
    };
  }

  #take(frame: Frame, text: string): void {
    const handlers = this.#handlers;
    switch (frame.type) {
      case 'hello':
        this.#tries = 0;
        handlers.opened?.(this.#connections++ > 0);
        break;
      case 'joined':
        for (const { stream, seqNum, streamId } of frame.streams) this.#points.set(stream, { next: seqNum, streamId });
        handlers.joined?.(frame.streams);
        break;
      case 'batch':
        this.#advance(frame.stream, frame.next.seqNum);
        handlers.batch?.({ stream: frame.stream, rows: frame.rows, text, next: frame.next.seqNum });
        break;
      case 'passed':
        this.#advance(frame.stream, frame.next.seqNum);
        handlers.passed?.(frame.stream, frame.next.seqNum);
        break;
      case 'gap':
        this.#advance(frame.stream, frame.to);
        handlers.gap?.(frame.stream, frame.from, frame.to);
        break;
      case 'left':
        if (GONE.has(frame.code)) this.#points.delete(frame.stream);
        handlers.left?.(frame.stream, frame.code, frame.message);
        break;
      case 'caught_up':
        this.#isWhole = true;
        handlers.caughtUp?.();
        break;
      case 'error':
        this.#error = frame;
    }
  }

  #advance(stream: string, next: number): void {
    this.#isWhole = true;
    const point = this.#points.get(stream);
    if (point === undefined) this.#points.set(stream, { next, streamId: undefined });
    else point.next = next;
  }

  #onClose(code: number): void {
    const message = this.#error?.message ?? 'the connection to the server was lost';
    const error = new WireError(this.#error?.code ?? 'unreachable', message, 0);
    if (code === 1008 || code === 4401) tellRefused(error);
    if (code === 1008 || code >= 4400) {
      this.#handlers.failed?.(error);
      return;
    }
    const backOff = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#tries) * (0.75 + Math.random() / 2);
    const seconds = this.#error?.retryAfter;
    const retryMs = seconds === undefined ? backOff : seconds * 1_000;
    this.#tries++;
    this.#handlers.lost?.(message, retryMs);
    this.#timer = setTimeout(() => this.#connect(), retryMs);
  }
}

function urlOf({ basin, select, from, filter }: ManyOptions, isWhole: boolean): string {
  const query = new URLSearchParams({ basin });
  if ('prefix' in select) query.set('prefix', select.prefix);
  else if ('glob' in select) query.set('glob', select.glob);
  else for (const stream of select.streams) query.append('stream', stream);
  query.set('from', isWhole ? 'resume' : String(from));
  if (filter !== undefined && filter.trim() !== '') query.set('filter', filter);
  return `${location.origin.replace(/^http/, 'ws')}/v1/records?${query}`;
}

function resumeMessages(points: ReadonlyMap<string, Point>): readonly string[] {
  const messages: string[] = [];
  let parts: string[] = [];
  let chars = 0;
  for (const [stream, { next, streamId }] of points) {
    const text = `${JSON.stringify(stream)}:${JSON.stringify({ seqNum: next, streamId })}`;
    if (chars > 0 && chars + text.length > MESSAGE_CHARS_MAX) {
      messages.push(`{"resume":{${parts.join(',')}},"more":true}`);
      parts = [];
      chars = 0;
    }
    parts.push(text);
    chars += text.length;
  }
  return [...messages, `{"resume":{${parts.join(',')}}}`];
}
