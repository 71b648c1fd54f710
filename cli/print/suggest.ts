/** What somebody may have meant who named a basin or stream that is not there. */

import type { Client } from '../../src/client/client.ts';
import { TailraceError } from '../../src/model/error.ts';
import { formatStreamUri, nearestNames } from '../flags/names.ts';

/** What a command is about, as far as it says so. */
export interface Subject {
  readonly basin?: string | undefined;
  readonly stream?: string | undefined;
}

/** The same error with similar names, where it says that something is missing. */
export async function withNearest(error: unknown, client: Client, subject: Subject): Promise<unknown> {
  if (!(error instanceof TailraceError)) return error;
  const hint = await nearestHint(error, client, subject);
  if (hint === '') return error;
  return new TailraceError(error.code, error.message + hint, { detail: error.detail, cause: error });
}

/** Similar names, as a help only: whoever may not list gets none. */
export async function nearestHint(error: TailraceError, client: Client, subject: Subject): Promise<string> {
  try {
    const uris = await nearestUris(error, client, subject);
    return uris.length === 0 ? '' : ` (there is ${uris.join(', ')})`;
  } catch {
    return '';
  }
}

async function nearestUris({ code }: TailraceError, client: Client, { basin, stream }: Subject): Promise<string[]> {
  if (basin === undefined || (code !== 'basin_not_found' && code !== 'stream_not_found')) return [];
  if (code === 'stream_not_found' && stream !== undefined) {
    try {
      const names = await nearestNames(stream, client.listStreams({ basin }));
      return names.map((name) => formatStreamUri({ basin, stream: name }));
    } catch (error) {
      // Some calls say so of a stream whose basin is missing.
      if (!(error instanceof TailraceError) || error.code !== 'basin_not_found') throw error;
    }
  }
  const names = await nearestNames(basin, client.listBasins());
  return names.map((name) => (stream === undefined ? `s2://${name}` : formatStreamUri({ basin: name, stream })));
}
