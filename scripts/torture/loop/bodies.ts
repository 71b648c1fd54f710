/** Bodies of the largest legal size that cost a server more than their bytes suggest. */

const MiB = 1024 * 1024;

/** A field of protobuf with a length. */
export function field(number: number, ...content: readonly Uint8Array[]): Buffer {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([varint((number << 3) | 2), varint(length), ...content]);
}

/** So many log records, each in a resource that goes to a stream of its own. */
export function distinctStreams(count: number, prefix = 's'): Buffer {
  const item = field(2, field(2, Buffer.alloc(0)));
  return Buffer.concat(
    Array.from({ length: count }, (_, index) => {
      const value = field(2, field(1, Buffer.from(`${prefix}/${index}`)));
      return field(1, field(1, field(1, field(1, Buffer.from('s2.stream')), value)), item);
    }),
  );
}

/** One log record with this content, in protobuf. */
export function logRecord(...content: readonly Uint8Array[]): Buffer {
  return field(1, field(2, field(2, ...content)));
}

/** `bytes` of JSON around a repeated part, which is separated by commas. */
export function repeatedJson(before: string, after: string, part: string, bytes: number): Buffer {
  const times = Math.floor((bytes - before.length - after.length) / (part.length + 1));
  const middle = Buffer.alloc(times * (part.length + 1) - 1, `${part},`);
  return Buffer.concat([Buffer.from(before), middle, Buffer.from(after)]);
}

/** A JSON request with one log record whose fields are these. */
export function jsonRecord(fields: string): [before: string, after: string] {
  const [before = '', after = ''] = fields.split('…');
  return [`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{${before}`, `${after}}]}]}]}`];
}

/** `bytes` times the same few bytes. */
export function filled(bytes: number, with_: string | Uint8Array): Buffer {
  return Buffer.alloc(bytes, with_);
}

export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** Just below what a body may have after decompression. */
export const BODY_BYTES = 63 * MiB;
