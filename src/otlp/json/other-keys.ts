/** Keys that are not those of OTLP/JSON, but known: the names of the fields in `proto/`, and names of old versions. */

const UNDERSCORE = 0x5f;
const CASE_BIT = 0x20;

/** What was renamed in OTLP 0.15. Their content has another shape, so it is not read. */
export const OLD_KEYS: ReadonlySet<string> = new Set([
  'instrumentationLibraryLogs',
  'instrumentationLibrarySpans',
  'instrumentationLibraryMetrics',
]);

/** Turns snake_case in [start, end) into lowerCamelCase; returns where it ends now, or 0 for what is not snake_case. */
export function toCamelCase(bytes: Uint8Array, start: number, end: number): number {
  let marks = 0;
  for (let at = start; at < end; at++) {
    if (isLower(bytes[at])) continue;
    if (bytes[at] !== UNDERSCORE || at === start || !isLower(bytes[at + 1])) return 0;
    marks++;
  }
  if (marks === 0 || bytes[end - 1] === UNDERSCORE) return 0;
  let out = start;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    bytes[out++] = byte === UNDERSCORE ? (bytes[++at] as number) & ~CASE_BIT : byte;
  }
  return out;
}

function isLower(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x61 && byte <= 0x7a;
}
