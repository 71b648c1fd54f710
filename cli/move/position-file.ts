/** Where a command goes on when it is started again: a small JSON file that is replaced as a whole, or not at all. */

import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';
import { TailraceError } from '../../src/model/error.ts';
import { safeJson } from '../print/format.ts';

export type SavedPosition = Readonly<Record<string, unknown>>;

/**
 * What was written there last; undefined when there is no such file.
 * @throws TailraceError `config` for a file that another program wrote, or that cannot be read
 */
export function readPosition(file: string, command: string): SavedPosition | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new TailraceError('config', `cannot read the position in ${file}: ${(cause as Error).message}`, { cause });
  }
  const json = parsed(text);
  if (json?.command === command) return json;
  throw new TailraceError(
    'config',
    `${file} is not a position that \`tailrace ${command}\` wrote: name another file, or remove it to begin anew`,
  );
}

/** On the disk when it returns. @throws TailraceError `config` when it cannot be written */
export function writePosition(file: string, command: string, position: SavedPosition): void {
  const fresh = `${file}.new`;
  try {
    const handle = openSync(fresh, 'w', 0o600);
    try {
      writeSync(handle, `${safeJson({ command, ...position })}\n`);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(fresh, file);
    syncFolder(path.dirname(file));
  } catch (cause) {
    throw new TailraceError('config', `cannot write the position to ${file}: ${(cause as Error).message}`, { cause });
  }
}

/** @throws TailraceError `config` where the position is of other work than this; the flag says how to begin anew */
export function expectSamePosition(position: SavedPosition, wanted: SavedPosition, file: string): void {
  for (const [key, value] of Object.entries(wanted)) {
    const before = position[key] ?? null;
    if (JSON.stringify(before) === JSON.stringify(value ?? null)) continue;
    throw new TailraceError(
      'config',
      `${file} is of another run: its ${key.replaceAll('_', ' ')} was ${safeJson(before)} and is ${safeJson(value ?? null)} now; give the same flags, or remove that file to begin anew`,
    );
  }
}

/** A whole number of the position, or 0. */
export function numberIn(position: SavedPosition | undefined, key: string): number {
  const value = position?.[key];
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

function parsed(text: string): SavedPosition | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as SavedPosition) : undefined;
  } catch {
    return undefined;
  }
}

/** A rename is on the disk when its folder is; not every system can sync one. */
function syncFolder(folder: string): void {
  try {
    const handle = openSync(folder, 'r');
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch {
    // The old position is then there after a power cut, which only repeats work.
  }
}
