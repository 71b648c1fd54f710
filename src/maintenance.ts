/**
 * What is done to a data directory, or to the file of a backup, while no server runs on it: for the command line and
 * for those who embed Tailrace.
 *
 * Every function that opens a data directory owns it meanwhile: with a server on it, it is refused (`data_dir_in_use`).
 */

import { TailraceError } from './model/error.ts';

/** A fault that was found. `where` names a row in words. */
export interface Fault {
  readonly where: string;
  readonly what: string;
}

/** What is in a store or backup. */
export interface StoreReport {
  /** Version of the store's format. */
  readonly format: number;
  readonly basins: number;
  readonly streams: number;
  readonly blocks: number;
  /** Records that are stored, trimmed ones left out. */
  readonly records: number;
  /** Their metered bytes (S2). */
  readonly meteredBytes: number;
  readonly faultCount: number;
  /** The first hundred of them. */
  readonly faults: readonly Fault[];
}

/** What `compact` did. Bytes are sizes of the file. */
export interface CompactReport {
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Absolute: the store that was written. */
  readonly file: string;
}

/** Called now and then with the bytes that were gone through, and how many there are in all when that is known. */
export type OnProgress = (doneBytes: number, totalBytes: number | undefined) => void;

/**
 * Reads a data directory, or a file that `backup` wrote, from end to end: all checksums, whether blocks follow each
 * other up to the tail, whether rows agree. Changes nothing. Damage is in the report; sound means `faultCount` 0.
 * @throws TailraceError `data_dir_in_use`, `config` when there is nothing to verify, `format_too_new`, `corrupt` for what
 * cannot be read at all
 */
export async function verify(
  _target: { readonly dataDir: string } | { readonly file: string },
  _onProgress?: OnProgress,
): Promise<StoreReport> {
  throw new TailraceError('internal', 'not written yet');
}

/**
 * Makes a data directory of a backup, whole or not at all: the file is verified first. The directory must be empty or
 * missing. A backup holds no root token: the secret of before works on, its file is not there.
 * @throws TailraceError `config` when the directory is not empty, `data_dir_in_use`, `corrupt`, `format_too_new`,
 * `storage_full`
 */
export async function restore(_file: string, _dataDir: string, _onProgress?: OnProgress): Promise<StoreReport> {
  throw new TailraceError('internal', 'not written yet');
}

/**
 * Gives room that was freed back to the disk: writes the store anew beside the old one and takes its place in one step,
 * or, with `to`, as a new data directory there (empty or missing) and leaves the old one as it is. `root-token` is not
 * copied to `to`.
 * @throws TailraceError `data_dir_in_use`, `config`, `storage_full` when there is no room for a copy, `corrupt`
 */
export async function compact(_dataDir: string, _options: { readonly to?: string } = {}): Promise<CompactReport> {
  throw new TailraceError('internal', 'not written yet');
}

/**
 * Writes what `GET /v1/backup` answers to a file, verifying its checksums as it comes: complete and on disk when it
 * resolves, otherwise not there. An existing file is replaced only then.
 * @throws TailraceError `corrupt` when it is cut short or damaged, `config` when the file cannot be written
 */
export async function saveBackup(
  _parts: AsyncIterable<Uint8Array>,
  _file: string,
  _onProgress?: OnProgress,
): Promise<{ readonly bytes: number; readonly rows: number }> {
  throw new TailraceError('internal', 'not written yet');
}
