/** What the URL says of the screen Live: streams, filter, where the list is, what is selected, how it looks. */

import { place, type Query } from '../state/place.ts';
import type { StreamSelection } from '../wire/many-socket.ts';
import { parseAddress, type RowAddress } from '../wire/rows.ts';

export type ListStart =
  | { readonly type: 'tail'; readonly isFollowing: boolean }
  | { readonly type: 'seq-num'; readonly seqNum: number }
  | { readonly type: 'time'; readonly time: number }
  | { readonly type: 'row'; readonly row: RowAddress };

export interface ListPlace {
  readonly select: StreamSelection;
  readonly filter: string;
  readonly start: ListStart;
  readonly until: number | undefined;
}

export function listPlace(query: Query): ListPlace {
  const until = query.until === undefined ? Number.NaN : Date.parse(query.until);
  return {
    select: selectionOf(query.streams),
    filter: query.filter?.trim() ?? '',
    start: startOf(query),
    until: Number.isNaN(until) ? undefined : until,
  };
}

/** `shop,cart` or `shop-*`; nothing is all streams. */
export function selectionOf(streams: string | undefined): StreamSelection {
  if (streams === undefined || streams === '' || streams === '*') return { prefix: '' };
  if (streams.includes('*')) return { glob: streams };
  return { streams: streams.split(',').map(decodeURIComponent) };
}

/** As `streams` of the URL. */
export function selectionText(streams: readonly string[]): string {
  return streams
    .map((name) => name.replace(/[%,*]/g, (sign) => encodeURIComponent(sign).replace('*', '%2A')))
    .join(',');
}

/** The streams that are selected by name. */
export function selectedStreams(): readonly string[] {
  const select = selectionOf(place.value.query.streams);
  return 'streams' in select ? select.streams : [];
}

function startOf({ from, row, follow }: Query): ListStart {
  if (from !== undefined && /^\d{1,15}$/.test(from)) return { type: 'seq-num', seqNum: Number(from) };
  const time = from === undefined ? Number.NaN : Date.parse(from);
  if (!Number.isNaN(time)) return { type: 'time', time };
  const address = parseAddress(row);
  if (address !== undefined) return { type: 'row', row: address };
  return { type: 'tail', isFollowing: follow !== 'no' };
}
