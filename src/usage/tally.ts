/** Counters of the current minute, for one basin or the account: numbers that hot paths add to. */

import { STORAGE_CLASSES, type StorageClass } from '../model/stream-config.ts';

/** The counters of a basin, by their names on disk. */
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

/** Prefix of the name of an operation. */
const OPERATION = 'op/';

/** S2's operations on the account: each call is one. Metrics calls count here, whatever they are about. */
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

/** S2's operations on a basin and its streams. Appends and reads have their own counters. */
const BASIN_OPERATIONS: ReadonlySet<string> = new Set([
  'get-basin-config',
  'list-streams',
  'create-stream',
  'delete-stream',
  'reconfigure-stream',
  'get-stream-config',
  'check-tail',
]);

/** Whether an operation is on the account or on a basin; undefined when it is not counted as an operation. */
export function levelOf(operation: string): 'account' | 'basin' | undefined {
  if (ACCOUNT_OPERATIONS.has(operation)) return 'account';
  return BASIN_OPERATIONS.has(operation) ? 'basin' : undefined;
}

/** The operation in the name of a counter; undefined when the counter is of another kind. */
export function operationIn(counter: string): string | undefined {
  return counter.startsWith(OPERATION) ? counter.slice(OPERATION.length) : undefined;
}

/** Only grows. Each minute gets a new one. */
export class UsageTally {
  /** Name of the basin; empty for the account. */
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

  /** Counters that are not zero, by their names on disk. */
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
