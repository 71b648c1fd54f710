/**
 * Concurrent clients of one stream that keep a history for {@link judge}: plain and conditional appends, fences,
 * pipelined sessions, reads, followers, tail checks. They never send a body twice, and continue until their server is
 * gone.
 */

import { Agent, request } from 'node:http';
import { S2Error } from '@s2-dev/streamstore';
import type { Append, Observation, Operation, Outcome } from './history.ts';
import { sdkOf, textBatch } from './sdk.ts';
import type { Target } from './writers.ts';

const DEFAULT_BASIN = 'telemetry';
const STREAM = 'history';
const PATH = `/v1/streams/${STREAM}/records`;
/** A read that returns this many records may have ended before the tail. */
const PAGE = 1_000;
const SESSION_BATCHES = 4;
/** The status of an append whose condition does not hold. */
const CONDITION = 412;
const UNAVAILABLE = 503;
const REFUSED_MAX = 600;
/** Before a client asks a server again that gave no answer; and how often one that follows looks whether all is over. */
const PAUSE_MS = 50;

type Recorded<T> = { -readonly [K in keyof T]: T[K] };

/** The operations of the clients of all servers of a run. */
export class History {
  readonly #operations: Recorded<Operation>[] = [];
  readonly #indefinite: Recorded<Append>[] = [];
  /** The records that followers received, and the first sequence number. None of them may ever be lost. */
  readonly followed: { readonly from: number; readonly bodies: string[] }[] = [];
  readonly #random: () => number;
  #moments = 0;
  #bodies = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  get operations(): readonly Operation[] {
    return this.#operations;
  }

  moment(): number {
    return ++this.#moments;
  }

  upTo(most: number): number {
    return Math.floor(this.#random() * most);
  }

  bodies(client: string): string[] {
    return Array.from({ length: 1 + this.upTo(6) }, () => `${client}/${this.#bodies++}`);
  }

  add(operation: Operation): void {
    this.#operations.push(operation);
    if (operation.kind === 'append' && operation.outcome === 'indefinite') this.#indefinite.push(operation);
  }

  /** The server is dead: every operation without a response has taken effect by now, or never will. */
  died(): void {
    const ended = this.moment();
    for (const append of this.#indefinite.splice(0)) append.ended = ended;
  }
}

/**
 * Runs every kind of client against one server, calls `enough` once after a number of acks, and resolves when all have
 * seen the server end.
 */
export async function runClients(target: Target, history: History, acks: number, enough: () => void): Promise<void> {
  let left = acks;
  const acked = (): void => {
    if (--left === 0) enough();
  };
  await runAll(target, {
    history,
    name: '',
    acked,
    isOver: () => false,
    pace: async () => {},
    again: async () => false,
  });
}

/**
 * Runs every kind of client against one node of several, which may be gone for a while, until `isOver` says so. What others
 * passed on for it may still take effect after its end.
 */
export async function runLastingClients(
  target: Target,
  { history, name, isOver }: { readonly history: History; readonly name: string; isOver(): boolean },
): Promise<void> {
  const pace = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  const again = async (): Promise<boolean> => {
    if (!isOver()) await pace();
    return !isOver();
  };
  await runAll(target, { history, name, acked: () => {}, isOver, pace, again });
}

interface Run extends Pick<Shared, 'history' | 'acked' | 'isOver' | 'pace'> {
  /** Put before the names of clients. */
  readonly name: string;
  /** Whether a client begins once more when its server gave no answer. */
  again(): Promise<boolean>;
}

async function runAll(target: Target, { name, again, ...run }: Run): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  const call: Call = async (method, path, body) => {
    await run.pace();
    return ask(target, agent, method, path, body);
  };
  const { tail } = (await call('GET', `${PATH}/tail`))?.json ?? {};
  const shared: Shared = { ...run, call, tail: (tail as { seq_num: number } | undefined)?.seq_num ?? 0 };
  const calling = [plain, plain, matching, matching, fencing, fencing, reading, reading, tailing];
  const kinds: readonly Client[] = [...calling, sessioning, following];
  await Promise.all(
    kinds.map(async (kind, i) => {
      do await kind(`${name}${kind.name}-${i}`, shared, target);
      while (await again());
    }),
  );
  agent.destroy();
}

interface Answer {
  readonly status: number;
  readonly json: Record<string, unknown>;
}

type Call = (method: string, path: string, body?: object) => Promise<Answer | undefined>;

