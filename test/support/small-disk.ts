/** Disks that are full: a small file system in memory, and a quota that only the store's process meets. */

import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compilePreload } from './preload-library.ts';

const FILLER = Buffer.alloc(64 * 1024, 1);

export interface SmallDisk {
  readonly dir: string;
  /** Writes a file beside the store until there is not one byte left. */
  fillFromOutside(): void;
  unmount(): void;
}

/** Undefined where this user may not mount. */
export function mountSmallDisk(mebibytes: number): SmallDisk | undefined {
  const dir = mkdtempSync(path.join(tmpdir(), 'tailrace-disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', dir]);
  if (mounted.status !== 0) {
    rmSync(dir, { recursive: true });
    return undefined;
  }
  return {
    dir,
    fillFromOutside: () => {
      const fd = openSync(path.join(dir, 'outside'), 'a');
      for (let bytes = FILLER.length; bytes >= 1; bytes = Math.floor(bytes / 2)) while (fits(fd, bytes));
      closeSync(fd);
    },
    unmount: () => {
      spawnSync('umount', ['-l', dir]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function fits(fd: number, bytes: number): boolean {
  try {
    return writeSync(fd, FILLER, 0, bytes) > 0;
  } catch {
    return false;
  }
}

/** Counts the bytes of the store's files; a write that would make them longer than allowed is cut, or refused. */
const QUOTA = String.raw`
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static off_t size_of(const char *path) {
  struct stat found;
  return stat(path, &found) == 0 ? found.st_size : 0;
}

/* How many of n bytes may be written at an offset; -1 when none. */
static ssize_t allowed(int fd, size_t n, off_t at) {
  char link[64], path[PATH_MAX], other[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return n;
  path[length] = 0;
  char *name = strstr(path, "tailrace.mdb");
  if (name == NULL || strstr(name, "-lock") != NULL) return n;
  FILE *said = fopen(getenv("QUOTA_FILE"), "r");
  long long most = LLONG_MAX;
  if (said == NULL) return n;
  if (fscanf(said, "%lld", &most) != 1) most = LLONG_MAX;
  fclose(said);
  name[strlen("tailrace.mdb")] = 0;
  snprintf(other, sizeof other, "%s.reserve", path);
  struct stat own;
  fstat(fd, &own);
  if (at < 0) at = own.st_size;
  long long left = most - size_of(path) - size_of(other);
  long long grows = (long long)at + (long long)n - (own.st_size > at ? own.st_size : at);
  if (grows <= left || grows <= 0) return n;
  if ((long long)n - (grows - left) > 0) return n - (grows - left);
  errno = ENOSPC;
  return -1;
}

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))
#define PLAIN(name)                                                    \
  ssize_t name(int fd, const void *data, size_t n, off_t at) {         \
    ssize_t most = allowed(fd, n, at);                                 \
    return most < 0 ? -1 : REAL(name)(fd, data, most, at);             \
  }
#define VECTOR(name)                                                   \
  ssize_t name(int fd, const struct iovec *parts, int count, off_t at) { \
    size_t n = 0;                                                      \
    for (int i = 0; i < count; i++) n += parts[i].iov_len;             \
    ssize_t most = allowed(fd, n, at);                                 \
    if (most < 0) return -1;                                           \
    if ((size_t)most == n) return REAL(name)(fd, parts, count, at);    \
    if (most > (ssize_t)parts[0].iov_len) most = parts[0].iov_len;     \
    return REAL(pwrite)(fd, parts[0].iov_base, most, at);              \
  }
PLAIN(pwrite)
PLAIN(pwrite64)
VECTOR(pwritev)
VECTOR(pwritev64)
ssize_t write(int fd, const void *data, size_t n) {
  ssize_t most = allowed(fd, n, -1);
  return most < 0 ? -1 : REAL(write)(fd, data, most);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  size_t n = 0;
  for (int i = 0; i < count; i++) n += parts[i].iov_len;
  ssize_t most = allowed(fd, n, lseek(fd, 0, SEEK_CUR));
  if (most < 0) return -1;
  if ((size_t)most == n) return REAL(writev)(fd, parts, count);
  return REAL(write)(fd, parts[0].iov_base, most < (ssize_t)parts[0].iov_len ? most : (ssize_t)parts[0].iov_len);
}
`;

export interface Quota {
  /** What a process needs in its environment to meet it. */
  readonly env: Readonly<Record<string, string>>;
  allow(bytes: number): void;
  dispose(): void;
}

/** Undefined where there is no C compiler. */
export function makeQuota(): Quota | undefined {
  const library = compilePreload(QUOTA);
  if (library === undefined) return undefined;
  const file = path.join(library.dir, 'bytes');
  return {
    env: { ...library.env, QUOTA_FILE: file },
    allow: (bytes) => writeFileSync(file, String(bytes)),
    dispose: library.dispose,
  };
}
