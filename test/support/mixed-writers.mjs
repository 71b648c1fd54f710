/**
 * A process with a store that changes it in every way at once: appends, encrypted ones too, trims, fences, deletions,
 * retention by age and by size. Runs the built code until it is killed; it prints the line `go` when it has begun.
 * Arguments: data directory, seed, cap on the store (with a cap the oldest records are dropped when it is full; 0 for
 * no cap).
 */

import { parseConfig } from '../../dist/src/config.js';
import { openStore } from '../../dist/src/open-store.js';

const [, , dataDir, seed, storeBytesMax] = process.argv;
const capped = storeBytesMax === '0' ? {} : { storeBytesMax, whenFull: 'drop-oldest' };
const { log } = await openStore(parseConfig({ dataDir, logLevel: 'error', ...capped }), {});
const KEY = Buffer.alloc(32, 9);
const EXPECTED = ['stream_deletion_pending', 'stream_not_found', 'storage_full', 'basin_deletion_pending'];
let state = Number(seed);

const BASINS = [
  ['plain-basin', {}],
  ['sealed-basin', { streamCipher: 'aes-256-gcm' }],
  ['small-basin', { defaultStream: { retentionBytes: 200_000 } }],
  ['short-basin', { defaultStream: { retentionAgeSeconds: 1, deleteOnEmptyMinAgeSeconds: 1 } }],
];
for (const [name, config] of BASINS) await log.ensureBasin(name, { createStreamOnAppend: true, ...config });
process.stdout.on('error', () => {});
process.stdout.write('go\n');
await Promise.all(Array.from({ length: 16 }, work));

async function work() {
  for (;;) {
    try {
      await act();
    } catch (error) {
      if (EXPECTED.includes(error.code)) continue;
      process.stdout.write(`${String(error)}\n`);
      process.exit(1);
    }
  }
}

async function act() {
  const basin = log.basin(BASINS[random(BASINS.length)][0]);
  const name = `stream-${random(6)}`;
  const what = random(20);
  if (what === 0) return log.deleteStream(basin, name);
  const stream = await log.openStream(basin, name, 'append');
  if (what === 1) return log.trim(stream, random((await log.checkTail(stream)).seqNum + 1));
  const records = what === 2 ? [fence()] : Array.from({ length: 1 + random(30) }, plain);
  return log.appendRecords({ stream, records, encryptionKey: KEY });
}

function plain() {
  return { headers: [], body: Buffer.alloc(random(3_000), `abc${random(1e9)}`), timestamp: undefined };
}

function fence() {
  return { headers: [[Buffer.alloc(0), Buffer.from('fence')]], body: Buffer.alloc(0), timestamp: undefined };
}

function random(below) {
  state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
  return Math.floor((state / 2_147_483_648) * below);
}
