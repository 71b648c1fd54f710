/**
 * What a Collector forwards is stored as it forwards it: over HTTP in both encodings and over gRPC, with every compression
 * that it has; those that the server does not know are refused with a reason; and nothing is lost while the server is killed.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { itemsOf } from '../../test/support/otlp-items.ts';
import { Capture } from './capture.ts';
import { buildCollector, CollectorProcess, configOf } from './collector-process.ts';
import { compareWithReader } from './comparison.ts';
import { type MadeRequest, madeRequests } from './made-requests.ts';
import { countText, expectThat, report } from './report.ts';
import { RestartableServer } from './restartable-server.ts';
import { killWhile } from './sdk-sender.ts';

interface Case {
  readonly exporter: 'otlp_http' | 'otlp_grpc';
  readonly encoding?: 'proto' | 'json';
  readonly compression: string;
  readonly kills?: number;
}

const STREAM = 'interop/collector';
const REQUESTS = 60;
const REQUESTS_WITH_KILLS = 400;
const PAUSE_MS = 10;
const SEED = 20_261_129;
/** What the Collector can do and the server refuses. */
const REFUSED = new Set(['snappy', 'x-snappy-framed', 'lz4']);

const HTTP = ['none', 'gzip', 'zstd', 'zlib', 'deflate', 'snappy', 'x-snappy-framed', 'lz4'];
const GRPC = ['none', 'gzip', 'zstd', 'snappy'];
const CASES: readonly Case[] = [
  ...(['proto', 'json'] as const).flatMap((encoding) =>
    HTTP.map((compression): Case => ({ exporter: 'otlp_http', encoding, compression })),
  ),
  ...GRPC.map((compression): Case => ({ exporter: 'otlp_grpc', compression })),
  { exporter: 'otlp_http', encoding: 'proto', compression: 'zstd', kills: 3 },
  { exporter: 'otlp_http', encoding: 'json', compression: 'gzip', kills: 3 },
  { exporter: 'otlp_grpc', compression: 'gzip', kills: 3 },
];

export async function run(): Promise<void> {
  const file = await buildCollector();
  for (const one of CASES) await forward(file, one);
}

async function forward(file: string, one: Case): Promise<void> {
  const { exporter, encoding, compression, kills = 0 } = one;
  const server = await RestartableServer.start();
  const capture = await Capture.start({ ports: server.ports });
  const collector = await CollectorProcess.start(file, (port) => [
    configOf(port, exporter, {
      endpoint: exporter === 'otlp_http' ? capture.httpUrl : capture.grpcUrl.replace('http://', ''),
      ...(exporter === 'otlp_http' ? { encoding } : { tls: { insecure: true } }),
      compression,
      headers: { authorization: `Bearer ${server.token}` },
      retry_on_failure: { initial_interval: '500ms', max_elapsed_time: '0s' },
      sending_queue: {
        num_consumers: 1,
        block_on_overflow: true,
        batch: { flush_timeout: '20ms', min_size: 20_000, max_size: 100_000, sizer: 'bytes' },
      },
    }),
  ]);
  try {
    const made = madeRequests(kills === 0 ? REQUESTS : REQUESTS_WITH_KILLS, STREAM, SEED);
    const requests = made.filter(isForwarded);
    const sent = sendAll(collector, requests, kills === 0 ? 0 : PAUSE_MS).finally(() => collector.stop());
    const killed = await killWhile(kills, server, capture, sent);
    await sent;
    const compared = await compareWithReader(capture.sent, server);
    const name = [exporter, ...(encoding === undefined ? [] : [encoding]), compression].join(', ');
    expectThat(killed === kills, `${name}: the server is killed ${kills} times`);
    if (REFUSED.has(compression)) return expectRefused(name, capture, collector);
    report(`collector, ${name}${kills === 0 ? '' : `, ${killed} kills`}: ${countText(compared)}`);
    const items = requests.reduce((sum, { signal, body }) => sum + itemsOf(signal, body, false).length, 0);
    const acknowledged = capture.sent.filter(({ isAcknowledged }) => isAcknowledged);
    const arrived = acknowledged.reduce((sum, { signal, body, isJson }) => {
      return sum + itemsOf(signal, body ?? Buffer.alloc(0), isJson).length;
    }, 0);
    expectThat(arrived === items, `all ${items} items that the Collector took arrive, not ${arrived}`);
    if (kills === 0) expectThat(compared.requests === compared.acknowledged, 'every request is acknowledged');
  } finally {
    await collector.kill();
    capture.close();
    await server.stop();
  }
}

/** Its receiver passes over metrics requests in which there is no data point. */
export function isForwarded({ signal, body }: MadeRequest): boolean {
  return signal !== 'metrics' || /"dataPoints":\[./.test(JSON.stringify(itemsOf(signal, body, false)));
}

async function sendAll(collector: CollectorProcess, requests: readonly MadeRequest[], pauseMs: number): Promise<void> {
  for (const { signal, body } of requests) {
    const { status, body: answer } = await collector.send(signal, body);
    expectThat(status === 200, `the Collector takes a request: ${status} ${answer}`);
    if (pauseMs > 0) await sleep(pauseMs);
  }
}

function expectRefused(name: string, { sent }: Capture, { output }: CollectorProcess): void {
  const statuses = new Set(sent.map(({ status }) => status));
  report(`collector, ${name}: all ${sent.length} requests are refused with ${[...statuses].join(', ')}`);
  expectThat(sent.length > 0 && !sent.some(({ isAcknowledged }) => isAcknowledged), 'nothing is acknowledged');
  const isGrpc = name.startsWith('otlp_grpc');
  const only = isGrpc ? 'grpc 12' : '415';
  expectThat(statuses.size === 1 && statuses.has(only), `every request is refused with ${only}`);
  // It logs the message of a response to HTTP only where that is protobuf, and it is JSON where the request is.
  const said = isGrpc ? output : sent.map(({ answer }) => answer.toString('latin1')).join('\n');
  expectThat(/gzip/.test(said), `the refusal says what to send instead:\n${said.slice(-2_000)}`);
}
