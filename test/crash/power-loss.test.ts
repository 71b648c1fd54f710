/**
 * The power goes under a load of OTLP and of S2 sessions: what was only written is gone, or there in any order. Nothing that
 * was acknowledged is lost. The control is the same server with an fsync that does nothing: the same checker must see it.
 */

import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type CrashOutcome, crashAndReadBack, expectNothingLost } from '../support/crash-rounds.ts';
import { describeWithPowerLoss } from '../support/describe-with-power-loss.ts';
import { mountPowerLossDisk, type PowerLossDisk } from '../support/power-loss-disk.ts';
import { compilePreload } from '../support/preload-library.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { shareOf } from '../support/share-of.ts';
import { seededRandom } from '../support/writers.ts';

const LOSSES = Number(process.env.TAILRACE_TEST_KILLS ?? shareOf(20));
const SEED = Number(process.env.TAILRACE_TEST_SEED ?? 20_261_201);
/** Grows as it is filled. */
const DISK_MEBIBYTES = 2_048;

/** LMDB opens the file once more for its meta pages, so that the kernel syncs each of their writes. */
const NO_SYNC = `
#include <stdarg.h>
#include <sys/syscall.h>
#define O_SYNC 04010000
int fsync(int fd) { return 0; }
int fdatasync(int fd) { return 0; }
#define OPEN(name)                                                  \\
  int name(const char *path, int flags, ...) {                      \\
    va_list more;                                                   \\
    va_start(more, flags);                                          \\
    int mode = va_arg(more, int);                                   \\
    va_end(more);                                                   \\
    return syscall(SYS_openat, -100, path, flags & ~O_SYNC, mode);  \\
  }
OPEN(open)
OPEN(open64)
`;

let disk: PowerLossDisk;

describeWithPowerLoss('a loss of power', () => {
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
    expectNothingLost(await loseAndReadBack(LOSSES), LOSSES);
  }, 240_000);

  test('is detected to lose records when the store is not synced', async () => {
    const library = compilePreload(NO_SYNC);
    if (library === undefined) {
      console.warn('skipped: there is no gcc here, so fsync cannot be replaced');
      return;
    }
    // The store is made by a server that syncs: else it would not open again at all.
    const starts = [{}, library.env];
    const { faults } = await loseAndReadBack(2, { envOf: (round) => starts[round], keepsSome: false }).finally(
      library.dispose,
    );
    expect(faults.filter((fault) => fault.includes('lost'))).not.toEqual([]);
  }, 60_000);
});

function writeSynced(file: string, texts: readonly string[]): void {
  const fd = openSync(file, 'w');
  for (const text of texts) writeSync(fd, text);
  fsyncSync(fd);
  closeSync(fd);
}

interface Losing {
  /** Of the server of a round. */
  readonly envOf?: (round: number) => Readonly<Record<string, string>> | undefined;
  /** Whether in every second round the disk keeps some of what was not synced. */
  readonly keepsSome?: boolean;
}

function loseAndReadBack(rounds: number, { envOf, keepsSome = true }: Losing = {}): Promise<CrashOutcome> {
  const dataDir = path.join(disk.dir, 'store');
  let [starts, losses] = [0, 0];
  return crashAndReadBack({
    ...{ rounds, random: seededRandom(SEED) },
    start: () => startServer({ dataDir, env: envOf?.(starts++) ?? {} }),
    startLast: () => startServer({ dataDir }),
    crash: async (server: TestServer) => {
      process.kill(server.pid, 'SIGSTOP');
      disk.losePower(keepsSome && losses++ % 2 === 1 ? SEED + losses : undefined);
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
      disk.powerOn();
      await server.kill();
    },
  });
}
