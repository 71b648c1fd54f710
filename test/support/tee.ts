/**
 * A proxy between a real exporter and the server: passes everything on unchanged and keeps the bodies, so that a test
 * can compare what a reader receives with what was sent.
 */

import { createServer, request as httpRequest, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

export interface SentBody {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** After decompression. */
  readonly body: Buffer;
  readonly status: number;
}

export interface Tee {
  readonly url: string;
  readonly sent: readonly SentBody[];
  close(): Promise<void>;
}

/** Listens on a free port and forwards requests to a port of this machine. */
export async function startTee(port: number): Promise<Tee> {
  const sent: SentBody[] = [];
  const server: Server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const wire = Buffer.concat(chunks);
      const { path, headers } = { path: incoming.url ?? '/', headers: incoming.headers };
      const passed = httpRequest({ port, host: '127.0.0.1', path, method: incoming.method, headers }, (answer) => {
        const body = headers['content-encoding'] === 'gzip' ? gunzipSync(wire) : wire;
        sent.push({ path, headers, body, status: answer.statusCode ?? 0 });
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      passed.on('error', () => outgoing.writeHead(502).end());
      passed.end(wire);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
