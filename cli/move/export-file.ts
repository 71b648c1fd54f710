/**
 * A file that an export writes, with its position beside it: the position is written when all before it is on the disk,
 * and what comes after it, such as a line that a kill cut in two, is cut off when the export goes on.
 */

import { existsSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { TailraceError } from '../../src/model/error.ts';
import { numberIn, readPosition, type SavedPosition, writePosition } from './position-file.ts';

/** Where lines go. */
export interface ExportSink {
  /** Lines with their ends. Resolves when more may come. */
  write(lines: string): Promise<void>;
  /** Everything before `next` was written. */
  reached(next: number): Promise<void>;
  /** Resolves when all is on the disk, or handed over. */
  end(): Promise<void>;
}

export interface ExportFileOptions {
  readonly resume: boolean;
  readonly compress: string | undefined;
  /** What must be the same in a later run. */
  readonly identity: SavedPosition;
}

/** A larger write costs memory, and a smaller one a system call, or a member of a gzip file, more. */
const WRITE_CHARS = 1024 * 1024;
/** After so many bytes the position is written: what a killed export does again. */
const POSITION_BYTES = 16 * 1024 * 1024;
const COMMAND = 'export';

const compressed = promisify(gzip);

export class ExportFile implements ExportSink {
  readonly name: string;
  /** Where the last run stopped; undefined for a new file. */
  readonly before: SavedPosition | undefined;
  readonly #handle: FileHandle;
  readonly #options: ExportFileOptions;
  #more: SavedPosition;
  #lines: string[] = [];
  #chars = 0;
  #bytes: number;
  #positionBytes: number;
  #next: number;
  #isOpen = true;

  private constructor(name: string, handle: FileHandle, before: SavedPosition | undefined, options: ExportFileOptions) {
    this.name = name;
    this.before = before;
    this.#more = before?.stream_id === undefined ? {} : { stream_id: before.stream_id };
    this.#handle = handle;
    this.#options = options;
    this.#bytes = numberIn(before, 'bytes');
    this.#positionBytes = this.#bytes;
    this.#next = numberIn(before, 'next');
  }

  /** @throws TailraceError `config` when it cannot be written, or is there and is not to go on */
  static async open(name: string, options: ExportFileOptions): Promise<ExportFile> {
    const before = options.resume ? readPosition(positionOf(name), COMMAND) : undefined;
    const kept = numberIn(before, 'bytes');
    if (before === undefined) {
      // First, so that whenever the file is there its position is too.
      if (existsSync(name)) throw new TailraceError('config', isThere(name, options.resume));
      writePosition(positionOf(name), COMMAND, { ...options.identity, next: 0, bytes: 0 });
    }
    const handle = await open(name, kept === 0 ? 'w' : 'r+').catch((cause: NodeJS.ErrnoException) => {
      throw cannotWrite(name, cause);
    });
    const { size } = await handle.stat();
    if (size < kept) {
      await handle.close();
      throw new TailraceError(
        'config',
        `${name} has ${size} bytes and had ${kept} when the export stopped: it was changed; remove it and ${positionOf(name)} to begin anew`,
      );
    }
    await handle.truncate(kept);
    return new ExportFile(name, handle, before, options);
  }

  /** What the position also says, such as which stream it was. */
  note(more: SavedPosition): void {
    this.#more = { ...this.#more, ...more };
  }

  async write(lines: string): Promise<void> {
    this.#lines.push(lines);
    this.#chars += lines.length;
  }

  async reached(next: number): Promise<void> {
    this.#next = next;
    if (this.#chars < WRITE_CHARS) return;
    await this.#flush();
    if (this.#bytes - this.#positionBytes >= POSITION_BYTES) await this.#settle();
  }

  async end(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      await this.#flush();
      await this.#settle();
    } finally {
      await this.#handle.close();
    }
  }

  async #flush(): Promise<void> {
    const text = Buffer.from(this.#lines.join(''));
    this.#lines = [];
    this.#chars = 0;
    if (text.length === 0) return;
    // Each write is a member of its own: a gzip file may be cut after any of them.
    const data = this.#options.compress === undefined ? text : await compressed(text);
    for (let at = 0; at < data.length; ) {
      const { bytesWritten } = await this.#handle
        .write(data, at, data.length - at, this.#bytes)
        .catch((cause: NodeJS.ErrnoException) => {
          throw cannotWrite(this.name, cause);
        });
      at += bytesWritten;
      this.#bytes += bytesWritten;
    }
  }

  async #settle(): Promise<void> {
    await this.#handle.sync();
    this.#writePosition();
    this.#positionBytes = this.#bytes;
  }

  #writePosition(): void {
    const done = { next: this.#next, bytes: this.#bytes };
    writePosition(positionOf(this.name), COMMAND, { ...this.#options.identity, ...this.#more, ...done });
  }
}

/** The position of a file is beside it. */
export function positionOf(name: string): string {
  return `${name}.position`;
}

function isThere(name: string, resume: boolean): string {
  const how = resume ? `it has no ${positionOf(name)}` : 'go on with --resume';
  return `${name} is there already: ${how}, remove it, or name another with -o`;
}

function cannotWrite(name: string, cause: NodeJS.ErrnoException): TailraceError {
  const code = cause.code === 'ENOSPC' ? 'storage_full' : 'config';
  return new TailraceError(code, `cannot write to ${name}: ${cause.message}`, { cause });
}
