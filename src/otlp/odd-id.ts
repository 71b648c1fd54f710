/**
 * Trace and span ids that are none: not of 16 or 8 bytes. Senders put hex text into protobuf, base64 into JSON, ids of
 * 64 bits from older systems, or names. Each becomes an id of the right length, always the same one, so that what
 * belongs together stays together.
 */

import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';

/** The fields that are ids, with their length. */
export const ID_BYTES: Readonly<Record<string, number>> = { traceId: 16, spanId: 8, parentSpanId: 8 };

/**
 * What the JSON transcoder puts before the text of an id that is not hex of the right length, when it writes it as the
 * bytes of the field: so no such text has the length of an id.
 */
export const ODD_ID_LEAD: Uint8Array = new Uint8Array(17);

const HEX = /^[0-9a-fA-F]+$/;
const BASE64 = /^[A-Za-z0-9+/_-]+={1,2}$/;
/** Without control characters. */
const TEXT = /^\P{Cc}+$/u;
/** A text is shown up to this many characters. */
const SHOWN_CHARS_MAX = 1_024;

/** The id that stands for what was sent. */
export function idFor(sent: Uint8Array, size: number): Uint8Array {
  const text = Buffer.from(sent).toString('latin1');
  if (HEX.test(text) && text.length <= 2 * size) return Buffer.from(text.padStart(2 * size, '0'), 'hex');
  if (BASE64.test(text) && text.length === 4 * Math.ceil(size / 3)) {
    const id = Buffer.from(text, 'base64');
    if (id.length === size) return id;
  }
  // Ids of 64 bits in place of 128 are shorter ones: zeros stand before them (W3C Trace Context, section 2.3).
  if (sent.length < size && !isText(sent)) return Buffer.concat([Buffer.alloc(size - sent.length), sent]);
  return createHash('sha256').update(sent).digest().subarray(0, size);
}

/** What was sent, for people: text as it is, other bytes in hex. */
export function shownId(sent: Uint8Array): string {
  const bytes = Buffer.from(sent);
  return (isText(sent) ? bytes.toString('utf8') : bytes.toString('hex')).slice(0, SHOWN_CHARS_MAX);
}

function isText(bytes: Uint8Array): boolean {
  return isUtf8(bytes) && TEXT.test(Buffer.from(bytes).toString('utf8'));
}
