/** A plain ws client: what it got, in order, and how it ended. */

import type { IncomingMessage } from 'node:http';
import { type ClientOptions, WebSocket } from 'ws';
import { noticeHeaders, noticeSecrets } from './secrets.ts';

export type Got = Record<string, unknown> | Buffer;

export interface Ending {
  readonly code: number;
  readonly reason: string;
}

export class Reader {
  readonly socket: WebSocket;
  /** Everything that came so far: parsed text frames and binary ones. */
  readonly got: Got[] = [];
  readonly ended: Promise<Ending>;
  /** The HTTP answer of a refused upgrade. */
  readonly refused: Promise<{ status: number; headers: IncomingMessage['headers']; body: string }>;
  #read = 0;
  #wake: (() => void) | undefined;
  #over = false;

  constructor(url: string, protocols: string | readonly string[] = [], options: ClientOptions = {}) {
    noticeSecrets([url, protocols].flat().join(' '));
    noticeHeaders(options.headers ?? {});
    this.socket = new WebSocket(url, typeof protocols === 'string' ? [protocols] : [...protocols], options);
    this.socket.on('error', () => {});
    this.socket.on('message', (data, isBinary) => {
      const bytes = data as Buffer;
      this.got.push(isBinary ? bytes : (JSON.parse(bytes.toString('utf8')) as Record<string, unknown>));
      this.#wake?.();
    });
    this.ended = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        this.#over = true;
        this.#wake?.();
        resolve({ code, reason: reason.toString() });
      });
    });
    this.refused = new Promise((resolve) => {
      this.socket.on('unexpected-response', (_request, response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const body = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
          this.socket.terminate();
        });
      });
    });
  }

  /** The next frame. */
  async next(): Promise<Got> {
    while (this.#read >= this.got.length) {
      if (this.#over) throw new Error(`the connection ended after ${JSON.stringify(this.got)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.got[this.#read++] as Got;
  }

  async nextJson(): Promise<Record<string, unknown>> {
    return (await this.next()) as Record<string, unknown>;
  }

  async nextOf(count: number): Promise<Got[]> {
    const frames: Got[] = [];
    while (frames.length < count) frames.push(await this.next());
    return frames;
  }

  /** Waits for the frame of this type and skips the others. */
  async until(type: string): Promise<Record<string, unknown>> {
    for (;;) {
      const frame = await this.next();
      if (!Buffer.isBuffer(frame) && frame.type === type) return frame;
    }
  }

  async close(): Promise<void> {
    this.socket.terminate();
    await this.ended;
  }
}
