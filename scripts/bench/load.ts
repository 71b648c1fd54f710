/**
 * The load of the benchmarks, a process of its own: keep-alive connections on bare sockets, each with one request in
 * flight, so that the client takes as little of the shared processors as it can. Prints one line of JSON.
 *
 * argv[2] is a JSON object: see {@link LoadOptions}.
 */

import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';

export interface LoadOptions {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyFile: string;
  readonly connections: number;
  /** Stops after this many responses. */
  readonly requests: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const END_OF_HEAD = Buffer.from('\r\n\r\n');

if (process.argv[2] !== undefined) main(JSON.parse(process.argv[2]) as LoadOptions);

function main(options: LoadOptions): void {
  const body = readFileSync(options.bodyFile);
  const lines = Object.entries({
    ...options.headers,
    host: `127.0.0.1:${options.port}`,
    'content-length': String(body.length),
  });
  const head = `POST ${options.path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  run(options, Buffer.concat([Buffer.from(head), body]));
}

function run(options: LoadOptions, request: Buffer): void {
  const latencies = new Float64Array(options.requests);
  let sent = 0;
  let answered = 0;
  let failed = 0;
  const startedAt = process.hrtime.bigint();
  const sockets: Socket[] = [];
  const finish = (): void => {
    const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
    latencies.sort();
    const at = (share: number): number => latencies[Math.min(answered - 1, Math.floor(answered * share))] ?? 0;
    const result: LoadResult = { requests: answered, seconds, failed, p50Ms: at(0.5), p99Ms: at(0.99) };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    for (const socket of sockets) socket.destroy();
  };
  for (let i = 0; i < options.connections; i++) {
    const socket = connect({ port: options.port, host: '127.0.0.1', noDelay: true });
    sockets.push(socket);
    let began = 0;
    const send = (): void => {
      if (sent >= options.requests) return;
      sent++;
      began = performance.now();
      socket.write(request);
    };
    let rest: Buffer = Buffer.alloc(0);
    socket.on('connect', send);
    socket.on('data', (chunk: Buffer) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const length = responseLength(rest);
      if (length === undefined) return;
      if (rest[9] !== 0x32 /* the 2 of 200 */) failed++;
      latencies[answered++] = performance.now() - began;
      rest = rest.subarray(length);
      if (answered === options.requests) finish();
      else send();
    });
    socket.on('error', (error) => {
      process.stderr.write(`load: ${error.message}\n`);
      process.exit(1);
    });
  }
}

/** Bytes of the response at the start of the buffer, or undefined while it is not complete. */
function responseLength(bytes: Buffer): number | undefined {
  const end = bytes.indexOf(END_OF_HEAD);
  if (end < 0) return undefined;
  const length = /content-length: (\d+)/i.exec(bytes.toString('latin1', 0, end));
  const total = end + 4 + Number(length?.[1] ?? 0);
  return bytes.length >= total ? total : undefined;
}
