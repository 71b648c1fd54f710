/** Data directories as earlier releases left them, and what was in them; see test/fixtures/stores. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

/** Settings in pairs, so that undefined (never expires) can be written: it is null here. */
type Pairs = readonly (readonly [string, unknown])[];

export interface GoldenStream {
  readonly name: string;
  readonly createdAt: number;
  readonly config: Pairs;
  readonly cipher?: string;
  readonly fencingToken?: string;
  readonly tail: { readonly seqNum: number; readonly timestamp: number };
  readonly count: number;
  /** Sequence number of the first record, null for none. */
  readonly first: number | null;
  /** Sequence number, timestamp, metered bytes, start of a hash of headers and body. */
  readonly records?: readonly (readonly [number, number, number, string])[];
  /** SHA-256 of those rows as JSON, for streams of more than ten records. */
  readonly digest?: string;
}

export interface GoldenStore {
  /** The wall clock of the last write, in ms. */
  readonly now: number;
  /** The key of its encrypted streams, in hex. */
  readonly encryptionKey?: string;
  readonly basins: readonly {
    readonly name: string;
    readonly createdAt: number;
    readonly config: {
      readonly createStreamOnAppend: boolean;
      readonly createStreamOnRead: boolean;
      readonly otlpDefaultStream: string;
      readonly streamCipher?: string;
      readonly oidc?: object;
      readonly otlp?: object;
      readonly defaultStream: Pairs;
    };
    readonly streams: readonly GoldenStream[];
  }[];
}

const FOLDER = fileURLToPath(new URL('../fixtures/stores/', import.meta.url));

/** Unpacks the store of this format into a directory, and returns its description. */
export function unpackGoldenStore(format: number, dataDir: string, fixtures: string = FOLDER): GoldenStore {
  mkdirSync(dataDir, { recursive: true });
  const packed = readFileSync(path.join(fixtures, `format-${format}.mdb.gz`));
  writeFileSync(path.join(dataDir, 'tailrace.mdb'), gunzipSync(packed), { mode: 0o600 });
  return JSON.parse(readFileSync(path.join(fixtures, `format-${format}.json`), 'utf8'));
}
