/**
 * Writers for the crash tests: they post log records with unique names to several streams, never send a body twice, and
 * keep a history of the outcome of each request. {@link violations} compares a read-back with it.
 */

import { Agent, request as httpRequest } from 'node:http';
import protobuf from 'protobufjs/light.js';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';

/** The known outcome of a request: answered 200, refused, or no response (indefinite: all there or not at all). */
type Outcome = 'acked' | 'refused' | 'indefinite';

/** One request of a writer: the names of its records, by stream, in order. */
export interface WrittenRequest {
  readonly id: string;
  readonly streams: ReadonlyMap<string, readonly string[]>;
  outcome: Outcome;
}

export interface Target {
  readonly port: number;
  readonly token: string;
  /** The default one without it. */
  readonly basin?: string;
}

const logs = protobuf.Root.fromJSON(SCHEMA).lookupType('opentelemetry.proto.logs.v1.LogsData');
export const STREAMS = ['alpha', 'beta', 'gamma'] as const;

/** Writers that run until they are stopped or their server dies. */
export class Writers {
  readonly history: WrittenRequest[] = [];
  readonly #random: () => number;
  #count = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * Runs a number of writers at once until `acks` requests were acknowledged, then calls `then` while they still write,
   * and resolves when every writer has seen the server end.
   */
  async run(target: Target, writers: number, acks: number, then: () => void): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: writers });
    let left = acks;
    let over = false;
    const write = async (): Promise<void> => {
      while (!over) {
        const outcome = await this.#send(target, agent);
        if (outcome !== 'acked') over = true;
        if (outcome === 'acked' && --left === 0) then();
      }
    };
    await Promise.all(Array.from({ length: writers }, write));
    agent.destroy();
  }

  async #send(target: Target, agent: Agent): Promise<Outcome> {
    const written = this.#next();
    this.history.push(written);
    written.outcome = await post(target, agent, encode(written));
    return written.outcome;
  }

  #next(): WrittenRequest {
    const id = `request-${this.#count++}`;
    const streams = new Map<string, readonly string[]>();
    const chosen = STREAMS.filter(() => this.#random() < 0.6);
    for (const stream of chosen.length === 0 ? STREAMS.slice(0, 1) : chosen) {
      const records = 1 + Math.floor(this.#random() * 30);
      streams.set(
        stream,
        Array.from({ length: records }, (_, index) => `${id}/${stream}/${index}`),
      );
    }
    return { id, streams, outcome: 'indefinite' };
  }
}

/** What a reader got of one stream: the names of the records, and their sequence numbers. */
export interface ReadBack {
  readonly seqNums: readonly number[];
  readonly names: readonly string[];
}

/**
 * Compares what was read with what was written. Returns a sentence for each fault: an acknowledged record lost, a gap,
 * a duplicate, half a request, a refused record that is there, a record that no request wrote.
 */
export function violations(history: readonly WrittenRequest[], read: ReadonlyMap<string, ReadBack>): string[] {
  const faults: string[] = [];
  const places = new Map<string, number>();
  for (const [stream, { seqNums, names }] of read) {
    for (const [index, seqNum] of seqNums.entries()) {
      if (seqNum !== index) faults.push(`${stream}: gap: record ${index} has sequence number ${seqNum}`);
    }
    for (const [index, name] of names.entries()) {
      if (places.has(name)) faults.push(`${name}: duplicate`);
      places.set(name, index);
    }
  }
  let known = 0;
  for (const written of history) known += judge(written, places, faults);
  if (known !== places.size) faults.push(`${places.size - known} records that no request wrote`);
  return faults;
}

/** Adds the faults of one request; returns the number of its records that are there. */
function judge(written: WrittenRequest, places: ReadonlyMap<string, number>, faults: string[]): number {
  let there = 0;
  let total = 0;
  for (const names of written.streams.values()) {
    const first = places.get(names[0] ?? '');
    for (const [index, name] of names.entries()) {
      total++;
      const place = places.get(name);
      if (place === undefined) continue;
      there++;
      if (first !== undefined && place !== first + index) faults.push(`${name}: out of order`);
    }
  }
  if (written.outcome === 'acked' && there < total)
    faults.push(`${written.id}: acknowledged, ${total - there} of ${total} records lost`);
  if (written.outcome === 'refused' && there > 0) faults.push(`${written.id}: refused, yet ${there} records are there`);
  if (written.outcome === 'indefinite' && there > 0 && there < total)
    faults.push(`${written.id}: half a request: ${there} of ${total}`);
  return there;
}

function encode(written: WrittenRequest): Buffer {
  const resourceLogs = [...written.streams].map(([stream, names]) => ({
    resource: { attributes: [{ key: 's2.stream', value: { stringValue: stream } }] },
    scopeLogs: [{ logRecords: names.map((name) => ({ timeUnixNano: 1, body: { stringValue: name } })) }],
  }));
  return Buffer.from(logs.encode(logs.fromObject({ resourceLogs })).finish());
}

function post(target: Target, agent: Agent, body: Buffer): Promise<Outcome> {
  return new Promise((resolve) => {
    const headers = {
      authorization: `Bearer ${target.token}`,
      'content-type': 'application/x-protobuf',
      'content-length': body.length,
    };
    const sent = httpRequest(
      { port: target.port, host: '127.0.0.1', path: '/v1/logs', method: 'POST', agent, headers },
      (answer) => {
        answer.resume();
        answer.on('end', () =>
          resolve(answer.statusCode === 200 ? 'acked' : answer.statusCode === 503 ? 'indefinite' : 'refused'),
        );
        answer.on('error', () => resolve('indefinite'));
      },
    );
    sent.on('error', () => resolve('indefinite'));
    sent.end(body);
  });
}

/** A small seeded generator of numbers in [0, 1), so that a failing run can be run again. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
