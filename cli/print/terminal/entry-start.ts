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
const NAME_MIN = 8;
const NAME_MAX = 14;
/** The column is as wide as most names in the first records need, and then stays. */
const NAMES_SEEDED = 20;
const NAMES_FITTING = 0.8;
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
  readonly #services = new NameColumn();
  readonly #streams = new NameColumn();
  #knowsStreams = false;
  /** Where each stream is that of one service and has its name, the service would only say the same again. */
  #showsService = false;
  #day = '';
  #firstMs: number | undefined;

  constructor(options: LayoutOptions, colors: Colors) {
    this.#options = options;
    this.#colors = colors;
  }

  /** Looks at rows before any of them is laid out. */
  seed(rows: readonly MessageRow[], stream: string | undefined): void {
    const services = rows.map((row) => someText(row.serviceName)).filter((name) => name !== undefined);
    if (services.some((name) => name !== stream)) this.#showsService = true;
    this.#services.seed(services);
    if (stream !== undefined && !this.#knowsStreams) this.#streams.seed(rows.map(() => stream));
  }

  seedStreams(names: readonly string[]): void {
    if (names.length === 0 || this.#knowsStreams) return;
    this.#knowsStreams = true;
    this.#streams.seed(names);
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
  start(
    row: MessageRow,
    columns: number,
    shown: StartColumns | undefined,
    { stream, colors }: { readonly stream?: string | undefined; readonly colors: Colors },
  ): EntryStart {
    const { seq, time } = this.#options;
    const parts: (readonly [text: string, paint: Paint | undefined])[] = [];
    if (seq) parts.push([String(row.seqNum).padStart(SEQ_COLUMNS), colors.dim]);
    if (time !== 'none') parts.push([this.#timeText(row, columns), colors.dim]);
    if (stream !== undefined) parts.push([this.#streams.text(stream), hashPaint(stream, colors)]);
    const levelColumn = widthOf(parts);
    if (shown !== undefined) {
      parts.push([padColumns(clipEnd(printable(shown.level), LEVEL_COLUMNS), LEVEL_COLUMNS), shown.paint]);
      const name = someText(row.serviceName) ?? '';
      const isNarrow = columns - widthOf(parts) - this.#services.width < MESSAGE_COLUMNS_MIN;
      const saysMore = stream === undefined || this.#showsService;
      if (saysMore && !isNarrow) parts.push([this.#services.text(name), hashPaint(name, colors)]);
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

/** A column of names, as wide as the first ones need. */
class NameColumn {
  readonly #widths: number[] = [];
  #width = NAME_MIN;

  get width(): number {
    return this.#width;
  }

  seed(names: readonly string[]): void {
    const missing = NAMES_SEEDED - this.#widths.length;
    if (missing <= 0 || names.length === 0) return;
    this.#widths.push(...names.slice(0, missing).map((name) => textWidth(printable(name))));
    const widths = this.#widths.toSorted((a, b) => a - b);
    const needed = widths[Math.ceil(widths.length * NAMES_FITTING) - 1] ?? NAME_MIN;
    this.#width = Math.min(NAME_MAX, Math.max(NAME_MIN, needed));
  }

  text(name: string): string {
    return padColumns(clipStart(printable(name), this.#width), this.#width);
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