interface Shared {
  readonly call: Call;
  readonly history: History;
  readonly acked: () => void;
  readonly isOver: () => boolean;
  /** Waits before each operation: several nodes with all clients at full speed have no time for their faults. */
  readonly pace: () => Promise<void>;
  /** The largest tail that any client was told. */
  tail: number;
}

/** Resolves when its server gave no answer, or all is over. */
type Client = (client: string, shared: Shared, target: Target) => Promise<void>;

async function plain(client: string, shared: Shared): Promise<void> {
  while (
    !shared.isOver() &&
    (await append(client, shared, { bodies: shared.history.bodies(client) })) !== 'indefinite'
  );
}

async function matching(client: string, shared: Shared): Promise<void> {
  while (!shared.isOver()) {
    // Mostly the expected tail; sometimes another position on purpose.
    const matchSeqNum = Math.max(0, shared.tail - (shared.history.upTo(10) === 0 ? 1 : 0));
    const outcome = await append(client, shared, { bodies: shared.history.bodies(client), matchSeqNum });
    if (outcome === 'indefinite') return;
  }
}

async function fencing(client: string, shared: Shared): Promise<void> {
  let token = '';
  while (!shared.isOver()) {
    const fence = shared.history.upTo(8) === 0;
    const bodies = fence ? [`f/${shared.history.bodies(client)[0]}`] : shared.history.bodies(client);
    const outcome = await append(client, shared, { bodies, fence, fencingToken: token }, (seen) => {
      token = seen;
    });
    if (outcome === 'indefinite') return;
    if (outcome === 'ok' && fence) token = bodies[0] ?? token;
  }
}

type Wanted = Pick<Append, 'bodies' | 'matchSeqNum' | 'fencingToken'> & { readonly fence?: boolean };

async function append(
  client: string,
  shared: Shared,
  { fence = false, ...wanted }: Wanted,
  told: (token: string) => void = () => {},
): Promise<Outcome> {
  const { history } = shared;
  const records = wanted.bodies.map((body) => (fence ? { body, headers: [['', 'fence']] } : { body }));
  const body = { records, match_seq_num: wanted.matchSeqNum, fencing_token: wanted.fencingToken };
  const began = history.moment();
  const answer = await shared.call('POST', PATH, body);
  const known = { kind: 'append' as const, client, began, fence, ...wanted };
  if (answer === undefined || answer.status >= 500) {
    history.add({ ...known, ended: Number.POSITIVE_INFINITY, outcome: 'indefinite' });
    return 'indefinite';
  }
  if (answer.status !== 200 && answer.status !== CONDITION)
    throw new Error(`${answer.status} ${JSON.stringify(answer.json)}`);
  const ended = history.moment();
  const { seq_num_mismatch: seenSeqNum, fencing_token_mismatch: seenToken } = answer.json;
  if (answer.status !== 200) {
    history.add({
      ...known,
      ended,
      outcome: 'failed',
      ...(typeof seenSeqNum === 'number' ? { seenSeqNum } : {}),
      ...(typeof seenToken === 'string' ? { seenToken } : {}),
    });
    if (typeof seenSeqNum === 'number') shared.tail = Math.max(shared.tail, seenSeqNum);
    if (typeof seenToken === 'string') told(seenToken);
    return 'failed';
  }
  const [start, end, tail] = ['start', 'end', 'tail'].map((key) => (answer.json[key] as { seq_num: number }).seq_num);
  const ack = { start: start ?? -1, end: end ?? -1, tail: tail ?? -1 };
  history.add({ ...known, ended, outcome: 'ok', ack });
  shared.tail = Math.max(shared.tail, ack.tail);
  shared.acked();
  return 'ok';
}

async function reading(client: string, { call, history, isOver, tail: first }: Shared): Promise<void> {
  let from = first;
  while (!isOver()) {
    const began = history.moment();
    const answer = await call('GET', `${PATH}?seq_num=${from}`);
    if (answer === undefined || answer.status >= 500) return;
    const known = { kind: 'observation' as const, client, began, ended: history.moment() };
    const { records, tail } = answer.json as { records?: { body: string }[]; tail?: { seq_num: number } };
    if (answer.status === 416 && tail !== undefined) history.add({ ...known, tail: tail.seq_num });
    if (answer.status === 200 && records !== undefined) {
      const end = from + records.length;
      const bodies = records.map(({ body }) => body);
      if (records.length < PAGE) history.add({ ...known, tail: end, from, bodies });
      from = Math.max(0, end - history.upTo(100));
    }
  }
}

