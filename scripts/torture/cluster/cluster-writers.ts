/**
 * Writers that go on over every fault of a cluster: each writes to a stream of its own through one node, OTLP or S2, one
 * request after the other, and never sends a record twice. They keep a history of what was acknowledged, and when, in each
 * basin.
 */

import { Agent, request } from 'node:http';
import type { Target, WrittenRequest } from '../../../test/support/writers.ts';

export interface ClusterWrite extends WrittenRequest {
  /** The sequence number of its first record, where S2 acknowledged it. */
  start?: number;
}

type Answer = { readonly status: number; readonly body: string } | undefined;

const TIMEOUT_MS = 15_000;
const PAUSE_MS = 50;
const RECORDS_MAX = 8;
const DEFAULT_BASIN = 'telemetry';

/** From the first millisecond to the last one, by the clock of `performance.now()`. */
interface Period {
  readonly from: number;
  readonly to: number;
}

export class ClusterWriters {
  readonly history: ClusterWrite[] = [];
  /** The basin of each stream. */
  readonly streams = new Map<string, string>();
  /** When requests were acknowledged, in the order of their answers, by basin. */
  readonly #ackedAt = new Map<string, number[]>();
  readonly #token: string;
  readonly #random: () => number;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #running: Promise<void>[] = [];
  #isOver = false;
  #hasFailed = false;

  constructor(token: string, random: () => number) {
    this.#token = token;
    this.#random = random;
  }

  /** Starts a writer that sends to one node. */
  start(kind: 'otlp' | 's2', port: number, basin = DEFAULT_BASIN): void {
    const stream = `${kind}-${this.streams.size}`;
    this.streams.set(stream, basin);
    if (!this.#ackedAt.has(basin)) this.#ackedAt.set(basin, []);
    const writing = this.#write(kind, stream, { port, token: this.#token, basin });
    writing.catch(() => {
      this.#hasFailed = true;
    });
    this.#running.push(writing);
  }

  get acked(): number {
    return [...this.#ackedAt.values()].reduce((sum, times) => sum + times.length, 0);
  }

  /** The longest time without an acknowledgement in one basin, or in the worst of all, that has a part in a period; in ms. */
  silence(period: Period, basin?: string): number {
    const times = basin === undefined ? [...this.#ackedAt.values()] : [this.#ackedAt.get(basin) ?? []];
    return Math.max(0, ...times.map((ackedAt) => longestSilence(ackedAt, period)));
  }

  /** Whether a request was refused for good: then `stop` rejects. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Resolves when each basin has taken an append that came to its end from now on. */
  async untilAcked(): Promise<void> {
    const since = performance.now();
    const isSilent = (times: readonly number[]): boolean => (times.at(-1) ?? 0) < since;
    while (!this.#hasFailed && [...this.#ackedAt.values()].some(isSilent)) await pause();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
    this.#agent.destroy();
  }

  async #write(kind: 'otlp' | 's2', stream: string, target: Target): Promise<void> {
    for (let i = 0; !this.#isOver; i++) {
      const count = 1 + Math.floor(this.#random() * RECORDS_MAX);
      const names = Array.from({ length: count }, (_, at) => `${stream}/${i}/${at}`);
      const written: ClusterWrite = {
        id: `${stream}/${i}`,
        streams: new Map([[stream, names]]),
        outcome: 'indefinite',
      };
      this.history.push(written);
      const answer = await this.#post(target, kind === 'otlp' ? otlpCall(stream, names) : s2Call(stream, names));
      note(written, answer, target);
      if (written.outcome === 'acked') this.#ackedAt.get(target.basin ?? DEFAULT_BASIN)?.push(performance.now());
      else await pause();
    }
  }

  #post(
    { port, token, basin = DEFAULT_BASIN }: Target,
    { path, body }: { path: string; body: object },
  ): Promise<Answer> {
    return new Promise((resolve) => {
      const text = JSON.stringify(body);
      const headers = {
        ...{ authorization: `Bearer ${token}`, 's2-basin': basin, 'content-type': 'application/json' },
        'content-length': Buffer.byteLength(text),
      };
      const call = { port, host: '127.0.0.1', method: 'POST', path, agent: this.#agent, headers, timeout: TIMEOUT_MS };
      const sent = request(call, (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('error', () => resolve(undefined));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(parts).toString() }));
      });
      sent.on('timeout', () => sent.destroy());
      sent.on('error', () => resolve(undefined));
      sent.on('close', () => resolve(undefined));
      sent.end(text);
    });
  }
}

function longestSilence(ackedAt: readonly number[], { from, to }: Period): number {
  let longest = 0;
  let last = ackedAt[0] ?? from;
  for (const at of ackedAt) {
    if (at >= from && last <= to) longest = Math.max(longest, at - last);
    last = at;
  }
  // None may have come since.
  return Math.max(longest, to - last);
}

/** 5xx may mean that it is stored. */
function note(written: ClusterWrite, answer: Answer, { port }: Target): void {
  if (answer === undefined || answer.status >= 500) return;
  written.outcome = answer.status === 200 ? 'acked' : 'refused';
  if (written.outcome === 'refused')
    throw new Error(`refused by the node at ${port} with ${answer.status}: ${answer.body}`);
  const ack = JSON.parse(answer.body) as { start?: { seq_num: number } };
  if (ack.start !== undefined) written.start = ack.start.seq_num;
}

function otlpCall(stream: string, names: readonly string[]) {
  const attributes = [{ key: 's2.stream', value: { stringValue: stream } }];
  const logRecords = names.map((name) => ({ timeUnixNano: '1', body: { stringValue: name } }));
  return { path: '/v1/logs', body: { resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] } };
}

function s2Call(stream: string, names: readonly string[]) {
  return { path: `/v1/streams/${stream}/records`, body: { records: names.map((body) => ({ body })) } };
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
