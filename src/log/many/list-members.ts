/** Finds the streams of a basin that a read of many begins with, a page at a time, each with its durable tail. */

import { LIST_MEMBERS_PAGE } from '../../model/limits.ts';
import type { Engine } from '../../storage/engine.ts';
import { readStreamKey, streamKey, streamRange, streamStateKey } from '../../storage/keys.ts';
import { decodeStream, decodeStreamState } from '../../storage/values.ts';
import type { Basin } from '../basins.ts';
import type { StreamTable } from '../streams.ts';

/** Which streams are read together. Names are full ones. */
export interface ManySelection {
  /** Those names alone; undefined for all with the prefix. */
  readonly names: readonly string[] | undefined;
  readonly prefix: string;
  /** What the reader calls a stream; undefined for one that is not wanted, or that the reader may not read. */
  shownAs(name: string): string | undefined;
}

/** A stream with records, as it is durable at that very moment. */
export interface FoundMember {
  readonly name: string;
  readonly number: number;
  readonly nextSeq: number;
}

export interface MemberPage {
  readonly streams: readonly FoundMember[];
  /** Where the next page begins; undefined after the last one. */
  readonly after: string | undefined;
}

export interface MemberListDeps {
  readonly engine: Engine;
  readonly streams: StreamTable;
  /** Reads several rows while no transaction becomes visible that is not known of yet. */
  undisturbed<T>(read: () => Promise<T>): Promise<T>;
  /** Told of each stream that was found, also of those without records. */
  onListed?: ((basin: Basin, name: string, number: number) => void) | undefined;
}

/** The streams after a name, in the order of their names. */
export function listMembers(
  deps: MemberListDeps,
  basin: Basin,
  selection: ManySelection,
  startAfter: string,
): Promise<MemberPage> {
  return deps.undisturbed(() => listed(deps, basin, selection, startAfter));
}

async function listed(
  deps: MemberListDeps,
  basin: Basin,
  selection: ManySelection,
  startAfter: string,
): Promise<MemberPage> {
  const rows = await rowsAfter(deps, basin, selection, startAfter);
  const living = rows.found.flatMap(({ name, value }) => {
    if (selection.shownAs(name) === undefined) return [];
    const { number, deletedAt } = decodeStream(value);
    return deletedAt === undefined ? [{ name, number }] : [];
  });
  const stored = await Promise.all(
    living.map(async ({ name, number }) => {
      if (deps.streams.peek(basin, name)?.number === number) return 0;
      const value = await deps.engine.get(streamStateKey(number));
      return value === undefined ? 0 : decodeStreamState(value).nextSeq;
    }),
  );
  const streams = living.map(({ name, number }, index) => {
    // One that is in memory has appends under way that the store may show already.
    const open = deps.streams.peek(basin, name);
    const nextSeq = open?.number === number ? open.durable.nextSeq : (stored[index] ?? 0);
    deps.onListed?.(basin, name, number);
    return { name, number, nextSeq };
  });
  return { streams: streams.filter(({ nextSeq }) => nextSeq > 0), after: rows.after };
}

interface StoredRow {
  readonly name: string;
  readonly value: Uint8Array;
}

async function rowsAfter(
  { engine }: MemberListDeps,
  basin: Basin,
  { names, prefix }: ManySelection,
  startAfter: string,
): Promise<{ readonly found: readonly StoredRow[]; readonly after: string | undefined }> {
  if (names === undefined) {
    const page = await engine.scan({ ...streamRange(basin.number, prefix, startAfter), limit: LIST_MEMBERS_PAGE });
    const found = page.map(({ key, value }) => ({ name: readStreamKey(key).name, value }));
    return { found, after: page.length < LIST_MEMBERS_PAGE ? undefined : found.at(-1)?.name };
  }
  const from = names.indexOf(startAfter) + 1;
  const wanted = names.slice(from, from + LIST_MEMBERS_PAGE);
  const values = await Promise.all(wanted.map((name) => engine.get(streamKey(basin.number, name))));
  const found = wanted.flatMap((name, index) => {
    const value = values[index];
    return value === undefined ? [] : [{ name, value }];
  });
  return { found, after: from + wanted.length < names.length ? wanted.at(-1) : undefined };
}
