/** Lines that are sent together: of one signal, or records of one stream. Batches follow from the file alone, not from time. */

import type { BinaryRecord } from '../../src/client/append-input.ts';
import { APPEND_METERED_BYTES_MAX, APPEND_RECORDS_MAX } from '../../src/model/limits.ts';
import { meteredBytes, type Signal } from '../../src/model/record.ts';
import { formatStreamUri, type StreamUri } from '../flags/names.ts';
import { type OtlpLine, requestOf } from './otlp-line.ts';

/** What a line is. */
export type LineContent =
  | { readonly type: 'otlp'; readonly line: OtlpLine }
  | { readonly type: 's2'; readonly uri: StreamUri; readonly record: BinaryRecord };

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
    if (content.type === 'otlp') return this.#size + sizeOf(content) <= REQUEST_CHARS;
    return this.lines.length < APPEND_RECORDS_MAX && this.#size + sizeOf(content) <= APPEND_METERED_BYTES_MAX;
  }

  add(line: NumberedLine): void {
    this.lines.push(line);
    this.#size += sizeOf(line.content);
  }

  /** The request of a batch of OTLP; undefined for records of S2. */
  request(): { readonly signal: Signal; readonly body: string; readonly items: number } | undefined {
    const lines = this.lines.flatMap(({ content }) => (content.type === 'otlp' ? [content.line] : []));
    const signal = lines[0]?.signal;
    if (signal === undefined) return undefined;
    const items = lines.reduce((sum, line) => sum + line.items, 0);
    return {
      signal,
      body: requestOf(
        signal,
        lines.map(({ resources }) => resources),
      ),
      items,
    };
  }

  /** The records of a batch of S2, and their stream; undefined for OTLP. */
  append(): { readonly uri: StreamUri; readonly records: readonly BinaryRecord[] } | undefined {
    const lines = this.lines.flatMap(({ content }) => (content.type === 's2' ? [content] : []));
    const [first] = lines;
    return first === undefined ? undefined : { uri: first.uri, records: lines.map(({ record }) => record) };
  }
}

function kindOf(content: LineContent): string {
  return content.type === 'otlp' ? content.line.signal : formatStreamUri(content.uri);
}

function sizeOf(content: LineContent): number {
  if (content.type === 'otlp') return content.line.resources.length;
  return meteredBytes(content.record.headers ?? [], content.record.body.length);
}
