/**
 * The power goes under a load of OTLP and of S2 sessions: what was only written is gone, or there in any order. Nothing that
 * was acknowledged is lost. The control is the same server with an fsync that does nothing: the same checker must see it.
 */

import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type CrashOutcome, crashAndReadBack } from '../support/crash-rounds.ts';
import { missingForPowerLoss, mountPowerLossDisk, type PowerLossDisk } from '../support/power-loss-disk.ts';
import { compilePreload } from '../support/preload-library.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { shareOf } from '../support/share-of.ts';
import { seededRandom } from '../support/writers.ts';

const LOSSES = Number(process.env.TAILRACE_TEST_KILLS ?? shareOf(20));
const SEED = Number(process.env.TAILRACE_TEST_SEED ?? 20_261_201);
/** Grows as it is filled. */
const DISK_MEBIBYTES = 2_048;

const NO_SYNC = 'int fsync(int fd) { return 0; } int fdatasync(int fd) { return 0; }';

const missing = missingForPowerLoss();
if (missing !== undefined) process.stderr.write(`skipped "a loss of power": ${missing}\n`);

let disk: PowerLossDisk;

(missing === undefined ? describe : describe.skip)('a loss of power', () => {
  beforeEach(() => {
    const mounted = mountPowerLossDisk(DISK_MEBIBYTES);
    if (mounted === undefined) throw new Error('no disk can be mounted');
    disk = mounted;
  });
  afterEach(() => disk.dispose());

  test('takes what was not synced, and keeps what was', () => {
    const [kept, lost] = [path.join(disk.dir, 'kept'), path.join(disk.dir, 'lost')];
    writeSynced(kept, ['synced']);
    writeFileSync(lost, 'only written');
    disk.losePower();
    expect(() => readFileSync(kept)).toThrow('EIO');
    disk.powerOn();
    expect(readFileSync(kept, 'utf8')).toBe('synced');
    expect(existsSync(lost) ? readFileSync(lost, 'utf8') : '').toBe('');
  });

  test('keeps about half of the pages that were not synced, where that is asked for', () => {
    const file = path.join(disk.dir, 'pages');
    // The kernel keeps together what one call has written.
    const page = (text: string): readonly string[] => Array.from({ length: 1_000 }, () => text.repeat(4096));
    writeSynced(file, page('.'));
    const fd = openSync(file, 'r+');
    for (const text of page('#')) writeSync(fd, text);
    closeSync(fd);
    disk.losePower(SEED);
    disk.powerOn();
    const pages = readFileSync(file, 'utf8').match(/#{4096}/g)?.length ?? 0;
    expect(pages).toBeGreaterThan(200);
    expect(pages).toBeLessThan(800);
  });

  test(`loses nothing that was acknowledged in ${LOSSES} losses (seed ${SEED})`, async () => {
    const { faults, acked, ackedInSessions, records } = await loseAndReadBack(LOSSES);
    expect(faults).toEqual([]);
    expect(acked).toBeGreaterThanOrEqual(LOSSES);
    expect(ackedInSessions).toBeGreaterThanOrEqual(LOSSES);
    expect(records).toBeGreaterThan(acked);
  }, 240_000);

  test('is detected to lose records when the store is not synced', async () => {
    const library = compilePreload(NO_SYNC);
    if (library === undefined) {
      console.warn('skipped: there is no gcc here, so fsync cannot be replaced');
      return;
    }
    const found = await loseAndReadBack(1, library.env).then(
      ({ faults }) => faults.join('\n'),
      // It may not start again at all.
      (error) => `lost: ${error}`,
    );
    library.dispose();
    expect(found).toContain('lost');
  }, 60_000);
});

function writeSynced(file: string, texts: readonly string[]): void {
  const fd = openSync(file, 'w');
  for (const text of texts) writeSync(fd, text);
  fsyncSync(fd);
  closeSync(fd);
}

/** In every second round nothing of what was not synced is kept. */
function loseAndReadBack(rounds: number, env: Readonly<Record<string, string>> = {}): Promise<CrashOutcome> {
  const dataDir = path.join(disk.dir, 'store');
  const random = seededRandom(SEED);
  let losses = 0;
  return crashAndReadBack({
    ...{ rounds, random, start: () => startServer({ dataDir, env }) },
    startLast: () => startServer({ dataDir }),
    crash: async (server: TestServer) => {
      process.kill(server.pid, 'SIGSTOP');
      disk.losePower(losses++ % 2 === 0 ? undefined : SEED + losses);
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
      disk.powerOn();
      await server.kill();
    },
  });
}
