/** How records look on stdout: one printer for each view and format. */

import type { BatchFrame, ClientView } from '../../src/client/frames.ts';
import type { MessageRow } from '../../src/model/message-row.ts';
import type { Header, StreamRecord } from '../../src/model/record.ts';
import type { Output } from './console.ts';
import { colorByLevel, escapeControls, safeJson } from './format.ts';
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

/** Which view to ask the server for, and how to print what arrives. */
export interface Printer {
  readonly view: ClientView;
  print(frame: BatchFrame<ClientView>): string | Uint8Array;
}

/** Makes the printer of an output format. */
export function createOutputPrinter(format: OutputFormat, output: Output): Printer {
  if (format === 'text') return createPrinter('text', 'json', output);
  if (format === 'json') return createPrinter('message', 'json', output);
  const print = format === 'logfmt' ? logfmtLine : (row: MessageRow) => wideLine(row, output.colors);
  return { view: 'message', print: (frame) => lines('rows' in frame ? frame.rows : [], print) };
}

/** Makes the printer for people at a terminal. */
export function createLayoutPrinter(layout: Layout): Printer {
  return { view: 'message', print: (frame) => lines('rows' in frame ? layout.lines(frame.rows) : [], (line) => line) };
}

/** Makes the printer of a view. */
export function createPrinter(view: CliView, format: Format, output: Output): Printer {
  switch (view) {
    case 'text':
      return { view: 'text', print: (frame) => lines(textLines(frame), (line) => colored(line, output)) };
    case 'message':
      return { view: 'message', print: (frame) => lines('rows' in frame ? frame.rows : [], safeJson) };
    case 'otlp-json':
      return { view: 'otlp-json', print: (frame) => lines('requests' in frame ? frame.requests : [], safeJson) };
    case 'raw':
      return { view: 'raw', print: (frame) => rawRecords('records' in frame ? frame.records : [], format, output) };
  }
}

function textLines(frame: BatchFrame<ClientView>): readonly string[] {
  return 'lines' in frame ? frame.lines : [];
}

function colored(line: string, output: Output): string {
  return colorByLevel(escapeControls(line), output.colors);
}

function lines<T>(items: readonly T[], print: (item: T) => string): string {
  return items.map((item) => `${print(item)}\n`).join('');
}

function rawRecords(records: readonly StreamRecord[], format: Format, output: Output): string | Uint8Array {
  if (format === 'json') return lines(records, (record) => safeJson(jsonRecord(record, 'utf8')));
  if (format === 'json-base64') return lines(records, (record) => safeJson(jsonRecord(record, 'base64')));
  // A terminal gets no control characters; a file or a pipe gets the bytes as they are.
  if (output.isTty) return lines(records, (record) => escapeControls(Buffer.from(record.body).toString('utf8')));
  return Buffer.concat(records.flatMap((record) => [record.body, NEW_LINE]));
}

const NEW_LINE = Buffer.from('\n');

/** The shape that S2's command line prints, and reads back. */
function jsonRecord(record: StreamRecord, encoding: 'utf8' | 'base64'): unknown {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString(encoding);
  const headers = record.headers.map(([name, value]: Header) => [text(name), text(value)]);
  return { seq_num: record.seqNum, timestamp: record.timestamp, headers, body: text(record.body) };
}
