/** What an attack on the event loop is, and a plain HTTP call. */

import { request } from 'node:http';

export interface Target {
  readonly port: number;
  readonly token: string;
  /** Makes the server stand still for so long. */
  readonly plant: (ms: number) => Promise<void>;
}

export interface Attack {
  readonly name: string;
  /** How many of it the server gets together, in the run with many. */
  readonly together: number;
  /** What is done before the clock starts; the result is what `send` gets. */
  prepare(target: Target): Promise<Shot>;
}

/** Does it once; resolves when the server has answered. */
export type Shot = () => Promise<unknown>;

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** Resolves with status and body, whatever they are. */
export function call({ port, token }: Target, { method, path, headers, body }: Call): Promise<string> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const sent = request({
      port,
      host: '127.0.0.1',
      method,
      path,
      agent: false,
      headers: { authorization: `Bearer ${token}`, ...length, ...headers },
    });
    sent.on('error', reject);
    sent.on('response', (response) => {
      let size = 0;
      let start = '';
      response.on('data', (chunk: Buffer) => {
        if (size === 0) start = chunk.toString('latin1', 0, 300);
        size += chunk.length;
      });
      response.on('end', () => resolve(`${response.statusCode} ${size} ${start}`));
      response.on('error', reject);
    });
    sent.end(body);
  });
}
