/**
 * Where the basins of a cluster of several partitions are: rows of its first partition. Encoded as in `values.ts`. A basin
 * without a row is in the first partition; the row of the empty name says how many partitions there are.
 */

import type { Entry } from './engine.ts';
import { basinPlaceKey, readBasinPlaceKey } from './keys.ts';
import { damaged, encode, FieldReader } from './values.ts';

export interface PlaceMove {
  /** Random, 32 hexadecimal digits. */
  readonly id: string;
  /** The partition that the basin goes to. */
  readonly to: number;
}

export interface PlaceRow {
  readonly partition: number;
  /** While the basin moves. */
  readonly move: PlaceMove | undefined;
  /** The id of the move that brought it here, so that who finished it finds that out also when the answer was lost. */
  readonly lastMove: string | undefined;
}

/** What a row of the family of places says. */
type ReadPlace =
  | { readonly type: 'place'; readonly name: string; readonly place: PlaceRow }
  | { readonly type: 'partitions'; readonly count: number };

const ID = /^[0-9a-f]{32}$/;
const COUNT_KEY = basinPlaceKey('');

export function placeEntry(name: string, { partition, move, lastMove }: PlaceRow): Entry {
  const value = encode([partition, move?.id ?? null, move?.to ?? 0, lastMove ?? null]);
  return { key: basinPlaceKey(name), value };
}

export function partitionsEntry(count: number): Entry {
  return { key: COUNT_KEY, value: encode([count]) };
}

/** @throws TailraceError `corrupt` */
export function readPlace({ key, value }: Entry): ReadPlace {
  const name = readBasinPlaceKey(key);
  const fields = new FieldReader(value, 'place of a basin');
  const partition = fields.count();
  if (name === '') return { type: 'partitions', count: partition };
  const id = idOf(fields.optionalText());
  const to = fields.count();
  const lastMove = idOf(fields.optionalText());
  return { type: 'place', name, place: { partition, move: id === undefined ? undefined : { id, to }, lastMove } };
}

function idOf(text: string | undefined): string | undefined {
  if (text !== undefined && !ID.test(text)) throw damaged('place of a basin');
  return text;
}
