/**
 * Readers that follow streams of a cluster through each node, from the first record to the last one, over everything that
 * happens to it: the client over a WebSocket, server-sent events, and sessions of S2's SDK. Each has to get every record once
 * and in order.
 */

import { S2Error } from '@s2-dev/streamstore';
import { createClient } from '../../../src/client/client.ts';
import { TailraceError } from '../../../src/model/error.ts';
import type { ClusterNode } from '../../../test/support/cluster-nodes.ts';
import { sdkOf } from '../../../test/support/sdk.ts';
import { READERS, type ReaderSetting } from '../reconnect/readers.ts';
import { seconds } from './check-cluster.ts';
import type { ClusterWriters } from './cluster-writers.ts';

type ReadAll = (setting: ReaderSetting) => Promise<void>;

/** Readers that know records by their numbers. */
const KINDS: Readonly<Record<string, ReadAll>> = {
  ...Object.fromEntries(Object.entries(READERS).filter(([kind]) => kind !== 's2s')),
  sdk: readBySdk,
};
/** As the SDK has it when nothing is set. */
const SDK_ATTEMPTS = 3;
const AGAIN_MS = 50;
const DEFAULT_BASIN = 'telemetry';

export class ClusterReaders {
  readonly #token: string;
  readonly #kinds: Readonly<Record<string, ReadAll>>;
  readonly #stop = new AbortController();
  readonly #running: Promise<string>[] = [];
  /** The number of the last record of each stream, when it is known. */
  readonly #ends = new Map<string, number>();
  readonly #basins = new Map<string, string>();

  constructor(token: string, kinds = KINDS) {
    this.#token = token;
    this.#kinds = kinds;
  }

  /** Starts readers of each kind of a stream through each node; it is made where it is missing. */
  async start(nodes: readonly ClusterNode[], stream: string, basin = DEFAULT_BASIN): Promise<void> {
    const [{ url }] = nodes as [ClusterNode];
    const client = createClient({ endpoint: url, token: this.#token, basin });
    // It may not know yet which node leads.
    while (!(await client.ensureStream(stream).then(() => true, unavailable))) await pause();
    this.#basins.set(stream, basin);
    for (const node of nodes) {
      for (const [kind, read] of Object.entries(this.#kinds)) {
        const reading = this.#readAll(`${kind} of ${node.url}`, read, { node, stream, basin });
        // It is waited for in the end.
        reading.catch(() => {});
        this.#running.push(reading);
      }
    }
  }

  /** Appends a last record to each stream. Resolves with a line for each reader when all have it. @throws Error what one got wrong */
  async end({ url: endpoint }: ClusterNode, { history }: Pick<ClusterWriters, 'history'>): Promise<readonly string[]> {
    for (const [stream, basin] of this.#basins) {
      const client = createClient({ endpoint, token: this.#token, basin });
      // The end is announced before it comes. Nodes may hand over still.
      const tail = await untilAvailable(() => client.checkTail(stream));
      this.#ends.set(stream, tail.seqNum);
      const last = `the last one of ${stream}`;
      const { seqNum: matchSeqNum } = tail;
      await untilAvailable(() => client.append(stream, [{ body: last }], { matchSeqNum }).catch(stored));
      history.push({ id: last, streams: new Map([[stream, [last]]]), outcome: 'acked' });
    }
    return Promise.all(this.#running);
  }

  /** Ends readers that have not ended. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#running);
  }

  async #readAll(
    name: string,
    read: ReadAll,
    { node, stream, basin }: { readonly node: ClusterNode; readonly stream: string; readonly basin: string },
  ): Promise<string> {
    const next = new Map<string, number>();
    let longest = 0;
    let last = performance.now();
    const note = (of: string, seqNum: number): boolean => {
      const expected = next.get(of) ?? 0;
      if (seqNum !== expected) throw new Error(`${name}: record ${seqNum} of ${of} in the place of ${expected}`);
      next.set(of, seqNum + 1);
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
      return of === stream && seqNum >= (this.#ends.get(stream) ?? Number.POSITIVE_INFINITY);
    };
    const { signal } = this.#stop;
    await read({
      port: node.port,
      token: this.#token,
      basin,
      stream,
      filter: undefined,
      comesBack: true,
      signal,
      note,
    });
    return `${name}: ${next.get(stream)} records of ${stream}, nothing for at most ${seconds(longest)}`;
  }
}

/** It tries some times by itself, and not for as long as a node is gone. */
async function readBySdk({ port, token, basin, stream, signal, note }: ReaderSetting): Promise<void> {
  const retry = { maxAttempts: SDK_ATTEMPTS };
  const streams = sdkOf({ port, token }, { retry })
    .basin(basin ?? DEFAULT_BASIN)
    .stream(stream);
  for (let next = 0; signal?.aborted !== true; ) {
    try {
      const session = await streams.readSession({ start: { from: { seqNum: next } } }, { ...(signal && { signal }) });
      for await (const { seqNum } of session) {
        next = seqNum + 1;
        if (note(stream, seqNum)) return;
      }
    } catch (error) {
      const isRefused = error instanceof S2Error && error.status >= 400 && error.status < 500;
      // Its own time without a word is over, which it gives the status 408.
      if (!(error instanceof S2Error) || (isRefused && error.code !== 'TIMEOUT')) throw error;
      await pause();
    }
  }
}

/** Resolves with what it resolves with, when a node leads that takes it. */
async function untilAvailable<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    const answer = await call().catch(unavailable);
    if (answer !== false) return answer;
    await pause();
  }
}

/** Nothing else writes there: what has its position came with a request that got no answer. */
function stored(error: unknown): void {
  if (error instanceof TailraceError && error.code === 'seq_num_mismatch') return;
  throw error;
}

/** Returns false. @throws what does not become better */
function unavailable(error: unknown): false {
  if (error instanceof TailraceError && error.code === 'unavailable') return false;
  throw error;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
}
