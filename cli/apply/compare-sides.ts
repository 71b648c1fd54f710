/** How two sides differ, each a file or a server: everything that either of them has, in one pass over both. */

import type { BasinConfigJson, StreamConfigJson } from '../../src/client/config-json.ts';
import type { TokenJson } from '../../src/client/tokens.ts';
import type { ShownJson } from '../../src/init/declared-change.ts';
import { basinConfigRows, streamConfigRows } from '../print/config.ts';
import type { LabelledText } from '../print/format.ts';
import { tokenRows } from '../print/token.ts';
import { changesOf, type ShownStep } from './plan.ts';
import { byBytes, type Side, type SideBasin, type SideItem } from './sides.ts';

/** How many pairs are looked at, at the same time. */
const AT_ONCE = 16;

/** What has to be done to get from `base` to `wanted`, also what stays. */
export async function* compareSides(base: Side, wanted: Side): AsyncGenerator<ShownStep> {
  for await (const [before, after] of pairs<SideBasin>(base.basins(), wanted.basins())) {
    const name = before?.name ?? after?.name ?? '';
    yield await stepOf('basin', name, before, after);
    // What a basin has goes with it.
    if (after === undefined) continue;
    const streams = pairs<SideItem>(before?.streams() ?? NONE, after.streams());
    yield* steps('stream', streams, (stream) => `${name}/${stream}`);
  }
  yield* steps('token', pairs(base.tokens(), wanted.tokens()), (id) => id);
}

type SidePair<T> = readonly [before: T | undefined, after: T | undefined];

async function* steps(
  kind: ShownStep['kind'],
  found: AsyncIterable<SidePair<SideItem>>,
  nameOf: (name: string) => string,
): AsyncGenerator<ShownStep> {
  const look = ([before, after]: SidePair<SideItem>): Promise<ShownStep> =>
    stepOf(kind, nameOf(before?.name ?? after?.name ?? ''), before, after);
  let part: SidePair<SideItem>[] = [];
  for await (const pair of found) {
    part.push(pair);
    if (part.length < AT_ONCE) continue;
    yield* await Promise.all(part.map(look));
    part = [];
  }
  yield* await Promise.all(part.map(look));
}

async function stepOf(
  kind: ShownStep['kind'],
  name: string,
  before: SideItem | undefined,
  after: SideItem | undefined,
): Promise<ShownStep> {
  const [old, wanted] = await Promise.all([before?.shown(), after?.shown()]);
  // Of what is gone only the name shows.
  if (after === undefined || wanted === undefined) {
    return { action: old === undefined ? 'keep' : 'delete', kind, name, changes: [] };
  }
  if (JSON.stringify(old) === JSON.stringify(wanted)) return { action: 'keep', kind, name, changes: [] };
  const isNew = old === undefined;
  const changes = changesOf(ROWS[kind](old ?? (await after.plain())), ROWS[kind](wanted), isNew);
  return { action: isNew ? 'create' : 'change', kind, name, changes };
}

const ROWS: Readonly<Record<ShownStep['kind'], (json: ShownJson) => readonly LabelledText[]>> = {
  basin: (json) => basinConfigRows(json as BasinConfigJson),
  stream: (json) => streamConfigRows(json as StreamConfigJson),
  token: (json) => ('scope' in json ? tokenRows(json as unknown as TokenJson) : []),
};

/** Both lists are in order; each name comes once. */
async function* pairs<T extends SideItem>(
  base: AsyncIterable<T>,
  wanted: AsyncIterable<T>,
): AsyncGenerator<SidePair<T>> {
  const [left, right] = [base[Symbol.asyncIterator](), wanted[Symbol.asyncIterator]()];
  const next = async (list: AsyncIterator<T>): Promise<T | undefined> => {
    const { done, value } = await list.next();
    return done === true ? undefined : (value as T);
  };
  let [before, after] = [await next(left), await next(right)];
  while (before !== undefined || after !== undefined) {
    const order = orderOf(before, after);
    yield [order <= 0 ? before : undefined, order >= 0 ? after : undefined];
    if (order <= 0) before = await next(left);
    if (order >= 0) after = await next(right);
  }
}

/** What is missing on one side comes after all that is there. */
function orderOf(before: SideItem | undefined, after: SideItem | undefined): number {
  if (before === undefined) return 1;
  return after === undefined ? -1 : byBytes(before.name, after.name);
}

const NONE: AsyncIterable<never> = {
  async *[Symbol.asyncIterator]() {
    // No names.
  },
};