async function tailing(client: string, { call, history, isOver }: Shared): Promise<void> {
  while (!isOver()) {
    const began = history.moment();
    const answer = await call('GET', `${PATH}/tail`);
    if (answer === undefined || answer.status >= 500) return;
    const { tail } = answer.json as { tail?: { seq_num: number } };
    const seen: Omit<Observation, 'tail'> = { kind: 'observation', client, began, ended: history.moment() };
    if (answer.status === 200 && tail !== undefined) history.add({ ...seen, tail: tail.seq_num });
  }
}

/** Several batches of one session under way at once; when it breaks, batches without an ack have an unknown outcome. */
async function sessioning(client: string, { history, acked, isOver, pace }: Shared, target: Target): Promise<void> {
  const stream = sdkOf(target)
    .basin(target.basin ?? DEFAULT_BASIN)
    .stream(STREAM, { forceTransport: 's2s' });
  const session = await stream.appendSession({ maxInflightBatches: SESSION_BATCHES }).catch(noAnswer);
  if (session === undefined) return;
  const one = async (): Promise<boolean> => {
    const bodies = history.bodies(client);
    const known = { kind: 'append' as const, client, bodies, fence: false, began: history.moment() };
    try {
      const ticket = await session.submit(textBatch(bodies));
      const { start, end, tail } = await ticket.ack();
      const ack = { start: start.seqNum, end: end.seqNum, tail: tail.seqNum };
      history.add({ ...known, ended: history.moment(), outcome: 'ok', ack });
      acked();
      return true;
    } catch (error) {
      if (!(error instanceof S2Error)) throw error;
      history.add({ ...known, ended: Number.POSITIVE_INFINITY, outcome: 'indefinite' });
      return false;
    }
  };
  const lane = async (): Promise<void> => {
    while (!isOver() && (await one())) await pace();
  };
  await Promise.all(Array.from({ length: SESSION_BATCHES }, lane));
  await Promise.allSettled([session.close(), stream.close()]);
}

async function following(_client: string, { history, isOver }: Shared, target: Target): Promise<void> {
  const stream = sdkOf(target)
    .basin(target.basin ?? DEFAULT_BASIN)
    .stream(STREAM, { forceTransport: 's2s' });
  const from = history.followed.reduce((most, seen) => Math.max(most, seen.from + seen.bodies.length), 0);
  const bodies: string[] = [];
  history.followed.push({ from, bodies });
  const ending = new AbortController();
  const watch = setInterval(() => {
    if (isOver()) ending.abort();
  }, PAUSE_MS);
  try {
    const session = await stream.readSession({ start: { from: { seqNum: from } } }, { signal: ending.signal });
    for await (const record of session) bodies.push(record.body);
  } catch (error) {
    if (!ending.signal.aborted) noAnswer(error);
  } finally {
    clearInterval(watch);
  }
  await Promise.allSettled([stream.close()]);
}

/** @throws what is no refusal, and no lost connection */
function noAnswer(error: unknown): undefined {
  if (!(error instanceof S2Error)) throw error;
}

/** Every body of the stream by its number. */
export async function readLog(target: Target): Promise<string[]> {
  const agent = new Agent({ keepAlive: true });
  const log: string[] = [];
  for (let refused = 0; ; ) {
    const answer = await ask(target, agent, 'GET', `${PATH}?seq_num=${log.length}`);
    if (answer?.status === 416) break;
    // A node that has just come back may not know who leads.
    if (answer?.status === UNAVAILABLE && ++refused < REFUSED_MAX) {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      continue;
    }
    if (answer?.status !== 200) throw new Error(`the log cannot be read: ${JSON.stringify(answer)}`);
    const { records } = answer.json as { records: { seq_num: number; body: string }[] };
    for (const { seq_num, body } of records) {
      if (seq_num !== log.length) throw new Error(`record ${log.length} has the number ${seq_num}`);
      log.push(body);
    }
  }
  agent.destroy();
  return log;
}

/** Undefined when the connection broke. */
function ask(target: Target, agent: Agent, method: string, path: string, body?: object): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${target.token}`,
      's2-basin': target.basin ?? DEFAULT_BASIN,
      ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
    };
    const sent = request({ port: target.port, host: '127.0.0.1', method, path, agent, headers }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('error', () => resolve(undefined));
      answer.on('end', () => {
        const json = parts.length === 0 ? {} : JSON.parse(Buffer.concat(parts).toString());
        resolve({ status: answer.statusCode ?? 0, json });
      });
    });
    sent.on('error', () => resolve(undefined));
    sent.end(text);
  });
}
