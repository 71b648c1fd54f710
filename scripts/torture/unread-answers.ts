/**
 * Clients ask for answers of 6 MB and never read them, over hundreds of pipelined requests and streams. Memory stays
 * within its limit and 200 MiB, others are served meanwhile, and memory comes back when the clients are gone. The control
 * has a limit so high that it is none, and must exceed that bound.
 */

import { connect } from 'node:http2';
import type { BenchServer } from '../bench/processes.ts';
import { call, expectThat, type Headers, issueToken, MiB, repeatedly, report, sendOnly, withVictim } from './victim.ts';

const LARGE = '/v1/streams/large/records?seq_num=0';
const SMALL = '/v1/streams/small/records?seq_num=0';
const LIMIT_MIB = 512;
const CONTROL_LIMIT_MIB = 8_192;
const MARGIN_MIB = 200;
const ROUNDS = 5;
const CONNECTIONS = 48;
const REQUESTS = 400;
const STREAMS = 200;
const ATTACK_MS = 5_000;
const RECOVERY_MS_MAX = 15_000;

export async function run(): Promise<void> {
  await withVictim(LIMIT_MIB, async (server) => {
    for (let round = 1; round <= ROUNDS; round++) await attackedOnce(server, round);
  });
  await control();
}

async function attackedOnce(server: BenchServer, round: number): Promise<void> {
  const { reader, other } = await prepared(server, round);
  const before = server.anonymousBytes();
  const stop = await attack(server, reader);
  const { peak, counts } = await watched(server, other);
  stop();
  const gone = performance.now();
  while (server.anonymousBytes() > before + MARGIN_MIB * MiB && performance.now() - gone < RECOVERY_MS_MAX) {
    await call(server.port, 'GET', SMALL, other);
  }
  const recovery = performance.now() - gone;
  report(`round ${round}: peak +${mib(peak - before)} MiB, back in ${Math.round(recovery)} ms, others ${text(counts)}`);
  expectThat(peak - before < (LIMIT_MIB + MARGIN_MIB) * MiB, 'memory stays within the limit and 200 MiB');
  expectThat(recovery < RECOVERY_MS_MAX, 'memory comes back within seconds');
  expectThat(counts.size === 1 && counts.has(200), 'others are served');
}

async function control(): Promise<void> {
  await withVictim(CONTROL_LIMIT_MIB, async (server) => {
    const { reader, other } = await prepared(server, 1);
    const before = server.anonymousBytes();
    const stop = await attack(server, reader);
    const { peak } = await watched(server, other);
    stop();
    report(`control without a limit: peak +${mib(peak - before)} MiB`);
    expectThat(peak - before > (LIMIT_MIB + MARGIN_MIB) * MiB, 'the attack takes more where nothing bounds it');
  });
}

async function prepared(server: BenchServer, round: number): Promise<{ reader: Headers; other: Headers }> {
  const tokens = {
    reader: await issueToken(server, `reader-${round}`),
    other: await issueToken(server, `other-${round}`),
  };
  const json = { ...tokens.other, 'content-type': 'application/json', 's2-format': 'base64' };
  const append = (stream: string, bytes: number) => {
    const body = Buffer.alloc(bytes, 1).toString('base64');
    return call(server.port, 'POST', `/v1/streams/${stream}/records`, json, JSON.stringify({ records: [{ body }] }));
  };
  const answers = [await append('large', 1_000_000), await append('small', 10)];
  expectThat(
    answers.every(({ status }) => status === 200),
    'the records are stored',
  );
  return tokens;
}

/** Returns how to end it. */
async function attack({ port }: BenchServer, headers: Headers): Promise<() => void> {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const requests = `GET ${LARGE} HTTP/1.1\r\nhost: x\r\n${lines.join('')}\r\n`.repeat(REQUESTS);
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => sendOnly(port, requests)));
  const sessions = [0, 1].map(() => connect(`http://127.0.0.1:${port}`).on('error', () => {}));
  for (const session of sessions) {
    for (let i = 0; i < STREAMS; i++)
      session
        .request({ ':path': LARGE, ...headers })
        .pause()
        .on('error', () => {});
  }
  return () => {
    for (const socket of sockets) socket.destroy();
    for (const session of sessions) session.destroy();
  };
}

async function watched(server: BenchServer, other: Headers) {
  let peak = 0;
  const counts = await repeatedly(ATTACK_MS, async () => {
    const { status } = await call(server.port, 'GET', SMALL, other);
    peak = Math.max(peak, server.anonymousBytes());
    return status;
  });
  return { peak, counts };
}

function mib(bytes: number): number {
  return Math.round(bytes / MiB);
}

function text(counts: ReadonlyMap<number, number>): string {
  return [...counts].map(([status, count]) => `${count} × ${status}`).join(', ');
}
