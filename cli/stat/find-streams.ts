/** The streams that a command names: one, several, or those of a glob, with what is known of each. */

import type { Client } from '../../src/client/client.ts';
import type { StreamConfigJson } from '../../src/client/config-json.ts';
import type { StreamEntry } from '../../src/client/control.ts';
import { TailraceError } from '../../src/model/error.ts';
import { globMatcher } from '../../src/model/selection.ts';
import { streamContents } from '../contents.ts';
import { formatStreamUri, type StreamUri } from '../flags/names.ts';
import { formatBytes, formatSpan } from '../print/format.ts';
import type { StreamStat } from './stat-line.ts';

const UNKNOWABLE: ReadonlySet<string> = new Set(['permission_denied', 'not_found']);

/** Every stream that a name or a glob stands for. @throws TailraceError `stream_not_found` for a name that is none */
export async function* findStreams(client: Client, name: StreamUri): AsyncGenerator<StreamStat & StreamUri> {
  if (!name.stream.includes('*')) {
    yield await findStream(client, name);
    return;
  }
  const { basin, stream: glob } = name;
  const prefix = glob.replace(/\*.*$/s, '');
  const matches = globMatcher(glob);
  for await (const entry of client.listStreams({ basin, prefix, figures: true })) {
    if (matches(entry.name)) yield statOf({ basin, stream: entry.name }, entry);
  }
}

/** How long its records are kept and who reads it, where the caller may know. */
export async function withDetails<T extends StreamStat & StreamUri>(client: Client, stat: T): Promise<T> {
  const { basin, stream } = stat;
  const [config, readers] = await Promise.all([
    ifAllowed(client.getStream(stream, { basin })),
    ifAllowed(client.readers(stream, { basin })),
  ]);
  return { ...stat, kept: config === undefined ? undefined : keptText(config), readers: readers?.readers };
}

async function findStream(client: Client, { basin, stream }: StreamUri): Promise<StreamStat & StreamUri> {
  try {
    for await (const entry of client.listStreams({ basin, prefix: stream, figures: true })) {
      // The name itself comes before all that begin with it.
      if (entry.name === stream) return statOf({ basin, stream }, entry);
      break;
    }
  } catch (error) {
    if (!(error instanceof TailraceError) || error.code !== 'permission_denied') throw error;
  }
  // One who may not list streams may read this one; for one that is not there this rejects.
  const { first, tail, bytes } = await streamContents(client, { basin, stream });
  const known = first === undefined || tail === undefined || bytes === undefined;
  const figures = known
    ? undefined
    : {
        ...{ first_seq_num: first, next_seq_num: tail, records: tail - first, metered_bytes: bytes },
        ...{ first_timestamp: null, last_timestamp: null, records_per_second: null, metered_bytes_per_second: null },
      };
  return { basin, stream, uri: formatStreamUri({ basin, stream }), figures, isDeleting: false };
}

function statOf(uri: StreamUri, { figures, deletedAt }: StreamEntry): StreamStat & StreamUri {
  return { ...uri, uri: formatStreamUri(uri), figures, isDeleting: deletedAt !== undefined };
}

function keptText({ retention_policy: policy, retention_bytes: bytes }: StreamConfigJson): string {
  const age = policy == null || 'infinite' in policy ? 'for ever' : formatSpan(policy.age);
  return bytes == null ? age : `${age}, at most ${formatBytes(bytes)}`;
}

async function ifAllowed<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof TailraceError && UNKNOWABLE.has(error.code)) return undefined;
    throw error;
  }
}
