/**
 * The lines of a file with their numbers and where they end, so that a later run can go on behind any of them; or its
 * messages, each behind its length, as the file exporter of the Collector writes protobuf, and whatever it compresses.
 */

import { once } from 'node:events';
import { createReadStream, ReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { TailraceError } from '../../src/model/error.ts';

export interface InputLine {
  /** Whether it is a message behind its length, and no line of text. */
  readonly isMessage: boolean;
  /** Without its end. */
  readonly bytes: Uint8Array;
  /** From 1. */
  readonly number: number;
  /** Where the next line begins, in the text, which is not the file where that is compressed. */
  readonly next: number;
  /** Whether the file ends in it: what wrote it may have been killed. */
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
const LENGTH_BYTES = 4;
const GZIP = Buffer.of(0x1f, 0x8b);

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
  const isGzip = await beginsWithGzip(raw, file);
  const text = isGzip ? raw.pipe(createGunzip()) : raw;
  if (isGzip) raw.on('error', (error) => text.destroy(error));
  const stop = () => text.destroy();
  signal.addEventListener('abort', stop);
  let bytes = 0;
  try {
    let reader: LineReader | MessageReader | undefined;
    for await (const chunk of text as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      onRead(raw instanceof ReadStream ? raw.bytesRead : bytes);
      reader ??= isLength(chunk[0]) ? new MessageReader(from, file) : new LineReader(from);
      yield* reader.take(chunk);
    }
    if (reader !== undefined) yield* reader.end();
  } catch (cause) {
    if (signal.aborted) return;
    if (cause instanceof TailraceError) throw cause;
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

/** A length of at most {@link LINE_BYTES_MAX} begins with one of these bytes, with which no text begins. */
function isLength(byte: number | undefined): boolean {
  return byte !== undefined && byte <= LINE_BYTES_MAX / 2 ** 24;
}

/** By its first bytes, and by the name of what cannot be looked at before it is read. */
async function beginsWithGzip(raw: Readable, file: string): Promise<boolean> {
  if (file === '-' || file.endsWith('.gz') || !(raw instanceof ReadStream)) return file.endsWith('.gz');
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(GZIP.length), 0, GZIP.length, 0);
    return bytesRead === GZIP.length && buffer.equals(GZIP);
  } catch {
    // What is no file, such as a pipe, is read from its beginning only.
    return false;
  } finally {
    await handle.close();
  }
}

/** Messages behind their lengths of four bytes, the largest first. */
class MessageReader {
  readonly #file: string;
  #skip: number;
  #at: number;
  #number: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  /** Undefined until the length is there. */
  #length: number | undefined;

  constructor({ line, next }: InputPoint, file: string) {
    this.#skip = next;
    this.#at = next;
    this.#number = line;
    this.#file = file;
  }

  *take(chunk: Uint8Array): Generator<InputLine> {
    let from = Math.min(this.#skip, chunk.length);
    this.#skip -= from;
    while (from < chunk.length) {
      const wanted = (this.#length ?? LENGTH_BYTES) - this.#bytes;
      const part = chunk.subarray(from, from + wanted);
      this.#parts.push(part);
      this.#bytes += part.length;
      from += part.length;
      if (part.length < wanted) return;
      if (this.#length === undefined) this.#begin();
      // An empty message has no bytes to wait for.
      if (this.#length !== undefined && this.#bytes === this.#length) yield this.#message(false);
    }
  }

  *end(): Generator<InputLine> {
    if (this.#bytes > 0 || this.#length !== undefined) yield this.#message(true);
  }

  #begin(): void {
    const length = Buffer.concat(this.#parts).readUInt32BE(0);
    if (length > LINE_BYTES_MAX) {
      const what = `message ${this.#number + 1} says that it has ${length} bytes, and ${LINE_BYTES_MAX} is the most`;
      throw new TailraceError('config', `${nameOf(this.#file)}: ${what}: the file is damaged there`);
    }
    this.#length = length;
    this.#parts = [];
    this.#bytes = 0;
  }

  #message(isCut: boolean): InputLine {
    const bytes = Buffer.concat(this.#parts);
    this.#at += this.#length === undefined ? bytes.length : LENGTH_BYTES + bytes.length;
    this.#number += 1;
    this.#parts = [];
    this.#bytes = 0;
    this.#length = undefined;
    return { isMessage: true, bytes, number: this.#number, next: this.#at, isCut, isTooLong: false };
  }
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
    return { isMessage: false, bytes, number: this.#number, next: this.#at, isCut, isTooLong };
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
