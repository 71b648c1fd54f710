/** Counters of the minute that is running, of one basin or of the account: numbers that hot paths add to. */

import { STORAGE_CLASSES, type StorageClass } from '../model/stream-config.ts';

/** What is counted of a basin, by the name that its rows have on disk. */
export const APPEND_OPS: Readonly<Record<StorageClass, string>> = {
  standard: 'append-ops/standard',
  express: 'append-ops/express',
};
export const APPEND_BYTES: Readonly<Record<StorageClass, string>> = {
  standard: 'append-throughput/standard',
  express: 'append-throughput/express',
};
export const READ_OPS = { unary: 'read-ops/unary', streaming: 'read-ops/streaming' } as const;
export const READ_BYTES = 'read-throughput';

/** In front of the name of an operation. */
const OPERATION = 'op/';

/** S2's operations on the account: each call is one (S2 API §7.2). Calls for metrics count here, whatever they ask about. */
const ACCOUNT_OPERATIONS: ReadonlySet<string> = new Set([
  'list-basins',
  'create-basin',
  'delete-basin',
  'reconfigure-basin',
  'list-access-tokens',
  'issue-access-token',
  'revoke-access-token',
  'list-locations',
  'get-default-location',
  'set-default-location',
  'account-metrics',
  'basin-metrics',
  'stream-metrics',
]);

/** Those on a basin and its streams. Appends and reads are counted by themselves. */
const BASIN_OPERATIONS: ReadonlySet<string> = new Set([
  'get-basin-config',
  'list-streams',
  'create-stream',
  'delete-stream',
  'reconfigure-stream',
  'get-stream-config',
  'check-tail',
]);

/** Whose operation it is; undefined for those that are not counted as such. */
export function levelOf(operation: string): 'account' | 'basin' | undefined {
  if (ACCOUNT_OPERATIONS.has(operation)) return 'account';
  return BASIN_OPERATIONS.has(operation) ? 'basin' : undefined;
}

/** The operation in the name of a counter; undefined when it is of something else. */
export function operationIn(counter: string): string | undefined {
  return counter.startsWith(OPERATION) ? counter.slice(OPERATION.length) : undefined;
}

/** Only grows; a new one is begun for each minute. */
export class UsageTally {
  /** Of the basin; empty for the account. */
  readonly name: string;
  unaryReads = 0;
  streamingReads = 0;
  readBytes = 0;
  readonly #appends: Record<StorageClass, number> = { standard: 0, express: 0 };
  readonly #appendBytes: Record<StorageClass, number> = { standard: 0, express: 0 };
  readonly #operations = new Map<string, number>();

  constructor(name: string) {
    this.name = name;
  }

  appended(storageClass: StorageClass, meteredBytes: number): void {
    this.#appends[storageClass]++;
    this.#appendBytes[storageClass] += meteredBytes;
  }

  operation(name: string): void {
    this.#operations.set(name, (this.#operations.get(name) ?? 0) + 1);
  }

  /** What is not zero, by the names that it has on disk. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    const add = (name: string, count: number): void => {
      if (count > 0) counts.set(name, count);
    };
    for (const storageClass of STORAGE_CLASSES) {
      add(APPEND_OPS[storageClass], this.#appends[storageClass]);
      add(APPEND_BYTES[storageClass], this.#appendBytes[storageClass]);
    }
    add(READ_OPS.unary, this.unaryReads);
    add(READ_OPS.streaming, this.streamingReads);
    add(READ_BYTES, this.readBytes);
    for (const [name, count] of this.#operations) add(OPERATION + name, count);
    return counts;
  }
}

/** Adds counts to others. */
export function addCounts(to: Map<string, number>, more: ReadonlyMap<string, number>): void {
  for (const [name, count] of more) to.set(name, (to.get(name) ?? 0) + count);
}
