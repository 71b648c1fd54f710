/** What a transaction of the log of a cluster does to streams and basins, read from its rows. */

import type { Entry, Write } from '../../storage/engine.ts';
import { FAMILY, readBasinKey, readBlockKey, readStateKey, readStreamKey } from '../../storage/keys.ts';
import {
  decodeBasin,
  decodeStream,
  decodeStreamState,
  type StreamRow,
  type StreamStateRow,
} from '../../storage/values.ts';
import type { KnownBasin } from '../basins.ts';

/** A row of a stream; undefined where it is deleted. */
export interface StreamRowChange {
  /** The number of its basin. */
  readonly basin: number;
  readonly name: string;
  readonly row: StreamRow | undefined;
}

export interface LogChanges {
  /** By name, in the order of the log; undefined for one that is gone. */
  readonly basins: readonly (readonly [name: string, basin: KnownBasin | undefined])[];
  /** In the order of the log. */
  readonly rows: readonly StreamRowChange[];
  /** The last one of each stream, by number; undefined for one that is gone. */
  readonly states: ReadonlyMap<number, StreamStateRow | undefined>;
  /** What was appended to each stream, by number, in the order of the log. */
  readonly blocks: ReadonlyMap<number, readonly Entry[]>;
  /** The stream of each of all these blocks, in the order of the log. */
  readonly order: readonly number[];
}

/** @throws TailraceError `corrupt` */
export function changesIn(writes: readonly Write[]): LogChanges {
  const basins: (readonly [string, KnownBasin | undefined])[] = [];
  const rows: StreamRowChange[] = [];
  const states = new Map<number, StreamStateRow | undefined>();
  const blocks = new Map<number, Entry[]>();
  const order: number[] = [];
  for (const write of writes) {
    const { key } = write;
    const value = write.type === 'put' ? write.value : undefined;
    if (key[0] === FAMILY.blocks && value !== undefined) {
      const { stream } = readBlockKey(key);
      const entries = blocks.get(stream) ?? [];
      entries.push({ key, value });
      blocks.set(stream, entries);
      order.push(stream);
    } else if (key[0] === FAMILY.streamStates) {
      states.set(readStateKey(key), value === undefined ? undefined : decodeStreamState(value));
    } else if (key[0] === FAMILY.streams) {
      rows.push({ ...readStreamKey(key), row: value === undefined ? undefined : decodeStream(value) });
    } else if (key[0] === FAMILY.basins) {
      const name = readBasinKey(key);
      basins.push([name, value === undefined ? undefined : { name, ...decodeBasin(value) }]);
    }
  }
  return { basins, rows, states, blocks, order };
}
