/**
 * Where the user is: the fragment of the URL is the whole state, such as
 * `#/live?basin=telemetry&streams=shop-*&filter=level>=warn&row=shop:4211`. A fragment never reaches a server or its logs.
 */

import { signal } from '@preact/signals';

export const SCREENS = [
  'live',
  'record',
  'trace',
  'conversation',
  'senders',
  'streams',
  'metrics',
  'server',
  'connect',
] as const;

export type Screen = (typeof SCREENS)[number];

/** Values by name; those that are absent are undefined. */
export type Query = Readonly<Record<string, string | undefined>>;

export interface Place {
  /** Undefined where the URL names none: the application decides. */
  readonly screen: Screen | undefined;
  readonly query: Query;
}

/** The current place. Change it with {@link go} or {@link change}. */
export const place = signal<Place>(parsePlace(location.hash));

addEventListener('hashchange', () => {
  place.value = parsePlace(location.hash);
});

function parsePlace(hash: string): Place {
  const [path = '', query = ''] = splitOnce(hash.replace(/^#\/?/, ''), '?');
  const screen = SCREENS.find((name) => name === path);
  return { screen, query: Object.fromEntries(new URLSearchParams(query)) };
}

/** The link to a screen. Values that are empty or undefined are left out. */
export function hrefOf(screen: Screen, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') search.set(name, value);
  }
  const text = search.toString();
  return `#/${screen}${text === '' ? '' : `?${text}`}`;
}

/** Goes to a screen. `isSamePage` replaces the entry of the history, for what follows typing. */
export function go(screen: Screen, query: Query = {}, { isSamePage = false } = {}): void {
  const href = hrefOf(screen, query);
  if (isSamePage) history.replaceState(null, '', href);
  else history.pushState(null, '', href);
  place.value = parsePlace(href);
}

/** Changes some values of the current place, and keeps the others. */
export function change(query: Query, options: { readonly isSamePage?: boolean } = {}): void {
  const { screen = 'live', query: now } = place.value;
  go(screen, { ...now, ...query }, options);
}

function splitOnce(text: string, mark: string): readonly string[] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
