/** What readers of OTLP get of the stores that earlier releases left. */

import { Log } from '../../src/log/log.ts';
import type { Clock } from '../../src/model/clock.ts';
import type { Signal } from '../../src/model/record.ts';
import { otlpRuns } from '../../src/otlp/views/otlp.ts';
import { otlpJsonRequests } from '../../src/otlp/views/otlp-json.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { unpackGoldenStore } from './golden-store.ts';

/** Neighbouring records of one signal. */
export interface GoldenMessage {
  readonly stream: string;
  readonly signal: Signal;
  readonly records: number;
  /** In the views `otlp` and `otlp-json`. */
  readonly message: Uint8Array;
  readonly json: string;
}

/** Of all streams of the store of this format, unpacked into a directory. */
export async function goldenMessages(
  format: number,
  dataDir: string,
  fixtures?: string,
): Promise<readonly GoldenMessage[]> {
  const { now, encryptionKey } = unpackGoldenStore(format, dataDir, fixtures);
  const key = encryptionKey === undefined ? undefined : Buffer.from(encryptionKey, 'hex');
  const clock: Clock = { now: () => now, monotonicMs: () => performance.now(), timer: () => () => {} };
  const engine = await openLmdbEngine({ path: dataDir });
  const onFatal = (error: unknown): void => {
    throw error;
  };
  const log = await Log.open(engine, { clock, onFatal });
  const messages: GoldenMessage[] = [];
  for (const basin of log.listBasins()) {
    const { streams } = await log.listStreams(basin, { prefix: '', startAfter: '', limit: 1_000 });
    for (const { name } of streams) messages.push(...(await messagesOf(log, `${basin.name}/${name}`, key)));
  }
  await log.close();
  await engine.close();
  return messages;
}

async function messagesOf(log: Log, path: string, encryptionKey: Uint8Array | undefined): Promise<GoldenMessage[]> {
  const [basin = '', ...rest] = path.split('/');
  const known = log.basin(basin);
  if (known === undefined) throw new Error(`no basin ${basin}`);
  const stream = await log.getStream(known, rest.join('/'));
  const { seqNum } = await log.checkTail(stream);
  // There is nothing to read at the tail.
  if (seqNum === 0) return [];
  const range = { start: { seqNum: 0 }, clamp: true, count: undefined, bytes: undefined, until: undefined, waitMs: 0 };
  const messages: GoldenMessage[] = [];
  for await (const event of log.read(stream, range, new AbortController().signal, { encryptionKey })) {
    if (event.type !== 'records') continue;
    const { block, from, to } = event;
    for (const run of otlpRuns(block, from, to)) {
      if (run.signal === undefined) continue;
      const [json = ''] = otlpJsonRequests(block, run.from, run.to).requests;
      messages.push({ stream: path, signal: run.signal, records: run.to - run.from, message: run.message, json });
    }
  }
  return messages;
}
