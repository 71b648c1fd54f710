/**
 * Descriptions of the interface for programs and language models, as `scripts/describe.mjs` wrote them: each is read and
 * compressed when it is first asked for, and then kept.
 */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

/** Beside dist/src; a server that runs from its sources has none. */
const FOLDER = new URL('../../api/', import.meta.url);

/** The files that there are, with their media types. */
export const DESCRIPTIONS = {
  'openapi.json': 'application/json',
  'asyncapi.json': 'application/json',
  'llms.txt': 'text/plain; charset=utf-8',
  'llms-full.txt': 'text/plain; charset=utf-8',
} as const;

export type DescriptionName = keyof typeof DESCRIPTIONS;

export interface DescriptionFile {
  readonly plain: Uint8Array;
  readonly gzipped: Uint8Array;
  /** With its quotes. */
  readonly etag: string;
}

export class DescriptionFiles {
  readonly #files = new Map<DescriptionName, Promise<DescriptionFile | undefined>>();

  /** Undefined where it was not built. */
  find(name: DescriptionName): Promise<DescriptionFile | undefined> {
    const found = this.#files.get(name) ?? load(name);
    this.#files.set(name, found);
    return found;
  }
}

async function load(name: DescriptionName): Promise<DescriptionFile | undefined> {
  let plain: Buffer;
  try {
    plain = await readFile(fileURLToPath(new URL(name, FOLDER)));
  } catch {
    return undefined;
  }
  const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`;
  return { plain, gzipped: await promisify(gzip)(plain), etag };
}
