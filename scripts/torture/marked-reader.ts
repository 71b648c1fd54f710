/**
 * A reader over a bare connection, as a WebSocket, by server-sent events or by s2s, that can stop reading at any time.
 * Records carry their number and the time at which they were sent as text, so what arrives is checked in any format.
 */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export const KINDS = {
  websocket: [
    'upgrade: websocket',
    'connection: Upgrade',
    'sec-websocket-version: 13',
    'sec-websocket-key: AQEBAQEBAQEBAQEBAQEBAQ==',
    'sec-websocket-protocol: s2.json',
  ],
  sse: ['accept: text/event-stream'],
  s2s: ['content-type: s2s/proto'],
} as const;

export type ReaderKind = keyof typeof KINDS;

const MARK = /<(\d{10})@(\d{13})>/g;

/** So many records of one stream have numbers of their own; those of the next stream begin there. */
export const STREAM_NUMBERS = 100_000_000;

/** The text by which a record is known again. A reader of many streams tells them by `STREAM_NUMBERS`. */
export function markOf(number: number, sentAt: number): string {
  return `<${String(number).padStart(10, '0')}@${sentAt}>`;
}

export class MarkedReader {
  /** How long each record took that was read as soon as it came, in milliseconds. */
  readonly latencies: number[] = [];
  readonly #socket: Socket;
  readonly #failed: Promise<never>;
  #rest = '';
  /** The number that comes next, of each stream. */
  readonly #next = new Map<number, number>();
  readonly #from: number;
  /** Records that have come, of all streams. */
  taken = 0;
  #fault: unknown;
  #onRead = (): void => {};

  /** Reads a stream from a record on; or what `path` says, from its first record on. */
  constructor(
    port: number,
    token: string,
    stream: string,
    kind: ReaderKind,
    from: number,
    path = `/v1/streams/${stream}/records?seq_num=${from}`,
  ) {
    this.#from = from;
    this.#socket = connect(port, '127.0.0.1');
    this.#failed = new Promise((_, reject) => {
      this.#socket.on('error', reject);
      this.#socket.on('close', () => reject(new Error(`${kind}: the server ended the read of ${stream}`)));
      this.#socket.on('data', (bytes) => {
        try {
          this.take(bytes.toString('latin1'), Date.now());
        } catch (error) {
          this.#fault = error;
          reject(error);
        }
      });
    });
    // Those who wait for records must learn of it.
    this.#failed.catch(() => {});
    const headers = [`authorization: Bearer ${token}`, 's2-basin: telemetry', 'host: x', ...KINDS[kind]];
    this.#socket.write(`GET ${path} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
  }

  async connected(): Promise<void> {
    if (this.#socket.connecting) await Promise.race([once(this.#socket, 'connect'), this.#failed]);
  }

  /** Stops reading: the buffers of both systems fill up, then the server has to wait. */
  stall(): void {
    this.#socket.pause();
  }

  /** Reads a little, then nothing for so long, by default a second. */
  trickle(pauseMs = 1_000): void {
    this.#socket.on('data', () => {
      this.#socket.pause();
      setTimeout(() => this.#socket.resume(), pauseMs).unref();
    });
  }

  /** Reads on until it has all records before this one. @throws Error when one is missing, comes twice, or the read ends */
  async readTo(end: number): Promise<void> {
    this.#socket.resume();
    const read = new Promise<void>((resolve) => {
      this.#onRead = () => this.#nextOf(0) >= end && resolve();
      this.#onRead();
    });
    await Promise.race([read, this.#failed]);
  }

  /** Reads on until it has so many records, of all streams. @throws Error as `readTo` */
  async readAll(count: number): Promise<void> {
    this.#socket.resume();
    const read = new Promise<void>((resolve) => {
      this.#onRead = () => this.taken >= count && resolve();
      this.#onRead();
    });
    await Promise.race([read, this.#failed]);
  }

  /** A server may end a read that takes nothing. @throws Error when a record was missing or came twice until then */
  expectSound(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }

  end(): void {
    this.#socket.destroy();
  }

  /** Looks at what has come. @throws Error when a record is missing or comes twice */
  take(text: string, now: number): void {
    const all = this.#rest + text;
    for (const [, number, sentAt] of all.matchAll(MARK)) {
      const stream = Math.floor(Number(number) / STREAM_NUMBERS);
      const next = this.#nextOf(stream);
      if (Number(number) !== next) throw new Error(`record ${Number(number)} came in place of ${next}`);
      this.#next.set(stream, next + 1);
      this.taken++;
      this.latencies.push(now - Number(sentAt));
    }
    const begun = all.lastIndexOf('<');
    this.#rest = begun > all.lastIndexOf('>') ? all.slice(begun) : '';
    this.#onRead();
  }

  #nextOf(stream: number): number {
    return this.#next.get(stream) ?? stream * STREAM_NUMBERS + this.#from;
  }
}
