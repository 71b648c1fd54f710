/** Reads what is about language models in a trace, or in all traces of a session, and goes on while it is shown. */

import { signal } from '@preact/signals';
import { conditionText } from '../record/condition.ts';
import type { WireError } from '../wire/call.ts';
import { ManySocket } from '../wire/many-socket.ts';
import { addressText, type Row } from '../wire/rows.ts';
import { type ChatSpan, type ConversationStep, conversationSteps, isChatRow, spanPlace } from './steps.ts';

/** A trace, or the value of an attribute that all spans of a session have. */
export type ConversationChoice =
  | { readonly traceId: string }
  | { readonly key: (typeof SESSION_KEYS)[number]; readonly id: string };

/** Attributes that senders give a session by. */
export const SESSION_KEYS = ['gen_ai.conversation.id', 'session.id'] as const;

/** What is kept of very long ones. */
export const KEPT_MAX = 5_000;
const KEPT_CHARS_MAX = 64_000_000;
const BUILD_MS = 150;

export interface ConversationStatus {
  readonly isComplete: boolean;
  readonly isFull: boolean;
  /** Records that were looked at. */
  readonly seen: number;
  readonly streams: number;
  readonly lost: string | undefined;
  readonly error: WireError | undefined;
}

export class ConversationFeed {
  readonly steps = signal<readonly ConversationStep[]>([]);
  readonly status = signal<ConversationStatus>({
    isComplete: false,
    isFull: false,
    seen: 0,
    streams: 0,
    lost: undefined,
    error: undefined,
  });
  readonly #rows = new Map<string, { readonly stream: string; readonly row: Row }>();
  readonly #parents = new Map<string, string | undefined>();
  readonly #socket: ManySocket;
  #chars = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(basin: string, choice: ConversationChoice) {
    const filter =
      'traceId' in choice
        ? `trace_id=${choice.traceId}`
        : conditionText({ field: `attr.${choice.key}`, value: choice.id });
    this.#socket = new ManySocket(
      { basin, select: { prefix: '' }, from: 'start', filter },
      {
        opened: () => this.#say({ lost: undefined }),
        joined: (streams) => this.#say({ streams: this.status.peek().streams + streams.length }),
        batch: ({ stream, rows, text }) => this.#take(stream, rows, text.length),
        caughtUp: () => {
          this.#build();
          this.#say({ isComplete: true });
        },
        lost: (reason) => this.#say({ lost: reason }),
        failed: (error) => this.#say({ error }),
      },
    );
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#socket.close();
  }

  #take(stream: string, rows: readonly Row[], chars: number): void {
    for (const row of rows) {
      this.#noteParent(row);
      if (!isChatRow(row)) continue;
      this.#rows.set(addressText({ stream, seqNum: row.seqNum }), { stream, row });
      this.#chars += chars / rows.length;
    }
    this.#say({ seen: this.status.peek().seen + rows.length });
    this.#timer ??= setTimeout(() => this.#build(), BUILD_MS);
    if (this.#rows.size < KEPT_MAX && this.#chars < KEPT_CHARS_MAX) return;
    this.#socket.close();
    this.#build();
    this.#say({ isFull: true, isComplete: true });
  }

  #noteParent({ signal, traceId, spanId, parentSpanId }: Row): void {
    if (signal !== 'traces' || spanId === undefined || parentSpanId === undefined) return;
    this.#parents.set(spanPlace(traceId, spanId), spanPlace(traceId, parentSpanId));
  }

  #say(change: Partial<ConversationStatus>): void {
    this.status.value = { ...this.status.peek(), ...change };
  }

  #build(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.steps.value = conversationSteps(spansOf([...this.#rows.values()]), this.#parents);
  }
}

/** Spans once each, with their logs. A closed one stands for the same one while it was open. */
function spansOf(found: readonly { readonly stream: string; readonly row: Row }[]): readonly ChatSpan[] {
  const logs = new Map<string, Row[]>();
  for (const { row } of found) {
    if (row.signal !== 'logs' || row.spanId === undefined) continue;
    const place = spanPlace(row.traceId, row.spanId);
    logs.set(place, [...(logs.get(place) ?? []), row]);
  }
  const spans = new Map<string, ChatSpan>();
  for (const { stream, row } of found) {
    if (row.signal !== 'traces') continue;
    const id =
      row.spanId === undefined ? addressText({ stream, seqNum: row.seqNum }) : spanPlace(row.traceId, row.spanId);
    if (row.endTimestamp === undefined && spans.get(id)?.row.endTimestamp !== undefined) continue;
    spans.set(id, { stream, row, logs: logs.get(id) ?? [] });
  }
  return [...spans.values()];
}
