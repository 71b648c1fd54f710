/** The file of a stream in a folder, and the stream of such a file. Any name of a stream is a safe name of a file. */

import { createHash } from 'node:crypto';

/** `otlp-json`: what the Collector's file exporter writes. `s2`: records as S2's command line prints them, in base64. */
export const EXPORT_FORMATS = ['otlp-json', 's2'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** File systems allow 255 bytes, and the position file and endings need some. */
const NAME_CHARS_MAX = 180;
const S2_FILE = /^([^~]+)\.s2\.jsonl(\.gz)?$/;

/** `shop/eu` → `shop%2Feu.jsonl`. */
export function fileNameOf(stream: string, format: ExportFormat, compress: string | undefined): string {
  const ending = `${format === 's2' ? '.s2' : ''}.jsonl${compress === undefined ? '' : '.gz'}`;
  const safe = encodeURIComponent(stream).replace(/[*'()!~]|^\./g, (c) => `%${c.charCodeAt(0).toString(16)}`);
  if (safe.length <= NAME_CHARS_MAX) return safe + ending;
  const mark = createHash('sha256').update(stream).digest('hex').slice(0, 16);
  return `${safe.slice(0, NAME_CHARS_MAX)}~${mark}${ending}`;
}

/** The stream whose records in S2's format a file holds, by its name; undefined for a file that `export` did not name. */
export function streamOfFile(name: string): string | undefined {
  const encoded = S2_FILE.exec(name)?.[1];
  if (encoded === undefined) return undefined;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}
