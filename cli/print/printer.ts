/** How records look on stdout: one printer for each view and format. */

import type { BatchFrame, ClientView } from '../../src/client/frames.ts';
import type { MessageRow } from '../../src/model/message-row.ts';
import type { Header, StreamRecord } from '../../src/model/record.ts';
import type { StreamUri } from '../flags/names.ts';
import type { Output } from './console.ts';
import { colorByLevel, createColors, escapeControls, safeJson } from './format.ts';
import { logfmtLine, wideLine } from './row-line.ts';
import type { Layout } from './terminal/layout.ts';

/** The views of the command line: binary OTLP messages are not for a terminal. */
export const CLI_VIEWS = ['text', 'message', 'otlp-json', 'raw'] as const;
export type CliView = (typeof CLI_VIEWS)[number];

/** S2's formats of a raw record. */
export const FORMATS = ['text', 'json', 'json-base64'] as const;
export type Format = (typeof FORMATS)[number];

/** How `--output` shows records: each is a view, or a layout of one. */
export const OUTPUTS = ['text', 'wide', 'logfmt', 'json'] as const;
export type OutputFormat = (typeof OUTPUTS)[number];

/** Whose records they are, and why they are shown. */
export interface PrintedFrom {
  readonly uri: StreamUri;
  /** They stand around a record that was asked for. */
  readonly isContext?: boolean;
}

/** Which view to ask the server for, and how to print what arrives. */
export interface Printer {
  readonly view: ClientView;
  /** Whether a line may stand between groups of records without harm to who reads them. */
  readonly isForEyes: boolean;
  print(frame: BatchFrame<ClientView>, from: PrintedFrom): string | Uint8Array;
  /** Tells the names of streams before their records. */
  expectStreams?(names: readonly string[]): void;
}

/** What printers need to know beside the format. */
export interface PrintSetting {
  readonly output: Output;
  /** Several streams are read, so each record says whose it is. */
  readonly isMany: boolean;
}

/** Makes the printer of an output format. */
export function createOutputPrinter(format: OutputFormat, setting: PrintSetting): Printer {
  if (format === 'text') return createPrinter('text', 'json', setting);
  if (format === 'json') return createPrinter('message', 'json', setting);
  const { output, isMany } = setting;
  const plain = createColors('never', false, {});
  if (format === 'logfmt') return rowPrinter((row, from) => logfmtLine(placed(row, from, isMany)), false);
  const { dim } = output.colors;
  return rowPrinter((row, { uri, isContext }) => {
    const line = isContext === true ? dim(wideLine(row, plain)) : wideLine(row, output.colors);
    return isMany ? `${escapeControls(uri.stream)}  ${line}` : line;
  }, true);
}

/** Makes the printer for people at a terminal. */
export function createLayoutPrinter(layout: Layout, isMany: boolean): Printer {
  return {
    view: 'message',
    isForEyes: true,
    expectStreams: layout.expectStreams,
    print: (frame, { uri, isContext = false }) =>
      joined(layout.lines(rowsIn(frame), { stream: isMany ? uri.stream : undefined, isContext }), (line) => line),
  };
}

/** Makes the printer of lines that a template makes of each row. */
export function createTemplatePrinter(line: (row: MessageRow, uri: StreamUri) => string): Printer {
  return rowPrinter((row, { uri }) => line(row, uri), true);
}

/** Makes the printer of a view. */
export function createPrinter(view: CliView, format: Format, setting: PrintSetting): Printer {
  const { output, isMany } = setting;
  switch (view) {
    case 'text':
      return {
        view: 'text',
        isForEyes: true,
        print: (frame, { uri, isContext }) => {
          const start = isMany ? `${escapeControls(uri.stream)} ` : '';
          const paint = isContext === true ? output.colors.dim : (line: string) => colorByLevel(line, output.colors);
          return joined(textLines(frame), (line) => start + paint(escapeControls(line)));
        },
      };
    case 'message':
      return rowPrinter((row, from) => safeJson(placed(row, from, isMany)), false);
    case 'otlp-json':
      return {
        view: 'otlp-json',
        isForEyes: false,
        print: (frame) => joined('requests' in frame ? frame.requests : [], safeJson),
      };
    case 'raw':
      return {
        view: 'raw',
        isForEyes: false,
        print: (frame, from) => rawRecords('records' in frame ? frame.records : [], format, setting, from),
      };
  }
}

function rowPrinter(line: (row: MessageRow, from: PrintedFrom) => string, isForEyes: boolean): Printer {
  return { view: 'message', isForEyes, print: (frame, from) => joined(rowsIn(frame), (row) => line(row, from)) };
}

/** A record with what a program must be told beside its columns. */
function placed<T extends object>(record: T, { uri, isContext }: PrintedFrom, isMany: boolean): T {
  if (!isMany && isContext !== true) return record;
  return { ...(isMany && uri), ...(isContext === true && { context: true }), ...record };
}

function rowsIn(frame: BatchFrame<ClientView>): readonly MessageRow[] {
  return 'rows' in frame ? frame.rows : [];
}

function textLines(frame: BatchFrame<ClientView>): readonly string[] {
  return 'lines' in frame ? frame.lines : [];
}

function joined<T>(items: readonly T[], print: (item: T) => string): string {
  return items.map((item) => `${print(item)}\n`).join('');
}

function rawRecords(
  records: readonly StreamRecord[],
  format: Format,
  { output, isMany }: PrintSetting,
  from: PrintedFrom,
): string | Uint8Array {
  const name = isMany ? `${escapeControls(from.uri.stream)} ` : '';
  if (format !== 'text') {
    const encoding = format === 'json' ? 'utf8' : 'base64';
    return joined(records, (record) => safeJson(placed(jsonRecord(record, encoding), from, isMany)));
  }
  // A terminal gets no control characters; a file or a pipe gets the bytes as they are.
  if (output.isTty) {
    return joined(records, (record) => name + escapeControls(Buffer.from(record.body).toString('utf8')));
  }
  return Buffer.concat(records.flatMap((record) => [Buffer.from(name), record.body, NEW_LINE]));
}

const NEW_LINE = Buffer.from('\n');

/** The shape that S2's command line prints, and reads back. */
function jsonRecord(record: StreamRecord, encoding: 'utf8' | 'base64'): object {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString(encoding);
  const headers = record.headers.map(([name, value]: Header) => [text(name), text(value)]);
  return { seq_num: record.seqNum, timestamp: record.timestamp, headers, body: text(record.body) };
}
