/**
 * The Collector snippet of the README loses nothing while the server is away for a minute: applications go on sending
 * records of 10 kB, and one of nearly the largest size. What the Collector took is on its disk, and arrives in order when
 * the server is back. Once the Collector is killed too, and once its queue is too small: then senders wait.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readBack } from '../../test/support/read-back.ts';
import { Capture } from './capture.ts';
import { buildCollector, CollectorProcess } from './collector-process.ts';
import { expectThat, report } from './report.ts';
import { RestartableServer } from './restartable-server.ts';
import { sourcesOf } from './tool-chain.ts';

const STREAM = 'interop/outage';
const RECORD_CHARS = 10_000;
/** With all that belongs to it a little less than 1 MiB. */
const LARGEST_CHARS = 1_000_000;
const EACH = 10;
const PAUSE_MS = 100;
const BEFORE_MS = 3_000;
const OUTAGE_MS = 60_000;
/** The Collector waits up to half a minute between two attempts. */
const ARRIVAL_MS_MAX = 120_000;
const README_QUEUE = 'queue_size: 1073741824';

interface Case {
  readonly name: string;
  readonly killsCollector: boolean;
  /** In place of that of the README. */
  readonly queueBytes?: number;
}

const CASES: readonly Case[] = [
  { name: 'the server is away for a minute', killsCollector: false },
  { name: 'and the Collector is killed meanwhile', killsCollector: true },
  { name: 'and its queue holds 5 MB', killsCollector: false, queueBytes: 5_000_000 },
];

export async function run(): Promise<void> {
  const file = await buildCollector();
  for (const one of CASES) await survive(file, one);
}

async function survive(file: string, { name, killsCollector, queueBytes }: Case): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tailrace-outage-'));
  const server = await RestartableServer.start();
  const capture = await Capture.start({ ports: server.ports });
  const snippet = readmeSnippet(capture.httpUrl, folder, queueBytes);
  const env = { TAILRACE_TOKEN: server.token };
  let collector = await CollectorProcess.start(file, (port) => [snippet, restOf(port)], env);
  const application = new Application(() => collector);
  try {
    const sending = application.sendUntilStopped();
    await sleep(BEFORE_MS);
    await server.kill();
    await sleep(OUTAGE_MS / 2);
    if (killsCollector) {
      await collector.kill();
      collector = await CollectorProcess.start(file, (port) => [snippet, restOf(port)], env);
    }
    await sleep(OUTAGE_MS / 2);
    const waiting = application.waitingMs;
    await server.start();
    const back = performance.now();
    await sleep(BEFORE_MS);
    application.stop();
    await sending;
    const names = await arrived(server, application.taken);
    const seconds = Math.round((performance.now() - back) / 1000);
    const taken = new Set(application.taken);
    const first = [...new Set(names)].filter((known) => taken.has(known));
    report(
      `outage, ${name}: all ${taken.size} records that the Collector took are there after ${seconds} s, ` +
        `${names.length - new Set(names).size} of them twice; ${application.refused} requests were refused, ` +
        `the longest waited ${Math.round(waiting / 1000)} s`,
    );
    // A Collector that starts again puts what was under way behind the rest.
    const isInOrder = first.join() === application.taken.join();
    expectThat(isInOrder || killsCollector, 'they are in the order in which they were sent');
    if (queueBytes !== undefined) expectThat(waiting > OUTAGE_MS / 2, 'senders wait while the queue is full');
  } finally {
    application.stop();
    await collector.kill();
    capture.close();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The names of the records that a reader gets, when all that was taken is there. */
async function arrived(server: RestartableServer, taken: readonly string[]): Promise<readonly string[]> {
  for (const end = performance.now() + ARRIVAL_MS_MAX; ; ) {
    const names = (await readBack(server, STREAM)).names.map(nameIn);
    const found = new Set(names);
    const missing = taken.filter((name) => !found.has(name));
    if (missing.length === 0) return names;
    if (performance.now() > end) {
      throw new Error(`breached: ${missing.length} of ${taken.length} records are lost, the first is ${missing[0]}`);
    }
    await sleep(1_000);
  }
}

/** Sends one request after the other, as an SDK does: again after a refusal. */
class Application {
  /** The names of the records that the Collector took, in order. */
  readonly taken: string[] = [];
  refused = 0;
  /** The longest time that a request took, also one under way. */
  #longestMs = 0;
  #since = 0;
  readonly #collector: () => CollectorProcess;
  #isStopped = false;

  constructor(collector: () => CollectorProcess) {
    this.#collector = collector;
  }

  get waitingMs(): number {
    return Math.max(this.#longestMs, performance.now() - this.#since);
  }

  stop(): void {
    this.#isStopped = true;
  }

  async sendUntilStopped(): Promise<void> {
    for (let number = 0; !this.#isStopped; number++) {
      const names = Array.from({ length: EACH }, (_, i) => String(number * EACH + i).padStart(8, '0'));
      const body = requestOf(names, number === EACH ? LARGEST_CHARS : RECORD_CHARS);
      this.#since = performance.now();
      while (!(await this.#isTaken(body))) {
        this.refused++;
        await sleep(PAUSE_MS);
        if (this.#isStopped) return;
      }
      this.#longestMs = this.waitingMs;
      this.taken.push(...names);
      await sleep(PAUSE_MS);
    }
  }

  async #isTaken(body: string): Promise<boolean> {
    try {
      return (await this.#collector().send('logs', Buffer.from(body), 'application/json')).status === 200;
    } catch {
      return false;
    }
  }
}

/** Its first record may be larger; no text compresses well. */
function requestOf(names: readonly string[], firstChars: number): string {
  const logRecords = names.map((name, i) => {
    const chars = i === 0 ? firstChars : RECORD_CHARS;
    return { body: { stringValue: `${name} ${randomText(chars)}` } };
  });
  const resource = { attributes: [{ key: 's2.stream', value: { stringValue: STREAM } }] };
  return JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] });
}

function nameIn(text: string): string {
  return text.slice(0, text.indexOf(' '));
}

function randomText(chars: number): string {
  const bytes = Buffer.alloc(chars / 2);
  crypto.getRandomValues(bytes.subarray(0, Math.min(bytes.length, 65_536)));
  return bytes.toString('hex');
}

/** As it stands there, but for the addresses. */
function readmeSnippet(url: string, folder: string, queueBytes: number | undefined): string {
  const readme = readFileSync(sourcesOf('../../README.md'), 'utf8');
  const yaml = /```yaml\n(exporters:\n[\s\S]*?)```/.exec(readme)?.[1] ?? '';
  for (const part of ['http://127.0.0.1:4318', '/var/lib/otelcol', README_QUEUE]) {
    expectThat(yaml.includes(part), `the snippet of the README holds ${part}`);
  }
  const local = yaml.replace('http://127.0.0.1:4318', url).replace('/var/lib/otelcol', folder);
  return queueBytes === undefined ? local : local.replace(README_QUEUE, `queue_size: ${queueBytes}`);
}

/** The pipeline around it. */
function restOf(port: number): string {
  return JSON.stringify({
    receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
    service: {
      telemetry: { metrics: { level: 'none' } },
      pipelines: { logs: { receivers: ['otlp'], exporters: ['otlp_http'] } },
    },
  });
}
