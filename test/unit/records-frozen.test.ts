/** Batches as clients send them, frozen byte by byte: each must always be read the same way. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parseAppendJson } from '../../src/s2/append/json.ts';
import { decodeAppendInput } from '../../src/s2/append/proto.ts';

/** All bytes are hex. */
interface Frozen {
  readonly name: string;
  readonly proto: string;
  /** The body of the request as text, and its S2-Format. */
  readonly json: string;
  readonly format: 'raw' | 'base64';
  readonly records: readonly {
    readonly body: string;
    readonly headers: readonly (readonly [string, string])[];
    readonly timestamp?: number;
  }[];
  readonly matchSeqNum?: number;
  readonly fencingToken?: string;
}

const FILE = new URL('../fixtures/append/batches.json', import.meta.url);
const BATCHES: readonly Frozen[] = JSON.parse(readFileSync(FILE, 'utf8'));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe.each(BATCHES)('the frozen batch "$name"', ({ proto, json, format, records, name: _name, ...conditions }) => {
  test.each([
    ['protobuf', () => decodeAppendInput(Buffer.from(proto, 'hex'))],
    ['JSON', () => parseAppendJson(Buffer.from(json), format)],
  ])('is read the same from %s', (_encoding, decode) => {
    const { records: decoded, ...rest } = decode();
    const rows = decoded.map(({ body, headers, timestamp }) => ({
      body: hex(body),
      headers: headers.map((pair) => pair.map(hex)),
      ...(timestamp === undefined ? {} : { timestamp }),
    }));
    expect(rows).toEqual(records);
    expect(rest).toEqual(conditions);
  });
});
