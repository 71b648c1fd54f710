/** AppendInput in protobuf: how it is read, what is refused, and the response. */

import { describe, expect, test } from '@jest/globals';
import protobuf from 'protobufjs/light.js';
import { TailraceError } from '../../src/model/error.ts';
import { appendAckJson, encodeAppendAck } from '../../src/s2/append/ack.ts';
import { decodeAppendInput } from '../../src/s2/append/proto.ts';
import { SCHEMA } from '../../src/s2/schema.gen.ts';

const root = protobuf.Root.fromJSON(SCHEMA);
const AppendAck = root.lookupType('s2.v1.AppendAck');

function codeOf(action: () => unknown): string {
  try {
    action();
    return 'no error';
  } catch (error) {
    return error instanceof TailraceError ? error.code : `not a TailraceError: ${error}`;
  }
}

const decode = (hex: string) => decodeAppendInput(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

describe('a protobuf batch is accepted', () => {
  test('without bytes, as a batch without records', () => {
    expect(decode('')).toEqual({ records: [] });
  });

  test('with conditions of 0 and of empty text, which count', () => {
    expect(decode('10 00 1a 00')).toEqual({ records: [], matchSeqNum: 0, fencingToken: '' });
  });

  test('without a copy: bodies and headers are views of the given bytes', () => {
    const bytes = Buffer.from('0a0a1a0361626312030a0178', 'hex');
    const [record] = decodeAppendInput(bytes).records;
    expect(record).toEqual({
      body: Buffer.from('abc'),
      headers: [[Buffer.from('x'), new Uint8Array(0)]],
      timestamp: undefined,
    });
    expect(record?.body.buffer).toBe(bytes.buffer);
    expect(record?.headers[0]?.[0].buffer).toBe(bytes.buffer);
  });

  test.each([
    ['00', 0],
    ['80 00', 0],
    ['ff ff ff ff ff ff ff 0f', Number.MAX_SAFE_INTEGER],
    ['80 80 80 80 80 80 80 10', Number.MAX_SAFE_INTEGER],
    ['81 80 80 80 80 80 80 10', Number.MAX_SAFE_INTEGER],
    ['ff ff ff ff ff ff ff ff ff 01', Number.MAX_SAFE_INTEGER],
    ['80 80 80 80 10', 2 ** 32],
    ['95 9a ef 3a', 123_456_789],
  ])('with match_seq_num %s', (varint, value) => {
    expect(decode(`10 ${varint}`).matchSeqNum).toBe(value);
  });

  test('with unknown fields in every wire type', () => {
    const unknown = '20 96 01 29 0102030405060708 32 02 6162 3d 01020304 43 08 01 4b 4c 44';
    expect(decode(`${unknown} 0a 00 10 05`)).toEqual({
      records: [{ body: new Uint8Array(0), headers: [], timestamp: undefined }],
      matchSeqNum: 5,
    });
    expect(decode(`0a 06 20 01 22 00 1a 00`).records).toHaveLength(1);
    expect(decode(`0a 06 12 04 18 01 22 00`).records[0]?.headers).toHaveLength(1);
  });

  test('with a repeated field, of which the last one counts', () => {
    expect(decode('10 01 10 02 1a 01 61 1a 01 62')).toEqual({ records: [], matchSeqNum: 2, fencingToken: 'b' });
    expect(decode('0a 0a 08 01 08 02 1a 01 61 1a 01 62').records[0]).toEqual({
      body: Buffer.from('b'),
      headers: [],
      timestamp: 2,
    });
  });
});

describe('a protobuf batch is refused', () => {
  test.each([
    ['an unfinished tag', '8a'],
    ['an unfinished number', '10 80'],
    ['no number', '10'],
    ['a number of 11 bytes', '10 80 80 80 80 80 80 80 80 80 80 01'],
    ['a number of 65 bits', '10 ff ff ff ff ff ff ff ff ff 02'],
    ['a length beyond the end', '0a 05 1a'],
    ['a body beyond the end', '0a 02 1a 05'],
    ['a body beyond its record', '0a 02 1a 02 61 62'],
    ['a header beyond its record', '0a 02 12 02 0a 00'],
    ['a name beyond its header', '0a 06 12 02 0a 02 61 62'],
    ['a huge length', '0a ff ff ff ff ff ff ff ff ff 01'],
    ['records as a number', '08 01'],
    ['match_seq_num as bytes', '12 01 01'],
    ['fencing_token as a number', '18 01'],
    ['a body as a number', '0a 02 18 01'],
    ['a timestamp as fixed bytes', '0a 09 09 0000000000000000'],
    ['field 0', '02 00'],
    ['a tag beyond 32 bits', '80 80 80 80 10 00'],
    ['wire type 6', '26'],
    ['wire type 7', '27'],
    ['the end of a group that did not begin', '24'],
    ['a group that does not end', '23 08 01'],
    ['the end of another group', '23 2c'],
    ['groups without end', '23'.repeat(200)],
    ['eight bytes that are not there', '21 00'],
    ['four bytes that are not there', '25 00'],
    ['a token that is no UTF-8', '1a 01 ff'],
    ['text', Buffer.from('{"records":[]}').toString('hex')],
  ])('as bad protobuf: %s', (_what, hex) => {
    expect(codeOf(() => decode(hex))).toBe('bad_proto');
  });
});

test('a timestamp above 2^53 - 1 is invalid, and a batch that cannot be decoded is bad protobuf', () => {
  expect(codeOf(() => decode('0a 09 08 80 80 80 80 80 80 80 10'))).toBe('invalid');
  expect(codeOf(() => decode('0a 0b 08 ff ff ff ff ff ff ff ff ff 01'))).toBe('invalid');
  expect(codeOf(() => decode('0a 0b 08 ff ff ff ff ff ff ff ff ff 01 10'))).toBe('bad_proto');
  expect(decode('0a 09 08 ff ff ff ff ff ff ff 0f').records[0]?.timestamp).toBe(2 ** 53 - 1);
});

test.each([
  { start: { seqNum: 0, timestamp: 0 }, end: { seqNum: 1, timestamp: 0 }, tail: { seqNum: 1, timestamp: 0 } },
  {
    start: { seqNum: 2 ** 40, timestamp: 1_700_000_000_000 },
    end: { seqNum: 2 ** 40 + 1_000, timestamp: 2 ** 53 - 1 },
    tail: { seqNum: 2 ** 53 - 1, timestamp: 2 ** 53 - 1 },
  },
])('an ack has all three positions in both forms: %j', (ack) => {
  const object = AppendAck.toObject(AppendAck.decode(encodeAppendAck(ack)), { longs: String, defaults: true });
  const text = ({ seqNum, timestamp }: { seqNum: number; timestamp: number }) => ({
    seqNum: String(seqNum),
    timestamp: String(timestamp),
  });
  expect(object).toEqual({ start: text(ack.start), end: text(ack.end), tail: text(ack.tail) });
  const json = ({ seqNum, timestamp }: { seqNum: number; timestamp: number }) => ({ seq_num: seqNum, timestamp });
  expect(JSON.parse(appendAckJson(ack))).toEqual({
    start: json(ack.start),
    end: json(ack.end),
    tail: json(ack.tail),
  });
});
