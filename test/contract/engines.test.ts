/** The engine contract, run on each engine. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Engine } from '../../src/storage/engine.ts';
import { type LmdbEngineOptions, openLmdbEngine } from '../../src/storage/lmdb.ts';
import { openMemoryEngine } from '../../src/storage/memory.ts';
import { Replica } from '../../src/storage/replicated/replica.ts';
import { ReplicatedEngine } from '../../src/storage/replicated/replicated-engine.ts';
import { MemoryLogStore } from '../support/memory-replicated-log.ts';
import { engineContract } from './engine-contract.ts';

const RESERVE_BYTES = 1024 * 1024;
const PROBE_MS = 20;

engineContract('memory', async (storeBytesMax) => ({
  engine: openMemoryEngine(storeBytesMax === undefined ? {} : { storeBytesMax, reserveBytes: RESERVE_BYTES }),
  reopen: undefined,
  dispose: async () => {},
}));

engineContract('lmdb', async (storeBytesMax) => {
  const dir = await mkdtemp(path.join(tmpdir(), 'tailrace-engine-'));
  const options: LmdbEngineOptions = {
    path: dir,
    probeMs: PROBE_MS,
    reserveBytes: RESERVE_BYTES,
    ...(storeBytesMax === undefined ? {} : { storeBytesMax }),
  };
  const engine: Engine = await openLmdbEngine(options);
  return {
    engine,
    reopen: async () => {
      await engine.close();
      return openLmdbEngine(options);
    },
    dispose: () => rm(dir, { recursive: true, force: true }),
  };
});

engineContract('replicated, over lmdb', async (storeBytesMax) => {
  const dir = await mkdtemp(path.join(tmpdir(), 'tailrace-engine-'));
  const log = new MemoryLogStore().connect();
  const options: LmdbEngineOptions = {
    path: dir,
    probeMs: PROBE_MS,
    reserveBytes: RESERVE_BYTES,
    ...(storeBytesMax === undefined ? {} : { storeBytesMax }),
  };
  const lead = async (): Promise<{ readonly engine: Engine; readonly local: Engine }> => {
    const local = await openLmdbEngine(options);
    const replica = await Replica.open(local);
    return { local, engine: await ReplicatedEngine.takeOver({ log, replica, onSuperseded: () => {} }) };
  };
  let leading = await lead();
  return {
    engine: leading.engine,
    reopen: async () => {
      await leading.engine.close();
      await leading.local.close();
      leading = await lead();
      return leading.engine;
    },
    dispose: async () => {
      await leading.local.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
});
