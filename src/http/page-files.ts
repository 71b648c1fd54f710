/**
 * The files of the web page, as `scripts/page.mjs` built them: read once, when the first of them is asked for, and then
 * kept. There are some twenty, and they are small.
 */

import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file with its compressed forms, by the names of their Content-Encoding. */
export interface PageFile {
  readonly contentType: string;
  readonly plain: Uint8Array;
  readonly encoded: ReadonlyMap<string, Uint8Array>;
}

/** Beside dist/src; a server that runs from its sources has no page. */
const FOLDER = fileURLToPath(new URL('../../page/', import.meta.url));

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};

/** The best first. */
const ENCODINGS = [
  { name: 'br', suffix: '.br' },
  { name: 'gzip', suffix: '.gz' },
];

export class PageFiles {
  #files: Promise<ReadonlyMap<string, PageFile>> | undefined;

  /** A file by its path below the folder of the page; undefined for one that does not exist. */
  async find(name: string): Promise<PageFile | undefined> {
    this.#files ??= readAll();
    return (await this.#files).get(name);
  }
}

/** Nothing outside of the folder can be named: a request chooses among what was read. */
async function readAll(): Promise<ReadonlyMap<string, PageFile>> {
  if (!existsSync(FOLDER)) return new Map();
  const names = (await readdir(FOLDER, { recursive: true })).map((name) => name.split(path.sep).join('/'));
  const files = new Map<string, PageFile>();
  for (const name of names) {
    const contentType = CONTENT_TYPES[path.extname(name)];
    if (contentType === undefined) continue;
    const encoded = new Map<string, Uint8Array>();
    for (const { name: encoding, suffix } of ENCODINGS) {
      if (names.includes(`${name}${suffix}`))
        encoded.set(encoding, await readFile(path.join(FOLDER, `${name}${suffix}`)));
    }
    files.set(name, { contentType, plain: await readFile(path.join(FOLDER, name)), encoded });
  }
  return files;
}
