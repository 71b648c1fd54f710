/**
 * A disk whose machine can lose its power: an ext4 of its own, which is shut down without a word to what is on it. What was
 * synced is there afterwards; of what was only written, nothing, or some pages in any order.
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** The smallest on which a store can be. */
const MEBIBYTES_MIN = 64;
const RELEASE_TRIES = 100;
const RELEASE_AGAIN_MS = 50;

/**
 * EXT4_IOC_SHUTDOWN with NOLOGFLUSH, as the tests of Linux's file systems use it. With a seed, sync_file_range(2) writes about
 * half of the pages before.
 */
const SHUT_DOWN = `
import ctypes, fcntl, os, random, struct, sys
folder, seed = sys.argv[1:]
def keep_some(file, rand, libc):
    fd = os.open(file, os.O_RDONLY)
    size, at = os.fstat(fd).st_size, 0
    while at < size:
        length = 4096 * rand.randint(1, 16)
        if rand.random() < 0.5:
            libc.sync_file_range(fd, ctypes.c_int64(at), ctypes.c_int64(length), 7)
        at += length
    os.close(fd)
if seed != '':
    rand, libc = random.Random(int(seed)), ctypes.CDLL(None)
    for where, _, names in os.walk(folder):
        for name in names:
            file = os.path.join(where, name)
            if os.path.isfile(file):
                keep_some(file, rand, libc)
fd = os.open(folder, os.O_RDONLY)
fcntl.ioctl(fd, 0x8004587D, struct.pack('I', 2))
`;

export interface PowerLossDisk {
  /** A directory of it, where processes put their files. */
  readonly dir: string;
  /**
   * From here on nothing is written or read. With a seed, some of the pages that were not synced are on the disk. Processes
   * that must not see an error are stopped before.
   */
  losePower(seed?: number): void;
  /** Mounts it again; the processes that had files there have ended. @throws Error when one still has */
  powerOn(): void;
  dispose(): void;
}

/** Why there can be none on this machine; undefined when there can. */
export function missingForPowerLoss(): string | undefined {
  const missing = ['mkfs.ext4', 'python3'].find((name) => spawnSync(name, ['--version']).error !== undefined);
  if (missing !== undefined) return `there is no ${missing} here`;
  const disk = mountPowerLossDisk(MEBIBYTES_MIN);
  disk?.dispose();
  return disk === undefined ? 'this user may not mount a file system' : undefined;
}

/** The file behind it grows as it is filled. Undefined where this user may not mount. */
export function mountPowerLossDisk(mebibytes: number): PowerLossDisk | undefined {
  const folder = mkdtempSync(path.join(tmpdir(), 'tailrace-power-'));
  const [image, mounted] = [path.join(folder, 'image'), path.join(folder, 'mounted')];
  mkdirSync(mounted);
  writeFileSync(image, '');
  truncateSync(image, mebibytes * 1024 * 1024);
  const mount = (): boolean => run('mount', '-o', 'loop', image, mounted);
  if (!run('mkfs.ext4', '-q', '-F', image) || !mount()) {
    rmSync(folder, { recursive: true, force: true });
    return undefined;
  }
  const dir = path.join(mounted, 'data');
  mkdirSync(dir);
  run('sync', '-f', dir);
  return {
    dir,
    losePower: (seed) => {
      const { status, stderr } = spawnSync('python3', ['-c', SHUT_DOWN, mounted, seed === undefined ? '' : `${seed}`]);
      if (status !== 0) throw new Error(`the disk keeps its power: ${stderr}`);
    },
    powerOn: () => {
      release(mounted);
      if (!mount()) throw new Error('the disk cannot be mounted again');
    },
    dispose: () => {
      run('umount', '-l', mounted);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a process had mapped is released somewhat after its end. */
function release(mounted: string): void {
  for (let tries = 0; !run('umount', mounted); tries++) {
    if (tries === RELEASE_TRIES) throw new Error('the disk is in use');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RELEASE_AGAIN_MS);
  }
}

function run(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args).status === 0;
}
