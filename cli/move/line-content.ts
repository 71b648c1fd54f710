/** What a line of a file that is imported holds: an OTLP request, or a record of S2. */

import type { BinaryRecord } from '../../src/client/append-input.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { StreamUri } from '../flags/names.ts';
import { recordIn } from '../input/record-lines.ts';
import { type InputLine, LINE_BYTES_MAX } from './input-lines.ts';
import type { LineContent } from './line-batch.ts';
import { isOtlp, otlpLine } from './otlp-line.ts';

/** `s2` has bytes in base64, `s2-json` as text. */
export const IMPORT_FORMATS = ['auto', 'otlp-json', 's2', 's2-json'] as const;
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

export interface LineRules {
  readonly format: ImportFormat;
  /** The stream that was asked for, whatever the line says. */
  readonly stream: StreamUri | undefined;
  /** The stream of records of S2 by the name of their file; only `export` names files so. */
  readonly streamOfFile: StreamUri | undefined;
}

const NAME_STREAM = 'a record of S2 does not name its stream: say --stream';
const SAY_FORMAT =
  'the line is a record of S2, and nothing says how its bytes are written: --format s2 for base64, --format s2-json for text';

/**
 * Reads a line; undefined for an empty one.
 * @throws TailraceError `invalid` for a line that is not what its file holds, `config` when flags must say more
 */
export function contentOf({ bytes, isTooLong, isCut }: InputLine, rules: LineRules): LineContent | undefined {
  if (isTooLong) throw new TailraceError('invalid', `the line is longer than ${LINE_BYTES_MAX} bytes`);
  const { format } = rules;
  if (format === 's2' || format === 's2-json') return record(bytes, format, rules);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  if (text.trim() === '') return undefined;
  const json = objectIn(text, isCut);
  if (format === 'auto' && !isOtlp(json) && ('body' in json || 'seq_num' in json)) {
    if (rules.streamOfFile === undefined) throw new TailraceError('config', SAY_FORMAT);
    return record(bytes, 's2', rules);
  }
  if (!isOtlp(json))
    throw new TailraceError('invalid', 'the line has no resourceLogs, resourceSpans or resourceMetrics');
  return { type: 'otlp', line: otlpLine(text, json, rules.stream?.stream) };
}

function record(bytes: Uint8Array, format: 's2' | 's2-json', rules: LineRules): LineContent | undefined {
  const read = recordIn(bytes, format === 's2' ? 'json-base64' : 'json');
  if (read === undefined) return undefined;
  const uri = rules.stream ?? rules.streamOfFile;
  if (uri === undefined) throw new TailraceError('config', NAME_STREAM);
  return { type: 's2', uri, record: withoutTrim(read) };
}

/**
 * A trim point counts records of the stream that the file was written from: here it would remove others. The command stays
 * as a record that trims nothing, so that the records after it keep their distance.
 */
function withoutTrim(read: BinaryRecord): BinaryRecord {
  const [[name, value] = [], ...more] = read.headers ?? [];
  const isTrim = more.length === 0 && name?.length === 0 && Buffer.from(value ?? []).toString('latin1') === 'trim';
  return isTrim && read.body.length === 8 ? { ...read, body: new Uint8Array(8) } : read;
}

function objectIn(text: string, isCut: boolean): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (cause) {
    const why = isCut ? 'the file ends within the line' : (cause as Error).message.slice(0, 200);
    throw new TailraceError('invalid', `the line is not JSON: ${why}`, { cause });
  }
  throw new TailraceError('invalid', 'the line is not a JSON object');
}
