/**
 * Tells when the pipe of stdout has no reader any more, even while there is nothing to write: `tail my-app | head -1`
 * would otherwise end only with the next record. Node cannot poll a pipe for that, and neither an empty write nor
 * opening an anonymous pipe again fails without a reader, so on Linux we look which process holds the reading end.
 */

import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync } from 'node:fs';

const LOOK_MS = 1_000;
const OWNER_READS = 0o400;

/**
 * Calls `onGone` once, within a second or so, when the last reader of stdout is gone. Never calls it where that cannot be
 * known: on systems other than Linux, and for readers of other users. There the next write fails.
 */
export function watchReader(onGone: () => void): void {
  if (process.platform !== 'linux' || !fstatSync(1).isFIFO()) return;
  const target = linkOf('/proc/self/fd/1');
  const hasReader = target === undefined ? undefined : readerOf(target);
  if (hasReader === undefined) return;
  const timer = setInterval(() => {
    if (hasReader()) return;
    clearInterval(timer);
    onGone();
  }, LOOK_MS);
  timer.unref();
}

/** A function that tells whether there is a reader; undefined when that cannot be known. */
function readerOf(target: string): (() => boolean) | undefined {
  if (!target.startsWith('pipe:')) return namedPipeHasReader;
  let reader = findReader(target);
  // Only a reader that was seen can be missed: one outside our container, or of another user, is never seen.
  if (reader === undefined) return undefined;
  return () => {
    if (reader !== undefined && reads(reader, target) !== false) return true;
    reader = findReader(target);
    return reader !== undefined;
  };
}

/** Opening a named pipe for writing without waiting fails with ENXIO when it has no reader (fifo(7)). */
function namedPipeHasReader(): boolean {
  try {
    closeSync(openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENXIO';
  }
}

/** A process that holds the reading end. The rest of a pipeline has numbers near ours, so the search is short. */
function findReader(target: string): number | undefined {
  const near = (pid: number) => Math.abs(pid - process.pid);
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => near(a) - near(b));
  return pids.find((pid) => reads(pid, target) === true);
}

/** Whether a process holds the reading end; undefined when we may not look. */
function reads(pid: number, target: string): boolean | undefined {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).some((fd) => isReadingEnd(`${folder}/${fd}`, target));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? undefined : false;
  }
}

/** Undefined without /proc, and for a file that was closed meanwhile. */
function linkOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}

/** The permissions of the link are those that the file was opened with (proc_pid_fd(5)). */
function isReadingEnd(link: string, target: string): boolean {
  try {
    return linkOf(link) === target && (lstatSync(link).mode & OWNER_READS) !== 0;
  } catch {
    // Closed since it was listed.
    return false;
  }
}
