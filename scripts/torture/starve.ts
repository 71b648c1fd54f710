/**
 * Strangers with hundreds of slow requests, and one token with slow large bodies: every other sender gets 200. The
 * control is that token itself, which must be refused: memory is scarce while the others are served.
 */

import { connect } from 'node:http2';
import type { BenchServer } from '../bench/processes.ts';
import { call, expectThat, type Headers, issueToken, MiB, repeatedly, report, sendOnly, withVictim } from './victim.ts';

const ROUNDS = 5;
/** Slow bodies are cut after ten seconds. */
const ATTACK_MS = 6_000;
const BODY_BYTES = 16 * MiB;
const BODIES = 32;
const STRANGERS = 512;
const STREAMS_EACH = 200;

export async function run(): Promise<void> {
  await withVictim(512, async (server) => {
    const flooder = await issueToken(server, 'flooder');
    const sender = await issueToken(server, 'sender');
    for (let round = 1; round <= ROUNDS; round++) await attackedOnce(server, { round, flooder, sender });
  });
}

async function attackedOnce(
  server: BenchServer,
  { round, flooder, sender }: { readonly round: number; readonly flooder: Headers; readonly sender: Headers },
): Promise<void> {
  const stop = await attack(server, flooder);
  const sent = await repeatedly(ATTACK_MS, () => send(server, sender, MiB));
  const refused = await send(server, flooder, 15 * MiB);
  stop();
  const total = [...sent.values()].reduce((sum, count) => sum + count, 0);
  report(`round ${round}: ${sent.get(200) ?? 0} of ${total} requests of the sender got 200, the flooder ${refused}`);
  expectThat(total > 0 && sent.get(200) === total, 'a sender with another token gets 200');
  expectThat(refused === 503, 'the token that floods is refused');
}

/** Returns how to end it. */
async function attack({ port }: BenchServer, flooder: Headers): Promise<() => void> {
  const lines = Object.entries(flooder).map(([name, value]) => `${name}: ${value}\r\n`);
  const head =
    `POST /v1/logs HTTP/1.1\r\nhost: x\r\n${lines.join('')}` +
    `content-type: application/json\r\ncontent-length: ${BODY_BYTES}\r\n\r\n`;
  const bytes = Buffer.concat([Buffer.from(head), Buffer.alloc(BODY_BYTES - 1, ' ')]);
  const sockets = await Promise.all(Array.from({ length: BODIES }, () => sendOnly(port, bytes)));
  const sessions = Array.from({ length: Math.ceil(STRANGERS / STREAMS_EACH) }, () =>
    connect(`http://127.0.0.1:${port}`).on('error', () => {}),
  );
  for (let i = 0; i < STRANGERS; i++) {
    const headers = { ':method': 'POST', ':path': '/v1/ingest-token/exchange', 'content-type': 'application/json' };
    const stream = sessions[i % sessions.length]?.request(headers, { endStream: false });
    stream?.on('error', () => {}).write('{');
  }
  return () => {
    for (const socket of sockets) socket.destroy();
    for (const session of sessions) session.destroy();
  };
}

async function send({ port }: BenchServer, headers: Headers, bytes: number): Promise<number> {
  const attributes = [{ key: 's2.stream', value: { stringValue: 'sent' } }];
  const body = JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs: [] }] }).padEnd(bytes);
  const { status } = await call(port, 'POST', '/v1/logs', { ...headers, 'content-type': 'application/json' }, body);
  return status;
}
