/**
 * The reference of S2 and S7: the storage engine alone, fed with the same blocks in the clear, compressing and
 * checksumming them itself: a fresh LMDB store, two transactions in flight. Prints one line of JSON.
 *
 * argv: blocks to write, `otlp` or `s2`, blocks of a transaction (4).
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OTLP_LIMITS } from '../../src/model/limits.ts';
import { draftBlocks } from '../../src/otlp/draft-blocks.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import {
  type BlockDraft,
  draftRecords,
  releaseBlock,
  type SealedBlock,
  sealBlock,
} from '../../src/storage/block/seal.ts';
import { blockKey } from '../../src/storage/keys.ts';
import { openLmdbEngine } from '../../src/storage/lmdb.ts';
import { fixture, sessionBatch } from './bodies.ts';

export interface EngineAloneResult {
  readonly recordsPerSecond: number;
}

const TRANSACTIONS_IN_FLIGHT = 2;
const BLOCKS_PER_TRANSACTION = Number(process.argv[4] ?? 4);
const { draft, records } = process.argv[3] === 's2' ? s2Drafts() : otlpDrafts();

await main(Number(process.argv[2] ?? 1_000));

async function main(blocks: number): Promise<void> {
  const path = mkdtempSync(join(tmpdir(), 'tailrace-engine-'));
  const engine = await openLmdbEngine({ path });
  const transactions = Math.ceil(blocks / BLOCKS_PER_TRANSACTION);
  let next = 0;
  const write = async (until: number): Promise<void> => {
    while (next < until) {
      const blocks = await seal(next++);
      await engine.commit(blocks.map(({ key, value }) => ({ type: 'put', key, value })));
      for (const block of blocks) releaseBlock(block);
    }
  };
  const run = (until: number): Promise<unknown> =>
    Promise.all(Array.from({ length: TRANSACTIONS_IN_FLIGHT }, () => write(until)));
  const warm = Math.ceil(transactions * 0.1);
  await run(warm);
  const startedAt = performance.now();
  await run(warm + transactions);
  const seconds = (performance.now() - startedAt) / 1e3;
  await engine.close();
  rmSync(path, { recursive: true, force: true });
  const result: EngineAloneResult = { recordsPerSecond: (transactions * BLOCKS_PER_TRANSACTION * records) / seconds };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/** The blocks of one transaction, each sealed from a draft of its own. */
function seal(transaction: number): Promise<SealedBlock[]> {
  const sealing = Array.from({ length: BLOCKS_PER_TRANSACTION }, (_, i) => {
    const firstSeq = (transaction * BLOCKS_PER_TRANSACTION + i) * records;
    return sealBlock(blockKey(1, firstSeq), firstSeq, draft(), Date.now(), false);
  });
  return Promise.all(sealing);
}

interface Drafts {
  readonly draft: () => BlockDraft;
  /** In each block. */
  readonly records: number;
}

function otlpDrafts(): Drafts {
  const { body, records } = fixture('bench-512.pb');
  const scanned = scanRequest('logs', body, OTLP_LIMITS);
  const draft = (): BlockDraft => {
    const [block] = draftBlocks(scanned, [0], { timeRequired: false, reject: () => {} });
    if (block === undefined) throw new Error('the frozen body makes no block');
    return block;
  };
  return { draft, records };
}

function s2Drafts(): Drafts {
  const records = sessionBatch().records.map((body) => ({ headers: [], body, timestamp: Date.now() }));
  return { draft: () => draftRecords(records), records: records.length };
}
