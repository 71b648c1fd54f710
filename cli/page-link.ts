/**
 * The address of the page, as `src/page/` reads it: what it shows and the login stand in the fragment, which browsers send
 * to no server.
 */

export interface PagePlace {
  readonly basin?: string | undefined;
  readonly stream?: string | undefined;
}

/** `base` ends without a slash; `login` signs in, where the server asks for a token. */
export function pageLink(base: string, login: string | undefined, { basin, stream }: PagePlace = {}): string {
  const query = new URLSearchParams();
  if (basin !== undefined) query.set('basin', basin);
  if (stream !== undefined) query.set('streams', stream);
  const place = query.size === 0 ? undefined : `/live?${query}`;
  if (login === undefined) return `${base}/${place === undefined ? '' : `#${place}`}`;
  return `${base}/#login=${login}${place === undefined ? '' : `&to=${encodeURIComponent(place)}`}`;
}
