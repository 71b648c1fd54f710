/**
 * Tells when nobody reads the pipe behind stdout any more, though there is nothing to write: `tail my-app | head -1`
 * would otherwise end only with the next record. Node cannot poll a pipe for that, and neither an empty write nor
 * opening an anonymous pipe again fails without a reader, so on Linux we look who holds the end for reading.
 */

import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync } from 'node:fs';

const LOOK_MS = 1_000;
const OWNER_READS = 0o400;

/**
 * Calls once, within a second or so, when the last reader of stdout has gone. Never calls when that cannot be known:
 * elsewhere than on Linux, and for readers of other users; then the next write finds out.
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

/** A question that can be asked again and again, or nothing when there is no answer to it. */
function readerOf(target: string): (() => boolean) | undefined {
  if (!target.startsWith('pipe:')) return namedPipeHasReader;
  let reader = findReader(target);
  // Only who was seen can be missed: a reader outside our container, or of another user, shows nowhere.
  if (reader === undefined) return undefined;
  return () => {
    if (reader !== undefined && reads(reader, target) !== false) return true;
    reader = findReader(target);
    return reader !== undefined;
  };
}

/** Opening a named pipe for writing without waiting fails with ENXIO when nobody reads it (fifo(7)). */
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

/** Whether a process holds the reading end; undefined when it is not ours to know. */
function reads(pid: number, target: string): boolean | undefined {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).some((fd) => isReadingEnd(`${folder}/${fd}`, target));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? undefined : false;
  }
}

/** Undefined without /proc, and for what was closed meanwhile. */
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
