/**
 * What a file declares and what a server has, seen alike: names in one order, and settings as the API shows them, so that
 * two of them can be compared without holding either as a whole.
 */

import {
  basinChange,
  type ShownJson,
  shownBasin,
  shownStream,
  shownToken,
  streamChange,
  tokenChange,
} from '../../src/init/declared-change.ts';
import type { Declared } from '../../src/init/parse-init.ts';
import { explain, type ServerConnection } from '../flags/connection.ts';
import { isMissing, unlessMissing } from './plan.ts';

/** Names come in the order of their bytes. */
export interface Side {
  basins(): AsyncIterable<SideBasin>;
  tokens(): AsyncIterable<SideItem>;
}

/** Something with a name. */
export interface SideItem {
  readonly name: string;
  /** All of its settings, with those that are not set; undefined when it went since it was listed. */
  shown(): Promise<ShownJson | undefined>;
  /** The same of one that is made there without settings. */
  plain(): Promise<ShownJson>;
}

export interface SideBasin extends SideItem {
  /** With their settings inside the basin. */
  streams(): AsyncIterable<SideItem>;
}

/** What the file makes on an empty server. */
export function declaredSide({ basins, tokens }: Declared): Side {
  return {
    async *basins() {
      for (const basin of inOrder(basins, ({ name }) => name)) {
        const around = basinChange(basin, undefined).after;
        yield {
          name: basin.name,
          shown: async () => around,
          plain: async () => shownBasin({}),
          async *streams() {
            for (const stream of inOrder(basin.streams, ({ name }) => name)) {
              const { before, after } = streamChange(stream, around, undefined);
              yield { name: stream.name, shown: async () => after, plain: async () => before };
            }
          },
        };
      }
    },
    async *tokens() {
      for (const token of inOrder(tokens, ({ json }) => json.id)) {
        const { before, after } = tokenChange(token, undefined, true);
        yield { name: token.json.id, shown: async () => after, plain: async () => before };
      }
    },
  };
}

/** What a server has; what is being deleted is gone. Its refusals say which of two servers refuses. */
export function serverSide(connection: ServerConnection): Side {
  const { client } = connection;
  return {
    async *basins() {
      for await (const { name, deletedAt } of explained(connection, client.listBasins())) {
        if (deletedAt === undefined) yield serverBasin(connection, name);
      }
    },
    async *tokens() {
      for await (const token of explained(connection, client.listTokens())) {
        yield { name: token.id, shown: async () => shownToken(token), plain: async () => ({}) };
      }
    },
  };
}

function serverBasin(connection: ServerConnection, basin: string): SideBasin {
  const { client } = connection;
  const refused = (error: unknown): never => {
    throw explain(error, connection);
  };
  let around: Promise<ShownJson | undefined> | undefined;
  const shown = (): Promise<ShownJson | undefined> => {
    around ??= unlessMissing(async () => shownBasin(await client.getBasin(basin))).catch(refused);
    return around;
  };
  const streamOf = async (name: string): Promise<ShownJson | undefined> => {
    const config = await unlessMissing(() => client.getStream(name, { basin })).catch(refused);
    return config === undefined ? undefined : shownStream((await shown()) ?? {}, config);
  };
  return {
    name: basin,
    shown,
    plain: async () => shownBasin({}),
    async *streams() {
      for await (const { name, deletedAt } of explained(connection, client.listStreams({ basin }))) {
        if (deletedAt !== undefined) continue;
        yield { name, shown: () => streamOf(name), plain: async () => shownStream((await shown()) ?? {}, {}) };
      }
    },
  };
}

async function* explained<T>(connection: ServerConnection, list: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* list;
  } catch (error) {
    // A basin that went since it was listed has no streams.
    if (!isMissing(error)) throw explain(error, connection);
  }
}

/** The order in which servers list names. */
export function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function inOrder<T>(list: readonly T[], nameOf: (one: T) => string): readonly T[] {
  return [...list].sort((a, b) => byBytes(nameOf(a), nameOf(b)));
}
