/** The lines of a file with their numbers and where they end, so that a later run can go on behind any of them. */

import { once } from 'node:events';
import { createReadStream, ReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { TailraceError } from '../../src/model/error.ts';

export interface InputLine {
  /** Without its end. */
  readonly bytes: Uint8Array;
  /** From 1. */
  readonly number: number;
  /** Where the next line begins, in the text, which is not the file where that is compressed. */
  readonly next: number;
  /** Whether the file ends in this line: what wrote it may have been killed. */
  readonly isCut: boolean;
  /** A line that is longer than any request may be has no bytes. */
  readonly isTooLong: boolean;
}

export interface InputPoint {
  readonly line: number;
  readonly next: number;
}

/** Requests have at most so many bytes, and a record of S2 fewer. */
export const LINE_BYTES_MAX = 64 * 1024 * 1024;
const NEW_LINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Lines from a point on. `onRead` gets how many bytes of the file were read.
 * @throws TailraceError `config` when it cannot be read
 */
export async function* inputLines(
  file: string,
  from: InputPoint,
  signal: AbortSignal,
  onRead: (bytes: number) => void,
): AsyncGenerator<InputLine> {
  const raw = await openInput(file);
  const isGzip = file.endsWith('.gz');
  const text = isGzip ? raw.pipe(createGunzip()) : raw;
  if (isGzip) raw.on('error', (error) => text.destroy(error));
  const stop = () => text.destroy();
  signal.addEventListener('abort', stop);
  let bytes = 0;
  try {
    const lines = new LineReader(from);
    for await (const chunk of text as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      onRead(raw instanceof ReadStream ? raw.bytesRead : bytes);
      yield* lines.take(chunk);
    }
    yield* lines.end();
  } catch (cause) {
    if (signal.aborted) return;
    throw new TailraceError('config', `cannot read ${nameOf(file)}: ${(cause as Error).message}`, { cause });
  } finally {
    signal.removeEventListener('abort', stop);
    raw.destroy();
    text.destroy();
  }
}

/** `-` in messages. */
export function nameOf(file: string): string {
  return file === '-' ? 'stdin' : file;
}

class LineReader {
  /** What is still to be passed over. */
  #skip: number;
  #at: number;
  #number: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor({ line, next }: InputPoint) {
    this.#skip = next;
    this.#at = next;
    this.#number = line;
  }

  *take(chunk: Uint8Array): Generator<InputLine> {
    const skipped = Math.min(this.#skip, chunk.length);
    this.#skip -= skipped;
    let from = skipped;
    for (let end = chunk.indexOf(NEW_LINE, from); end !== -1; end = chunk.indexOf(NEW_LINE, from)) {
      this.#add(chunk.subarray(from, end));
      yield this.#line(1, false);
      from = end + 1;
    }
    if (from < chunk.length) this.#add(chunk.subarray(from));
  }

  *end(): Generator<InputLine> {
    if (this.#bytes > 0) yield this.#line(0, true);
  }

  #add(part: Uint8Array): void {
    this.#bytes += part.length;
    // Nothing of a line that is too long is kept.
    if (this.#bytes > LINE_BYTES_MAX) this.#parts = [];
    else this.#parts.push(part);
  }

  #line(endBytes: number, isCut: boolean): InputLine {
    const isTooLong = this.#bytes > LINE_BYTES_MAX;
    const [only] = this.#parts;
    const whole = this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts);
    this.#at += this.#bytes + endBytes;
    this.#number += 1;
    this.#parts = [];
    this.#bytes = 0;
    const bytes = whole.at(-1) === CARRIAGE_RETURN ? whole.subarray(0, -1) : whole;
    return { bytes, number: this.#number, next: this.#at, isCut, isTooLong };
  }
}

async function openInput(file: string): Promise<Readable> {
  if (file === '-') return process.stdin;
  const stream = createReadStream(file, { highWaterMark: 256 * 1024 });
  await once(stream, 'open').catch((cause: unknown) => {
    throw new TailraceError('config', `cannot read ${file}: ${(cause as Error).message}`, { cause });
  });
  return stream;
}
