/** What the URL says of the screen Live: streams, filter, where the list is, what is selected, how it looks. */

import { place, type Query } from '../state/place.ts';
import type { StreamSelection } from '../wire/many-socket.ts';
import { parseAddress, type RowAddress } from '../wire/rows.ts';
import type { ReplaySpeed } from './replay.ts';

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
  /** What is shown from the begin on is shown at the speed of its times, or ten times as fast. */
  readonly replay: ReplaySpeed | undefined;
}

/** The parts of the URL that say where one is, and not what one sees. */
export const PLACE_PARTS: readonly string[] = ['row', 'show', 'from', 'until', 'replay', 'follow'];

export function listPlace(query: Query): ListPlace {
  const until = query.until === undefined ? Number.NaN : Date.parse(query.until);
  const start = startOf(query);
  return {
    select: selectionOf(query.streams),
    filter: query.filter?.trim() ?? '',
    start,
    until: Number.isNaN(until) ? undefined : until,
    replay: start.type === 'tail' ? undefined : replaySpeedOf(query),
  };
}

export function replaySpeedOf({ replay }: Query): ReplaySpeed | undefined {
  return replay === '1' ? 1 : replay === '10' ? 10 : undefined;
}

/** The stream, if it is one, all of whose records are the list: its ids are sequence numbers. */
export function wholeStream({ select, filter, until, replay }: Omit<ListPlace, 'start'>): string | undefined {
  if (filter !== '' || until !== undefined || replay !== undefined) return undefined;
  return onlyStream(select);
}

export function onlyStream(select: StreamSelection): string | undefined {
  return 'streams' in select && select.streams.length === 1 ? select.streams[0] : undefined;
}

/** What one types to go somewhere: `#4211`, `shop #4211`, `14:03`, a date with a time. Undefined for what is neither. */
export function parsePosition(
  text: string,
): { readonly stream?: string; readonly seqNum: number } | number | undefined {
  const [, stream = '', digits] = /^(.*?)\s*[#:]?\s*(\d[\d,]*)$/.exec(text.trim()) ?? [];
  const isTime = /\d[:T-]\d/.test(text);
  if (digits === undefined || isTime) return timeFrom(text.trim());
  const seqNum = Number(digits.replaceAll(',', ''));
  return stream === '' ? { seqNum } : { stream, seqNum };
}

/** A time of today, or a date with a time. */
function timeFrom(text: string): number | undefined {
  const clock = /^(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?$/.exec(text);
  if (clock !== null) {
    const date = new Date();
    date.setHours(Number(clock[1]), Number(clock[2]), 0, 0);
    return date.getTime() + Number(clock[3] ?? 0) * 1_000;
  }
  const time = Date.parse(text.replace(/^(\d{4}-\d{2}-\d{2}) (\d)/, '$1T$2'));
  return Number.isNaN(time) ? undefined : time;
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
