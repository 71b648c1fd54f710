/** Shows the new records of a stream on stderr, each behind a bar, so that the output of a program stays what it is. */

import { TailraceError } from '../../src/model/error.ts';
import type { MessageRow } from '../../src/model/message-row.ts';
import type { ServerConnection } from '../flags/connection.ts';
import type { StreamUri } from '../flags/names.ts';
import { type ColorChoice, createColors } from '../print/format.ts';
import { createLayout } from '../print/terminal/layout.ts';
import { LAYOUT_DEFAULTS } from '../print/terminal/layout-options.ts';

export interface ShownStreamOptions {
  readonly color?: ColorChoice;
  /** Nothing is shown; records are counted all the same. */
  readonly isQuiet: boolean;
}

const BAR = '│ ';
const COLUMNS_DEFAULT = 100;

/** How long it waits for the last records after the program has ended. */
const DRAIN_MS = 5_000;

export class ShownStream {
  readonly #connection: ServerConnection;
  readonly #uri: StreamUri;
  readonly #ending = new AbortController();
  readonly #show: (rows: readonly MessageRow[]) => void;
  readonly #reading: Promise<void>;
  readonly #ready: Promise<void>;
  #advanced: () => void = () => {};
  #next = 0;
  #records = 0;

  constructor(connection: ServerConnection, uri: StreamUri, options: ShownStreamOptions) {
    this.#connection = connection;
    this.#uri = uri;
    this.#show = options.isQuiet ? () => {} : rowsTo(process.stderr, options);
    let onReady = (): void => {};
    this.#ready = new Promise((resolve) => {
      onReady = resolve;
    });
    this.#reading = this.#read(onReady);
    this.#reading.catch(onReady);
  }

  /** Resolves when it reads: what comes from now on is shown. @throws TailraceError why it cannot be read */
  async begin(): Promise<void> {
    await Promise.race([this.#ready, this.#reading]);
  }

  /** Shows what is there by now, and ends. Resolves with the number of records since the beginning. */
  async end(): Promise<number> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), DRAIN_MS);
    try {
      const { basin, stream } = this.#uri;
      const tail = await this.#connection.client.checkTail(stream, { basin, signal: late.signal });
      while (this.#next < tail.seqNum && !late.signal.aborted) await this.#more(late.signal);
    } catch (error) {
      // Nothing came, or the server has gone.
      if (!(error instanceof TailraceError)) throw error;
    }
    clearTimeout(timer);
    this.#ending.abort();
    await this.#reading.catch(() => {});
    return this.#records;
  }

  #more(late: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#advanced = resolve;
      late.addEventListener('abort', () => resolve(), { once: true });
      this.#reading.then(resolve, () => resolve());
    });
  }

  async #read(onReady: () => void): Promise<void> {
    const { basin, stream } = this.#uri;
    const options = { view: 'message', from: 'tail', basin, signal: this.#ending.signal } as const;
    for await (const frame of this.#connection.client.readMany({ streams: [stream] }, options)) {
      if (frame.type === 'batch') {
        this.#show(frame.rows);
        this.#records += frame.rows.length;
      }
      if (frame.type === 'joined') this.#next = Math.max(this.#next, ...frame.streams.map(({ seqNum }) => seqNum));
      if (frame.type === 'caught_up') onReady();
      if ('next' in frame) this.#next = Math.max(this.#next, frame.next.seqNum);
      this.#advanced();
    }
  }
}

function rowsTo(stream: NodeJS.WriteStream, { color = 'auto' }: ShownStreamOptions) {
  const colors = createColors(color, stream.isTTY === true, process.env);
  const columns = () => (stream.columns || Number(process.env.COLUMNS) || COLUMNS_DEFAULT) - BAR.length;
  const layout = createLayout(LAYOUT_DEFAULTS, { colors, columns });
  return (rows: readonly MessageRow[]): void => {
    const lines = layout.lines(rows);
    if (lines.length > 0) stream.write(lines.map((line) => `${colors.dim(BAR)}${line}\n`).join(''));
  };
}
