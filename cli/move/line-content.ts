/** What a line or a message of a file that is imported holds: an OTLP request, or a record of S2. */

import type { BinaryRecord } from '../../src/client/append-input.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { StreamUri } from '../flags/names.ts';
import { recordIn } from '../input/record-lines.ts';
import { type InputLine, LINE_BYTES_MAX } from './input-lines.ts';
import type { LineContent } from './line-batch.ts';
import { isOtlp, otlpLine } from './otlp-line.ts';
import { protoRequest } from './proto-request.ts';

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

/** How a frame of zstd and an object of JSON begin. */
const ZSTD = Buffer.of(0x28, 0xb5, 0x2f, 0xfd);
const BRACE = 0x7b;

const NAME_STREAM = 'a record of S2 does not name its stream: say --stream';
const SAY_FORMAT =
  'the line is a record of S2, and nothing says how its bytes are written: --format s2 for base64, --format s2-json for text';

/**
 * Reads a line; undefined for an empty one.
 * @throws TailraceError `invalid` for a line that is not what its file holds, `config` when flags must say more
 */
export async function contentOf(input: InputLine, rules: LineRules): Promise<LineContent | undefined> {
  if (input.isMessage) return messageContent(input, rules);
  const { bytes, isTooLong, isCut } = input;
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

/** JSON or protobuf, each message compressed by itself or not at all. */
async function messageContent({ bytes, isCut }: InputLine, rules: LineRules): Promise<LineContent | undefined> {
  if (rules.format !== 'auto' && rules.format !== 'otlp-json') {
    throw new TailraceError('config', `the file holds messages behind their lengths, and no lines of ${rules.format}`);
  }
  if (isCut) throw new TailraceError('invalid', 'the file ends within the message');
  const plain = ZSTD.equals(bytes.subarray(0, ZSTD.length)) ? await decompressed(bytes) : bytes;
  if (plain[0] === BRACE) {
    const text = Buffer.from(plain.buffer, plain.byteOffset, plain.length).toString('utf8');
    const json = objectIn(text, false);
    if (isOtlp(json)) return { type: 'otlp', line: otlpLine(text, json, rules.stream?.stream) };
    throw new TailraceError('invalid', 'the message has no resourceLogs, resourceSpans or resourceMetrics');
  }
  const request = protoRequest(plain, rules.stream?.stream);
  return request === undefined ? undefined : { type: 'proto', request };
}

async function decompressed(bytes: Uint8Array): Promise<Uint8Array> {
  // Most files need no decompressor.
  const { zstdDecompress } = await import('../../src/encoding/zstd/decompress.ts');
  try {
    return await zstdDecompress(bytes, LINE_BYTES_MAX);
  } catch (cause) {
    if (cause instanceof TailraceError) throw new TailraceError('invalid', `the message: ${cause.message}`, { cause });
    throw cause;
  }
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
