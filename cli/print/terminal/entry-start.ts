/** The columns at the left of each record: sequence number, time, level and service; and the rule at each change of day. */

import type { MessageRow } from '../../../src/model/message-row.ts';
import type { Colors } from '../format.ts';
import type { Paint } from './flow.ts';
import type { LayoutOptions } from './layout-options.ts';
import { printable, someText } from './printable.ts';
import { durationText } from './quantities.ts';
import type { EntryStart } from './terminal-entry.ts';
import { clipEnd, clipStart, padColumns, textWidth } from './text-width.ts';

/** Fewer columns have no space for milliseconds. */
const MILLISECONDS_FROM_COLUMNS = 90;
const SERVICE_MIN = 8;
const SERVICE_MAX = 14;
/** The column is as wide as most services of the first records need, and then stays. */
const SERVICES_SEEDED = 20;
const SERVICES_FITTING = 0.8;
const SEQ_COLUMNS = 6;
const LEVEL_COLUMNS = 5;
const RELATIVE_COLUMNS = 12;
/** Where less is left for the message, the service is left out. */
const MESSAGE_COLUMNS_MIN = 12;

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** What the columns of one record show. */
export interface StartColumns {
  readonly level: string;
  readonly paint: Paint | undefined;
}

/** Remembers what the columns need to know of the records before. */
export class EntryStarts {
  readonly #options: LayoutOptions;
  readonly #colors: Colors;
  readonly #serviceWidths: number[] = [];
  #serviceWidth = SERVICE_MIN;
  #day = '';
  #firstMs: number | undefined;

  constructor(options: LayoutOptions, colors: Colors) {
    this.#options = options;
    this.#colors = colors;
  }

  /** Looks at rows before any of them is laid out. */
  seed(rows: readonly MessageRow[]): void {
    const services = rows.map((row) => someText(row.serviceName)).filter((name) => name !== undefined);
    const missing = SERVICES_SEEDED - this.#serviceWidths.length;
    if (missing <= 0 || services.length === 0) return;
    this.#serviceWidths.push(...services.slice(0, missing).map((name) => textWidth(printable(name))));
    const widths = this.#serviceWidths.toSorted((a, b) => a - b);
    const needed = widths[Math.ceil(widths.length * SERVICES_FITTING) - 1] ?? SERVICE_MIN;
    this.#serviceWidth = Math.min(SERVICE_MAX, Math.max(SERVICE_MIN, needed));
  }

  /** The rule with the date when the record begins another day than the one before. */
  rule(row: MessageRow, columns: number): string | undefined {
    const at = new Date(timeOf(row));
    if ((this.#options.time !== 'local' && this.#options.time !== 'utc') || Number.isNaN(at.getTime()))
      return undefined;
    const { year, month, date, day } = this.#clock(at);
    const text = `${DAYS[day]}, ${date} ${MONTHS[month]} ${year}`;
    if (text === this.#day) return undefined;
    this.#day = text;
    return this.#colors.dim(`── ${text} ${'─'.repeat(Math.max(0, columns - text.length - 4))}`);
  }

  /** The columns; records of other tools than OpenTelemetry have neither level nor service. */
  start(row: MessageRow, columns: number, shown: StartColumns | undefined): EntryStart {
    const { seq, time } = this.#options;
    const parts: (readonly [text: string, paint: Paint | undefined])[] = [];
    if (seq) parts.push([String(row.seqNum).padStart(SEQ_COLUMNS), this.#colors.dim]);
    if (time !== 'none') parts.push([this.#timeText(row, columns), this.#colors.dim]);
    const levelColumn = widthOf(parts);
    if (shown !== undefined) {
      parts.push([padColumns(clipEnd(printable(shown.level), LEVEL_COLUMNS), LEVEL_COLUMNS), shown.paint]);
      const name = someText(row.serviceName) ?? '';
      const service = padColumns(clipStart(printable(name), this.#serviceWidth), this.#serviceWidth);
      const isNarrow = columns - widthOf(parts) - this.#serviceWidth < MESSAGE_COLUMNS_MIN;
      if (!isNarrow) parts.push([service, hashPaint(name, this.#colors)]);
    }
    const text = parts.map(([part, paint]) => `${paint === undefined || part.trim() === '' ? part : paint(part)} `);
    return { text: text.join(''), width: widthOf(parts), levelColumn };
  }

  #timeText(row: MessageRow, columns: number): string {
    const { time } = this.#options;
    const ms = timeOf(row);
    const isShort = columns < MILLISECONDS_FROM_COLUMNS;
    const clockColumns = isShort ? 8 : 12;
    const isoColumns = isShort ? 20 : 24;
    const width = time === 'iso' ? isoColumns : time === 'relative' ? RELATIVE_COLUMNS : clockColumns;
    const at = new Date(ms);
    if (Number.isNaN(at.getTime())) return padColumns(clipEnd(printable(String(row.timestamp ?? '-')), width), width);
    if (time === 'iso') return clipEnd(at.toISOString().replace(isShort ? /\.\d+/ : '', ''), width);
    if (time === 'relative') {
      this.#firstMs ??= ms;
      const since = ms - this.#firstMs;
      return clipEnd(`${since < 0 ? '' : '+'}${durationText(since)}`, width).padStart(width);
    }
    const { hours, minutes, seconds, milliseconds } = this.#clock(at);
    const two = (value: number) => String(value).padStart(2, '0');
    const clock = `${two(hours)}:${two(minutes)}:${two(seconds)}`;
    return isShort ? clock : `${clock}.${String(milliseconds).padStart(3, '0')}`;
  }

  #clock(at: Date) {
    const isUtc = this.#options.time === 'utc';
    return {
      year: isUtc ? at.getUTCFullYear() : at.getFullYear(),
      month: isUtc ? at.getUTCMonth() : at.getMonth(),
      date: isUtc ? at.getUTCDate() : at.getDate(),
      day: isUtc ? at.getUTCDay() : at.getDay(),
      hours: isUtc ? at.getUTCHours() : at.getHours(),
      minutes: isUtc ? at.getUTCMinutes() : at.getMinutes(),
      seconds: isUtc ? at.getUTCSeconds() : at.getSeconds(),
      milliseconds: at.getUTCMilliseconds(),
    };
  }
}

/** A span stands at its end: that is when it was known. Milliseconds since the epoch. */
function timeOf(row: MessageRow): number {
  const text = someText(row.endTimestamp) ?? someText(row.timestamp) ?? '';
  // After year 9999 the server writes milliseconds.
  return /^\d+$/.test(text) ? Number(text) : Date.parse(text);
}

/** The same colour for the same name, always. Red and yellow are for levels. */
export function hashPaint(name: string, colors: Colors): Paint {
  const { cyan, green, magenta, blue, cyanBright, greenBright, magentaBright, blueBright } = colors;
  const paints = [cyan, green, magenta, blue, cyanBright, greenBright, magentaBright, blueBright];
  let hash = 0x811c9dc5;
  for (const character of name) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return paints[hash % paints.length] ?? cyan;
}

/** Each part has a space behind it. */
function widthOf(parts: readonly (readonly [text: string, paint: unknown])[]): number {
  return parts.reduce((sum, [text]) => sum + textWidth(text) + 1, 0);
}
