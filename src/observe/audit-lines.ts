/**
 * The last lines of the audit log, in memory, for those who have no log at hand. Refusals and failures of strangers have
 * a share of their own: whoever is refused again and again pushes out no line about what was done.
 */

import { AUDIT_KEPT_BYTES_MAX, AUDIT_KEPT_LINES_MAX, AUDIT_TEXT_CHARS_MAX } from '../model/limits.ts';
import { redact } from './redact.ts';

/** What a line says; undefined where it says nothing. */
export type AuditLine = Readonly<Record<string, string | number | undefined>>;

export interface NewestLines {
  /** Each a JSON object; the newest one first. */
  readonly lines: readonly string[];
  /** Whether older ones are kept. */
  readonly hasMore: boolean;
  /** How many there were since the start that are not kept any more. */
  readonly forgotten: number;
}

/** What one process keeps; as JSON it can be sent. */
export interface AuditPart extends NewestLines {
  /** Whose it is: a process that is asked twice counts once. */
  readonly instance: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** The newest lines of several processes; `since` is when the last of them began. */
export function mergeLines(parts: readonly AuditPart[], most: number): Omit<AuditPart, 'instance'> {
  const all = [...new Map(parts.map((part) => [part.instance, part])).values()];
  const lines = all
    .flatMap((part) => part.lines.map((json) => ({ json, time: timeOf(json) })))
    .sort((a, b) => (a.time === b.time ? 0 : a.time < b.time ? 1 : -1));
  return {
    since: Math.max(...all.map(({ since }) => since)),
    lines: lines.slice(0, most).map(({ json }) => json),
    hasMore: lines.length > most || all.some(({ hasMore }) => hasMore),
    forgotten: all.reduce((sum, { forgotten }) => sum + forgotten, 0),
  };
}

interface KeptLine {
  readonly number: number;
  readonly json: string;
  readonly bytes: number;
}

export class AuditLines {
  readonly #actions = new Share();
  readonly #cheap = new Share();
  #count = 0;

  /** `isCheap`: anyone can cause as many of them as they like. */
  add(line: AuditLine, isCheap: boolean): void {
    const json = JSON.stringify(line, (_key, value: unknown) => (typeof value === 'string' ? shown(value) : value));
    const kept = { number: this.#count++, json, bytes: Buffer.byteLength(json) };
    (isCheap ? this.#cheap : this.#actions).add(kept);
  }

  newest(most: number): NewestLines {
    const all = [...this.#actions.lines, ...this.#cheap.lines].sort((a, b) => b.number - a.number);
    const lines = all.slice(0, most).map(({ json }) => json);
    return { lines, hasMore: all.length > most, forgotten: this.#count - all.length };
  }
}

/** Lines up to a number and a size; beyond them the oldest go. */
class Share {
  readonly lines: KeptLine[] = [];
  #bytes = 0;

  add(line: KeptLine): void {
    this.lines.push(line);
    this.#bytes += line.bytes;
    while (this.lines.length > AUDIT_KEPT_LINES_MAX || this.#bytes > AUDIT_KEPT_BYTES_MAX) {
      this.#bytes -= this.lines.shift()?.bytes ?? this.#bytes;
    }
  }
}

/** ISO 8601, which is in order as a text. */
function timeOf(json: string): string {
  const { time }: { readonly time?: unknown } = JSON.parse(json);
  return typeof time === 'string' ? time : '';
}

function shown(text: string): string {
  const plain = redact(text);
  return plain.length <= AUDIT_TEXT_CHARS_MAX ? plain : `${plain.slice(0, AUDIT_TEXT_CHARS_MAX - 1)}…`;
}
