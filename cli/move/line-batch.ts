/** Lines that are sent together: of one signal, or records of one stream. Batches follow from the file alone, not from time. */

import type { BinaryRecord } from '../../src/client/append-input.ts';
import { APPEND_METERED_BYTES_MAX, APPEND_RECORDS_MAX } from '../../src/model/limits.ts';
import { meteredBytes, type Signal } from '../../src/model/record.ts';
import { formatStreamUri, type StreamUri } from '../flags/names.ts';
import { type OtlpLine, requestOf } from './otlp-line.ts';
import type { ProtoRequest } from './proto-request.ts';

/** What a line is. */
export type LineContent =
  | { readonly type: 'otlp'; readonly line: OtlpLine }
  | { readonly type: 'proto'; readonly request: ProtoRequest }
  | { readonly type: 's2'; readonly uri: StreamUri; readonly record: BinaryRecord };

/** A request, with what is known of it. */
export interface OtlpBatch {
  readonly signal: Signal;
  readonly contentType: 'application/x-protobuf' | 'application/json';
  readonly body: Buffer;
  readonly items: number;
  readonly streams: ReadonlySet<string | undefined>;
}

export interface NumberedLine {
  readonly content: LineContent;
  readonly number: number;
  /** Where a later run goes on when the line is stored. */
  readonly next: number;
}

/** As large as requests of a Collector. A line that is larger is a batch of its own. */
const REQUEST_CHARS = 1024 * 1024;

export class LineBatch {
  readonly lines: NumberedLine[] = [];
  #size = 0;

  static of(lines: readonly NumberedLine[]): LineBatch {
    const batch = new LineBatch();
    for (const line of lines) batch.add(line);
    return batch;
  }

  /** Whether the line may go with those that are there already. */
  takes({ content }: NumberedLine): boolean {
    const first = this.lines[0]?.content;
    if (first === undefined) return true;
    if (kindOf(first) !== kindOf(content)) return false;
    if (content.type !== 's2') return this.#size + sizeOf(content) <= REQUEST_CHARS;
    return this.lines.length < APPEND_RECORDS_MAX && this.#size + sizeOf(content) <= APPEND_METERED_BYTES_MAX;
  }

  add(line: NumberedLine): void {
    this.lines.push(line);
    this.#size += sizeOf(line.content);
  }

  /** The request of a batch of OTLP; undefined for records of S2. */
  request(): OtlpBatch | undefined {
    const protos = this.lines.flatMap(({ content }) => (content.type === 'proto' ? [content.request] : []));
    const [proto] = protos;
    if (proto !== undefined) {
      // Fields of messages that stand behind each other are those of one message.
      const body = Buffer.concat(protos.map((one) => one.body));
      const streams = new Set(protos.flatMap((one) => [...one.streams]));
      return { signal: proto.signal, contentType: 'application/x-protobuf', body, items: itemsIn(protos), streams };
    }
    const lines = this.lines.flatMap(({ content }) => (content.type === 'otlp' ? [content.line] : []));
    const signal = lines[0]?.signal;
    if (signal === undefined) return undefined;
    const resources = lines.map((line) => line.resources);
    const streams = new Set(lines.flatMap((line) => [...line.streams]));
    const body = Buffer.from(requestOf(signal, resources));
    return { signal, contentType: 'application/json', body, items: itemsIn(lines), streams };
  }

  /** The records of a batch of S2, and their stream; undefined for OTLP. */
  append(): { readonly uri: StreamUri; readonly records: readonly BinaryRecord[] } | undefined {
    const lines = this.lines.flatMap(({ content }) => (content.type === 's2' ? [content] : []));
    const [first] = lines;
    return first === undefined ? undefined : { uri: first.uri, records: lines.map(({ record }) => record) };
  }
}

function itemsIn(requests: readonly { readonly items: number }[]): number {
  return requests.reduce((sum, { items }) => sum + items, 0);
}

function kindOf(content: LineContent): string {
  if (content.type === 'proto') return `protobuf of ${content.request.signal}`;
  return content.type === 'otlp' ? content.line.signal : formatStreamUri(content.uri);
}

function sizeOf(content: LineContent): number {
  if (content.type === 'otlp') return content.line.resources.length;
  if (content.type === 'proto') return content.request.body.length;
  return meteredBytes(content.record.headers ?? [], content.record.body.length);
}
