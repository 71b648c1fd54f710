/** Errors of a JSON body; each message says where the fault is and what to write instead. */

import { TailraceError } from '../../model/error.ts';
import type { TranscodeBuffer } from './transcode-buffer.ts';

/** The body is not JSON at `at`. `wanted` says what should be there. */
export function syntaxFault(buffer: TranscodeBuffer, at: number, wanted: string): TailraceError {
  const where = offset(buffer, at);
  const what =
    at >= buffer.end
      ? `it ends at byte ${where}, where ${wanted} should follow (was it cut off?)`
      : `expected ${wanted} at byte ${where}, found ${found(buffer, at)}`;
  return new TailraceError('bad_json', `the body is not valid JSON: ${what}`);
}

/** The body is JSON, but not OTLP: the key does not take this value. `fix` says what to write. */
export function valueFault(buffer: TranscodeBuffer, at: number, key: string, fix: string): TailraceError {
  return new TailraceError('bad_json', `the body is not OTLP/JSON: ${key} ${fix} (at byte ${offset(buffer, at)})`);
}

/** What is at `at`, as users see it in their text. */
function found(buffer: TranscodeBuffer, at: number): string {
  const byte = buffer.bytes[at] ?? 0;
  if (at >= buffer.end) return 'the end of the body';
  if (byte < 0x20 || byte === 0x7f) return `the control character 0x${byte.toString(16).padStart(2, '0')}`;
  if (byte > 0x7f) return `the byte 0x${byte.toString(16)}`;
  return `'${String.fromCharCode(byte)}'`;
}

function offset(buffer: TranscodeBuffer, at: number): number {
  return Math.min(at, buffer.end) - buffer.base;
}
