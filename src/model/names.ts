/** The rules for names of basins, streams and access tokens (S2), and why a name breaks them. */

import { BASIN_NAME_BYTES_MAX, BASIN_NAME_BYTES_MIN, STREAM_NAME_BYTES_MAX, TOKEN_ID_BYTES_MAX } from './limits.ts';

const BASIN = /^[a-z0-9][a-z0-9-]*[a-z0-9]$/;

/** Returns what is wrong with a basin name, or undefined when it is valid. */
export function basinNameFault(name: string): string | undefined {
  const bytes = Buffer.byteLength(name);
  if (bytes < BASIN_NAME_BYTES_MIN || bytes > BASIN_NAME_BYTES_MAX) {
    return `basin name must be ${BASIN_NAME_BYTES_MIN} to ${BASIN_NAME_BYTES_MAX} bytes long, it has ${bytes}`;
  }
  if (!BASIN.test(name)) {
    return 'basin name must consist of lower-case letters, digits and hyphens, and start and end with a letter or digit';
  }
  return undefined;
}

/** Returns what is wrong with a stream name, or undefined when it is valid. */
export function streamNameFault(name: string): string | undefined {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0) return 'stream name must not be empty';
  if (bytes > STREAM_NAME_BYTES_MAX) {
    return `stream name must be at most ${STREAM_NAME_BYTES_MAX} bytes long, it has ${bytes}`;
  }
  if (name === '.' || name === '..') return 'stream name must not be "." or ".."';
  if (name.includes('\0')) return 'stream name must not contain NUL bytes';
  return undefined;
}

/** Returns what is wrong with the id of an access token, or undefined when it is valid. */
export function tokenIdFault(id: string): string | undefined {
  const bytes = Buffer.byteLength(id);
  if (bytes === 0) return 'access token id must not be empty';
  if (bytes > TOKEN_ID_BYTES_MAX)
    return `access token id must be at most ${TOKEN_ID_BYTES_MAX} bytes long, it has ${bytes}`;
  if (id === '.' || id === '..') return 'access token id must not be "." or ".."';
  if (id.includes('\0')) return 'access token id must not contain NUL bytes';
  return undefined;
}
