/** Where a command prints: data on stdout, messages on stderr. A closed pipe ends it, and is not an error. */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { TailraceError } from '../../src/model/error.ts';
import { redact } from '../../src/observe/redact.ts';
import { EXIT } from '../exit.ts';
import { type ColorChoice, type Colors, createColors, escapeControls } from './format.ts';
import { watchReader } from './pipe-watch.ts';
import { clearProgress } from './progress.ts';

/** Data: what the command was asked for. */
export interface Output {
  readonly isTty: boolean;
  readonly colors: Colors;
  /** How wide the terminal is now; people resize it. */
  columns(): number;
  /** Resolves when the stream takes more: a slow reader of the pipe slows the command. */
  write(data: string | Uint8Array): Promise<void>;
  /** Resolves when everything is handed over. */
  end(): Promise<void>;
}

/** Messages: what is going on. Control characters are escaped; a secret that was put in a wrong place is masked. */
export interface Reporter {
  /** Not with `--quiet`. */
  note(text: string): void;
  warn(text: string): void;
  error(text: string): void;
}

export interface ReporterOptions {
  readonly quiet?: boolean;
  readonly color?: ColorChoice;
}

/** Of a terminal that does not say. */
const COLUMNS_DEFAULT = 80;

/** Writes lines to stderr. */
export function createReporter(options: ReporterOptions): Reporter {
  const colors = createColors(options.color ?? 'auto', process.stderr.isTTY === true, process.env);
  const say = (text: string, paint: (line: string) => string) => {
    clearProgress();
    for (const line of text.split('\n')) process.stderr.write(`${paint(escapeControls(redact(line)))}\n`);
  };
  return {
    note: (text) => {
      if (options.quiet !== true) say(text, colors.dim);
    },
    warn: (text) => say(text, colors.yellow),
    error: (text) => say(text, colors.red),
  };
}

/**
 * Opens a file for the data, or stdout.
 * @throws TailraceError `config` when the file cannot be opened.
 */
export async function openOutput(file: string | undefined, options: ReporterOptions): Promise<Output> {
  if (file === undefined || file === '-') return output(process.stdout, process.stdout.isTTY === true, options);
  const stream = createWriteStream(file);
  await once(stream, 'open').catch((cause: unknown) => {
    throw new TailraceError('config', `cannot write to ${file}: ${(cause as Error).message}`, { cause });
  });
  return output(stream, false, options);
}

/** Ends the process quietly when it writes and its output has no reader any more. */
export function endWithPipe(): void {
  const onError = (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failure);
  };
  process.stdout.on('error', onError);
  process.stderr.on('error', onError);
}

/** For a server, which prints only its banner on stdout: it goes on when the reader of that is gone. */
export function outlivePipe(): void {
  process.stdout.removeAllListeners('error').on('error', () => {});
  process.stderr.removeAllListeners('error').on('error', () => {});
}

/** Ends the process quietly when its output has no reader any more, even while it writes nothing. */
export function watchPipe(): void {
  watchReader(() => process.exit(EXIT.ok));
}

function output(stream: Writable, isTty: boolean, options: ReporterOptions): Output {
  return {
    isTty,
    colors: createColors(options.color ?? 'auto', isTty, process.env),
    columns: () => ('columns' in stream && Number(stream.columns)) || Number(process.env.COLUMNS) || COLUMNS_DEFAULT,
    async write(data) {
      if (!stream.write(data)) await once(stream, 'drain');
    },
    async end() {
      if (stream === process.stdout) await new Promise<void>((resolve) => stream.write('', () => resolve()));
      else
        await new Promise<void>((resolve, reject) =>
          stream.end((error?: Error) => (error ? reject(error) : resolve())),
        );
    },
  };
}
