/** A read of many streams that outlives its connections: it goes on in each of them, and gives each record exactly once. */

import type { AbortSignalLike } from '../model/abort-signal.ts';
import {
  type Checks,
  checkOptions,
  expectObject,
  expectText,
  expectTimeSpan,
  expectWholeNumber,
  invalid,
  oneOf,
  optional,
} from '../model/arguments.ts';
import { SOCKET_MESSAGE_BYTES_MAX } from '../model/limits.ts';
import { expectSelection, type StreamSelection, selectionPairs } from '../model/selection.ts';
import { expectHeaderText } from './calls.ts';
import { type ReadCursor, type Reconnecting, readOver } from './connections.ts';
import { type BatchFrame, type ClientView, type ManyControlFrame, PROTOCOLS, type SessionFrame } from './frames.ts';
import { REQUEST_CHECKS, type ServerTarget } from './request.ts';

/** How many streams are read together; they are followed for ever. */
export interface ManyReaderOptions<V extends ClientView> {
  readonly view: V;
  /** Where to start in the streams that are there; the default is their tails. Later ones come from their first record on. */
  readonly from?: 'tail' | 'start' | undefined;
  /** In place of `from`: where to start in each stream, as an earlier read has left it. One that is not in it comes whole. */
  readonly positions?: ReadonlyMap<string, StreamPoint> | undefined;
  /** Which records are wanted, such as `level>=warn service=checkout`: see src/readers/filter/README.md. */
  readonly filter?: string | undefined;
  readonly basin?: string | undefined;
  /** Base64 of 32 bytes, for streams that are encrypted. */
  readonly encryptionKey?: string | undefined;
  /** Ends the read quietly. */
  readonly signal?: AbortSignalLike | undefined;
  /** How long to try again after a lost connection before giving up; for ever by default. */
  readonly reconnectForMs?: number | undefined;
}

/** Where to go on in a stream. With an id, another stream of that name comes from its first record. */
export interface StreamPoint {
  readonly seqNum: number;
  readonly streamId?: string | undefined;
}

/** What a read of many gives. Of each stream the frames come in order. */
export type ManyFrame<V extends ClientView> =
  | (BatchFrame<V> & { readonly stream: string })
  | ManyControlFrame
  | Reconnecting;

const CHECKS: Checks<ManyReaderOptions<ClientView>> = {
  ...REQUEST_CHECKS,
  view: oneOf(Object.keys(PROTOCOLS)),
  from: optional(oneOf(['tail', 'start'])),
  positions: optional(expectPositions),
  filter: optional(expectText),
  encryptionKey: optional(expectHeaderText),
  reconnectForMs: optional(expectTimeSpan),
};

/**
 * Reads many streams over one WebSocket: batches of all of them in the order in which they became durable, each with its
 * stream's name. The consumer sets the pace. See `readStream`.
 * @throws TailraceError as `readStream`; `invalid` for more streams than one reader may have
 */
export async function* readManyStreams<V extends ClientView>(
  target: ServerTarget,
  selection: StreamSelection,
  options: ManyReaderOptions<V>,
): AsyncGenerator<ManyFrame<V>, void, void> {
  expectSelection(selection, 'selection');
  checkOptions<ManyReaderOptions<ClientView>>(options, 'options', CHECKS, ['view']);
  const cursor = new ManyCursor(selection, options);
  // The server sends what the subprotocol says, and the subprotocol follows from the view.
  for await (const frame of readOver(target, cursor, options)) yield frame as ManyFrame<V>;
}

/** What leaves of a message is far below what one may have. */
const MESSAGE_CHARS_MAX = SOCKET_MESSAGE_BYTES_MAX / 4;

/** Where a read is in each stream. */
class ManyCursor implements ReadCursor {
  readonly protocol: string;
  readonly done = false;
  readonly #selection: StreamSelection;
  readonly #options: ManyReaderOptions<ClientView>;
  readonly #positions = new Map<string, { readonly streamId: string | undefined; next: number }>();
  /** All streams that were there have been told: until then, one that is not known is not a new one. */
  #isWhole = false;

  constructor(selection: StreamSelection, options: ManyReaderOptions<ClientView>) {
    this.protocol = PROTOCOLS[options.view].name;
    this.#selection = selection;
    this.#options = options;
    if (options.positions === undefined) return;
    for (const [stream, { seqNum, streamId }] of options.positions)
      this.#positions.set(stream, { streamId, next: seqNum });
    this.#isWhole = true;
  }

  url(endpoint: string): string {
    const { from = 'tail', filter, view } = this.#options;
    const query = new URLSearchParams(selectionPairs(this.#selection));
    query.set('from', this.#isWhole ? 'resume' : from);
    if (filter !== undefined) query.set('filter', filter);
    const { format } = PROTOCOLS[view];
    if (format !== undefined) query.set('format', format);
    return `${endpoint.replace(/^http/, 'ws')}/v1/records?${query}`;
  }

  messages(): readonly string[] {
    if (!this.#isWhole) return [];
    const isView = this.#options.view === 'message';
    const messages: string[] = [];
    let points: string[] = [];
    let chars = 0;
    for (const [stream, { streamId, next }] of this.#positions) {
      const point = isView ? { seqNum: next, streamId } : { seq_num: next, stream_id: streamId };
      const text = `${JSON.stringify(stream)}:${JSON.stringify(point)}`;
      if (chars > 0 && chars + text.length > MESSAGE_CHARS_MAX) {
        messages.push(`{"resume":{${points.join(',')}},"more":true}`);
        [points, chars] = [[], 0];
      }
      points.push(text);
      chars += text.length;
    }
    return [...messages, `{"resume":{${points.join(',')}}}`];
  }

  take(given: SessionFrame): void {
    const frame = given as ManyFrame<ClientView>;
    if (frame.type === 'joined') {
      for (const { stream, streamId, seqNum } of frame.streams) this.#positions.set(stream, { streamId, next: seqNum });
      return;
    }
    if (frame.type === 'hello' || frame.type === 'heartbeat' || frame.type === 'reconnecting') return;
    this.#isWhole = true;
    if (frame.type === 'left') this.#onLeft(frame);
    else if (frame.type === 'gap') this.#advance(frame.stream, frame.to);
    else if (frame.type !== 'caught_up') this.#advance(frame.stream, frame.next.seqNum);
  }

  isAtEnd(): boolean {
    return false;
  }

  requireResumable(): void {}

  /** One that cannot be read keeps its position: another connection is told the same. */
  #onLeft({ stream, streamId, error }: ManyControlFrame & { readonly type: 'left' }): void {
    const isGone = error.code === 'stream_deletion_pending' || error.code === 'stream_not_found';
    const known = this.#positions.get(stream);
    const isOther = streamId !== undefined && known?.streamId !== undefined && known.streamId !== streamId;
    if (isGone && !isOther) this.#positions.delete(stream);
  }

  #advance(stream: string, next: number): void {
    const position = this.#positions.get(stream);
    if (position !== undefined) position.next = next;
  }
}

function expectPositions(value: unknown, name: string): void {
  if (!(value instanceof Map)) throw invalid(`${name} must be a Map from the names of streams to positions`);
  for (const [stream, point] of value) {
    expectText(stream, `a key of ${name}`);
    expectObject(point, `a position in ${name}`);
    const { seqNum, streamId } = point as Partial<StreamPoint>;
    expectWholeNumber(seqNum, `seqNum of a position in ${name}`);
    optional(expectText)(streamId, `streamId of a position in ${name}`);
  }
}
