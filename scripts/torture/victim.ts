/** What the forms that attack a server share: the server, tokens, ordinary calls beside the attack, and its memory. */

import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type BenchServer, startTailrace } from '../bench/processes.ts';

export const MiB = 1024 * 1024;

export type Headers = Readonly<Record<string, string>>;

/** A server with this memory limit. */
export function startVictim(memoryLimitMiB: number): Promise<BenchServer> {
  process.env.TAILRACE_MEMORY_LIMIT = `${memoryLimitMiB}MiB`;
  return startTailrace();
}

/** Runs an attack on a server with this memory limit, which is stopped afterwards. */
export async function withVictim(
  memoryLimitMiB: number,
  attack: (server: BenchServer) => Promise<void>,
): Promise<void> {
  const server = await startVictim(memoryLimitMiB);
  try {
    await attack(server);
  } finally {
    await server.stop();
  }
}

/** A token of its own that may read and append. */
export async function issueToken({ port, headers }: BenchServer, id: string): Promise<Headers> {
  const scope = { basins: { exact: 'telemetry' }, streams: { prefix: '' }, ops: ['read', 'append'] };
  const all = { ...headers, 'content-type': 'application/json' };
  const { status, body } = await call(port, 'POST', '/v1/access-tokens', all, JSON.stringify({ id, scope }));
  if (status !== 201) throw new Error(`the token was not issued: ${status} ${body}`);
  const { access_token: secret } = JSON.parse(body) as { access_token: string };
  return { authorization: `Bearer ${secret}`, 's2-basin': 'telemetry' };
}

/** One request on a connection of its own. A connection that breaks is status 0. */
export function call(port: number, method: string, path: string, headers: Headers, body = '') {
  return new Promise<{ readonly status: number; readonly body: string }>((resolve) => {
    const sent = request({ port, host: '127.0.0.1', method, path, headers, agent: false }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('error', () => resolve({ status: 0, body: '' }));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(parts).toString() }));
    });
    sent.on('error', () => resolve({ status: 0, body: '' }));
    sent.end(body);
  });
}

/** A connection that sends these bytes and never reads. */
export async function sendOnly(port: number, bytes: string | Uint8Array): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.pause().on('error', () => {});
  await new Promise<void>((resolve) => void socket.write(bytes, () => resolve()));
  return socket;
}

/** Calls again and again for so long; how many of the calls gave a status. */
export async function repeatedly(ms: number, one: () => Promise<number>): Promise<ReadonlyMap<number, number>> {
  const counts = new Map<number, number>();
  for (const end = performance.now() + ms; performance.now() < end; ) {
    const status = await one();
    counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  return counts;
}

export function report(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function expectThat(holds: boolean, what: string): void {
  if (!holds) throw new Error(`breached: ${what}`);
}
