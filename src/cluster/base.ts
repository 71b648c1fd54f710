/**
 * Whether a store belongs to a partition of a cluster. A partition begins empty, or with the store of its first node; that is
 * its base. Every other node begins with a snapshot of it, and a store of another origin never joins.
 */

import { randomBytes } from 'node:crypto';
import { TailraceError } from '../model/error.ts';
import type { Engine } from '../storage/engine.ts';
import { FAMILY } from '../storage/keys.ts';
import { COMMAND_ID_BYTES } from '../storage/replicated/command.ts';
import { readReplicaState } from '../storage/replicated/replica.ts';
import type { KeyBucket } from '../storage/replicated/replicated-log.ts';
import { baseKey, SECRET_KEY } from './node-info.ts';

export type Belonging =
  /** It follows the log from where it is. */
  | { readonly type: 'member'; readonly base: Uint8Array }
  /** It is empty, and the cluster is not. */
  | { readonly type: 'needs-snapshot'; readonly base: Uint8Array };

interface BelongsTo {
  readonly cluster: string;
  readonly partition: number;
}

/**
 * Finds out what the store is to a partition of the cluster; the first node decides how it begins.
 * @throws TailraceError `config` for a store of another origin; `unavailable`
 */
export async function belongingOf(
  local: Engine,
  bucket: KeyBucket,
  { cluster, partition }: BelongsTo,
): Promise<Belonging> {
  const state = await readReplicaState(local);
  const isEmpty = state === undefined && (await local.scan({ from: ROWS_FROM, to: ROWS_TO, limit: 1 })).length === 0;
  const own = state?.base ?? (isEmpty ? emptyBase(partition) : randomBytes(COMMAND_ID_BYTES));
  const base = await agreeOn(bucket, baseKey(partition), own);
  if (Buffer.compare(base, own) === 0) return { type: 'member', base };
  if (isEmpty) return { type: 'needs-snapshot', base };
  throw new TailraceError(
    'config',
    `the data directory holds a store that is not of the cluster ${cluster}: start with an empty one, which gets a copy from the other nodes, or give the cluster another --cluster-name`,
  );
}

/** Another one for each partition: so the store of one is never taken for that of another. */
function emptyBase(partition: number): Uint8Array {
  const base = Buffer.alloc(COMMAND_ID_BYTES);
  base.writeUInt8(partition, COMMAND_ID_BYTES - 1);
  return base;
}

/** The secret by which nodes know each other; whoever may read the bucket may read all data. */
export async function secretOf(bucket: KeyBucket): Promise<string> {
  return Buffer.from(await agreeOn(bucket, SECRET_KEY, Buffer.from(randomBytes(32).toString('hex')))).toString();
}

/** The value that the first node wrote. */
async function agreeOn(bucket: KeyBucket, key: string, own: Uint8Array): Promise<Uint8Array> {
  for (;;) {
    const entry = await bucket.get(key);
    if (entry !== undefined) return entry.value;
    if ((await bucket.put(key, own, { revision: 0 })) !== undefined) return own;
  }
}

/** What a store holds besides settings: basins are first. */
const ROWS_FROM = Buffer.of(FAMILY.basins);
const ROWS_TO = Buffer.of(FAMILY.engine);
