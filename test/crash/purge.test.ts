/**
 * Deletions that kill -9 interrupts continue after the restart: in the end the name is free, nothing of the old stream
 * remains, and neighbouring streams keep their records.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FAMILY } from '../../src/storage/keys.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { ControlClient } from '../support/control-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';

const basin = 'purged-basin';
const BLOCKS = 1_500;
/** Blocks of the stream that stays. */
const KEPT = 3;

let dataDir: string;
let server: TestServer | undefined;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-purge-'));
});

afterEach(async () => {
  await server?.stop('SIGKILL');
  server = undefined;
  await rm(dataDir, { recursive: true, force: true });
});

test.each([
  ['a stream', 'DELETE /streams/doomed', 'GET /streams/doomed'],
  ['a basin', 'DELETE /basins/purged-basin', 'GET /basins/purged-basin'],
])(
  'the deletion of %s finishes after kill -9',
  async (_, target, gone) => {
    server = await startServer({ dataDir });
    await fill(new ControlClient(server));
    expect((await new ControlClient(server).call(target, { basin })).status).toBe(202);
    await server.stop('SIGKILL');

    server = await startServer({ dataDir });
    const s2 = new ControlClient(server);
    await s2.untilGone(gone, { basin });
    await s2.call(`PUT /basins/${basin}`, { body: { config: { create_stream_on_append: true } } });
    expect(await append(s2, basin, 'doomed')).toBe(1);
    expect(await append(s2, 'telemetry', 'kept')).toBe(KEPT + 1);
    await server.stop();
    server = undefined;
    expect(await storedBlocks()).toBe(1 + KEPT + 1);
  },
  60_000,
);

async function fill(s2: ControlClient): Promise<void> {
  await s2.call(`PUT /basins/${basin}`, { body: { config: { create_stream_on_append: true } } });
  for (let i = 0; i < KEPT; i++) await append(s2, 'telemetry', 'kept');
  for (let i = 0; i < BLOCKS; i += 100) {
    await Promise.all(Array.from({ length: 100 }, () => append(s2, basin, 'doomed')));
  }
}

/** Appends a record; returns the tail after it. */
async function append(s2: ControlClient, home: string, stream: string): Promise<number> {
  const { body } = await s2.call(`POST /streams/${stream}/records`, {
    basin: home,
    body: { records: [{ body: 'x' }] },
  });
  return (body as { end: { seq_num: number } }).end.seq_num;
}

async function storedBlocks(): Promise<number> {
  const engine = await openLmdbEngine({ path: dataDir });
  try {
    const range = { from: Buffer.of(FAMILY.blocks), to: Buffer.of(FAMILY.blocks + 1) };
    return (await engine.scan({ ...range, limit: BLOCKS * 2, valueBytesMax: 1 })).length;
  } finally {
    await engine.close();
  }
}
