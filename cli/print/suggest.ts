/** Suggests similar names for a basin, stream or token that does not exist. */

import type { Client } from '../../src/client/client.ts';
import { TailraceError } from '../../src/model/error.ts';
import { formatStreamUri, nearestNames } from '../flags/names.ts';

/** The basin and the stream, or the token, that a command names. */
export interface Subject {
  readonly basin?: string | undefined;
  readonly stream?: string | undefined;
  /** Id of an access token. */
  readonly token?: string | undefined;
}

/** The same error with similar names, when it says that a basin, a stream or a token is missing. */
export async function withNearest(error: unknown, client: Client, subject: Subject): Promise<unknown> {
  if (!(error instanceof TailraceError)) return error;
  const hint = await nearestHint(error, client, subject);
  if (hint === '') return error;
  return new TailraceError(error.code, error.message + hint, { detail: error.detail, cause: error });
}

/** A hint with similar names; empty when there are none, or when the caller may not list. */
export async function nearestHint(error: TailraceError, client: Client, subject: Subject): Promise<string> {
  try {
    const uris = await nearestUris(error, client, subject);
    return uris.length === 0 ? '' : ` (there is ${uris.join(', ')})`;
  } catch {
    return '';
  }
}

async function nearestUris(
  { code }: TailraceError,
  client: Client,
  { basin, stream, token }: Subject,
): Promise<string[]> {
  if (token !== undefined && code === 'access_token_not_found') return nearestTokens(client, token);
  if (basin === undefined || (code !== 'basin_not_found' && code !== 'stream_not_found')) return [];
  if (code === 'stream_not_found' && stream !== undefined) {
    try {
      const names = await nearestNames(stream, client.listStreams({ basin }));
      return names.map((name) => formatStreamUri({ basin, stream: name }));
    } catch (error) {
      // Some calls return this code for a stream whose basin is missing.
      if (!(error instanceof TailraceError) || error.code !== 'basin_not_found') throw error;
    }
  }
  const names = await nearestNames(basin, client.listBasins());
  return names.map((name) => (stream === undefined ? `s2://${name}` : formatStreamUri({ basin: name, stream })));
}

async function nearestTokens(client: Client, wanted: string): Promise<string[]> {
  const ids: { name: string }[] = [];
  for await (const { id } of client.listTokens()) ids.push({ name: id });
  return nearestNames(wanted, ids);
}
