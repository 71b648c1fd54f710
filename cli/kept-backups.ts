/** Generations of backups in one folder: how each is named, and which old ones go when a new one is there. */

import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { TailraceError } from '../src/model/error.ts';

/** Sorted by name they are sorted by time. Nothing else in the folder is touched. */
const NAME = /^tailrace-\d{8}T\d{6}\.\d{3}Z\.backup$/;
const PARTIAL = /^tailrace-\d{8}T\d{6}\.\d{3}Z\.backup\.partial$/;
/** A file that nothing was written to for so long is what a killed run left. */
const ABANDONED_MS = 3_600_000;

/**
 * The name of a new backup in the folder.
 * @throws TailraceError `config` when there is no such folder: one that is made here may be below a disk that is not mounted
 */
export async function newBackup(folder: string, now: number): Promise<string> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory() !== true) {
    const what = found === undefined ? 'there is no folder' : 'no folder, but a file:';
    throw new TailraceError('config', `${what} ${folder}: make it, or mount the disk that has it (mkdir -p makes it)`);
  }
  const time = new Date(now).toISOString().replace(/[-:]/g, '');
  return path.join(folder, `tailrace-${time}.backup`);
}

/** What is left of the backups in a folder. */
export interface KeptBackups {
  readonly kept: number;
  /** Names of files. */
  readonly deleted: readonly string[];
}

/**
 * Deletes all but the newest backups in a folder, and what killed runs left. Call it when a new one is there and sound.
 * @throws TailraceError `config` when one cannot be deleted
 */
export async function deleteOldBackups(folder: string, keep: number, now: number): Promise<KeptBackups> {
  try {
    const names = (await readdir(folder)).toSorted();
    for (const name of names.filter((each) => PARTIAL.test(each))) {
      const file = path.join(folder, name);
      if (now - (await stat(file)).mtimeMs > ABANDONED_MS) await rm(file);
    }
    const backups = names.filter((name) => NAME.test(name));
    const deleted = backups.slice(0, -keep);
    for (const name of deleted) await rm(path.join(folder, name));
    return { kept: backups.length - deleted.length, deleted };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new TailraceError('config', `old backups in ${folder} cannot be deleted: ${error.message}`, { cause: error });
  }
}
