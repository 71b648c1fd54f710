/** What a user of `top` has chosen, and how keys change it. Pure: what a key asks for beside that is returned. */

import type { TopKey } from './keys.ts';
import {
  sortedSenders,
  sortedStreams,
  type TopSender,
  type TopSnapshot,
  type TopSort,
  type TopStream,
} from './snapshot.ts';

export interface TopState {
  readonly table: 'streams' | 'senders';
  readonly sort: TopSort;
  readonly filter: string;
  /** The filter is being typed. */
  readonly isTyping: boolean;
  /** The key of the chosen row; undefined is the first one, whichever that is. */
  readonly chosen: string | undefined;
  readonly isPaused: boolean;
  readonly showsHelp: boolean;
}

/** What is to be done for a key. */
export type TopAct = 'quit' | 'interrupt' | 'suspend' | 'open';

const FILTER_CHARS_MAX = 64;

export const FIRST_STATE: TopState = {
  table: 'streams',
  sort: 'rate',
  filter: '',
  isTyping: false,
  chosen: undefined,
  isPaused: false,
  showsHelp: false,
};

/** The rows of the table that shows, in order. */
export type TopRow =
  | { readonly key: string; readonly stream: TopStream }
  | { readonly key: string; readonly sender: TopSender };

export function rowsOf({ streams, senders }: TopSnapshot, { table, sort, filter }: TopState): readonly TopRow[] {
  return table === 'streams'
    ? sortedStreams(streams, sort, filter).map((stream) => ({ key: stream.uri, stream }))
    : sortedSenders(senders, sort, filter).map((sender) => ({ key: sender.key, sender }));
}

/** Where the chosen row is; the first one when it is gone. */
export function chosenIndex(rows: readonly TopRow[], { chosen }: TopState): number {
  return Math.max(0, chosen === undefined ? 0 : rows.findIndex(({ key }) => key === chosen));
}

/** The state after a key, and what it asks for. `page` is how many rows show. */
export function pressed(
  state: TopState,
  key: TopKey,
  rows: readonly TopRow[],
  page: number,
): { readonly state: TopState; readonly act?: TopAct } {
  if (key.type === 'interrupt' || key.type === 'suspend') return { state, act: key.type };
  if (state.isTyping) return { state: typed(state, key) };
  if (state.showsHelp) return { state: { ...state, showsHelp: false } };
  switch (key.type) {
    case 'enter':
      return rows.length === 0 ? { state } : { state, act: 'open' };
    case 'escape':
      return { state: { ...state, filter: '' } };
    case 'text':
      return letter(state, key.text, rows);
    case 'backspace':
      return { state };
    default:
      return { state: moved(state, STEPS[key.type](page), rows) };
  }
}

const STEPS = {
  up: () => -1,
  down: () => 1,
  'page-up': (page: number) => -page,
  'page-down': (page: number) => page,
  home: () => Number.NEGATIVE_INFINITY,
  end: () => Number.POSITIVE_INFINITY,
} as const;

const SORT_KEYS: Readonly<Record<string, TopSort>> = { r: 'rate', b: 'bytes', e: 'errors', n: 'name' };

function letter(state: TopState, text: string, rows: readonly TopRow[]): ReturnType<typeof pressed> {
  const sort = SORT_KEYS[text];
  if (sort !== undefined) return { state: { ...state, sort, chosen: undefined } };
  switch (text) {
    case 'q':
      return { state, act: 'quit' };
    case 'k':
      return { state: moved(state, -1, rows) };
    case 'j':
      return { state: moved(state, 1, rows) };
    case 's': {
      const table = state.table === 'streams' ? 'senders' : 'streams';
      return { state: { ...state, table, filter: '', chosen: undefined } };
    }
    case '/':
      return { state: { ...state, isTyping: true } };
    case 'p':
    case ' ':
      return { state: { ...state, isPaused: !state.isPaused } };
    case '?':
    case 'h':
      return { state: { ...state, showsHelp: true } };
    default:
      return { state };
  }
}

function moved(state: TopState, step: number, rows: readonly TopRow[]): TopState {
  const index = Math.min(rows.length - 1, Math.max(0, chosenIndex(rows, state) + step));
  return { ...state, chosen: rows[index]?.key };
}

function typed(state: TopState, key: TopKey): TopState {
  switch (key.type) {
    case 'enter':
      return { ...state, isTyping: false };
    case 'escape':
      return { ...state, isTyping: false, filter: '', chosen: undefined };
    case 'backspace':
      return { ...state, filter: [...state.filter].slice(0, -1).join(''), chosen: undefined };
    case 'text':
      return { ...state, filter: (state.filter + key.text).slice(0, FILTER_CHARS_MAX), chosen: undefined };
    default:
      return state;
  }
}
