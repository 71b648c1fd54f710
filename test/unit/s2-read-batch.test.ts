/** ReadBatch in JSON and protobuf, and how blocks are cut into batches. */

import { describe, expect, test } from '@jest/globals';
import protobuf from 'protobufjs/light.js';
import { batchEnd } from '../../src/s2/batch/batch-end.ts';
import { readBatchJson } from '../../src/s2/batch/json.ts';
import { heartbeatProto, readBatchProto } from '../../src/s2/batch/proto.ts';
import { SCHEMA } from '../../src/s2/schema.gen.ts';
import { header, otlpBlock, otlpBytes, s2Block, T0 } from '../support/socket-blocks.ts';
import { LOGS } from '../support/socket-requests.ts';

const ReadBatch = protobuf.Root.fromJSON(SCHEMA).lookupType('s2.v1.ReadBatch');
const TAIL = { seqNum: 9, timestamp: T0 };

function decode(bytes: Uint8Array): unknown {
  return ReadBatch.toObject(ReadBatch.decode(bytes), { longs: Number, bytes: String, defaults: false });
}

describe('a ReadBatch in JSON', () => {
  test('holds lossy UTF-8 in raw format, and leaves out empty fields', async () => {
    const block = await s2Block(
      [
        { body: 'a "b"\n\u0000ü', headers: [header('k', 'v'), header('', 'trim'), header('k', '')] },
        { body: Buffer.from([0x61, 0xff]), headers: [[Buffer.from([0xfe]), Buffer.from('x')]] },
        {},
      ],
      7,
    );
    expect(JSON.parse(readBatchJson([{ block, from: 0, to: 3 }], 'raw', { seqNum: 10, timestamp: T0 }))).toEqual({
      records: [
        {
          seq_num: 7,
          timestamp: T0,
          headers: [
            ['k', 'v'],
            ['', 'trim'],
            ['k', ''],
          ],
          body: 'a "b"\n\u0000ü',
        },
        { seq_num: 8, timestamp: T0, headers: [['\ufffd', 'x']], body: 'a\ufffd' },
        { seq_num: 9, timestamp: T0 },
      ],
      tail: { seq_num: 10, timestamp: T0 },
    });
  });

  test('keeps every byte in base64, header by header', async () => {
    const body = Buffer.from([0, 255, 254, 10]);
    const block = await s2Block([{ body, headers: [header('name', 'v')] }]);
    expect(readBatchJson([{ block, from: 0, to: 1 }], 'base64', undefined)).toBe(
      `{"records":[{"seq_num":0,"timestamp":${T0},"headers":[["bmFtZQ==","dg=="]],"body":"AP/+Cg=="}]}`,
    );
  });

  test('holds the headers and the self-contained body of an OTLP record', async () => {
    const block = await otlpBlock('logs', LOGS, 3);
    const { records } = JSON.parse(readBatchJson([{ block, from: 1, to: 3 }], 'base64', undefined)) as {
      records: { seq_num: number; headers: string[][]; body: string }[];
    };
    expect(records.map((record) => record.seq_num)).toEqual([4, 5]);
    expect(records[0]?.headers.map((pair) => pair.map((text) => Buffer.from(text, 'base64').toString()))).toEqual([
      ['otel.signal', 'logs'],
      ['content-type', 'application/x-protobuf'],
    ]);
    expect(records.map((record) => record.body)).toEqual(
      [1, 2].map((i) => Buffer.from(block.record(i).body).toString('base64')),
    );
  });
});

describe('a ReadBatch in protobuf', () => {
  test('is read and written the same by protobufjs', async () => {
    const block = await s2Block(
      [
        { body: 'x'.repeat(300), headers: [header('k', 'v'.repeat(200)), header('', '')] },
        { headers: [header('only', 'header')], timestamp: T0 + 5 },
        { body: Buffer.from([0, 255]), timestamp: T0 + 5 },
      ],
      2 ** 40,
    );
    const bytes = readBatchProto([{ block, from: 0, to: 3 }], { seqNum: 2 ** 40 + 3, timestamp: T0 + 5 });
    const expected = {
      records: [0, 1, 2].map((i) => {
        const { seqNum, timestamp, headers, body } = block.record(i);
        return {
          seqNum,
          timestamp,
          ...(headers.length === 0 ? {} : { headers: headers.map(([name, value]) => ({ name, value })) }),
          ...(body.length === 0 ? {} : { body }),
        };
      }),
      tail: { seqNum: 2 ** 40 + 3, timestamp: T0 + 5 },
    };
    expect(Buffer.from(bytes)).toEqual(Buffer.from(ReadBatch.encode(ReadBatch.fromObject(expected)).finish()));
  });

  test('holds the self-contained bodies of OTLP records', async () => {
    const block = await otlpBlock('logs', LOGS);
    const { records } = decode(readBatchProto([{ block, from: 0, to: 3 }], undefined)) as {
      records: { body: string }[];
    };
    expect(records.map((record) => record.body)).toEqual(
      [0, 1, 2].map((i) => Buffer.from(block.record(i).body).toString('base64')),
    );
    expect(otlpBytes('logs', LOGS).length).toBeGreaterThan(0);
  });

  test('without records is a heartbeat, and an empty message is the tail of an empty stream', () => {
    expect(decode(heartbeatProto(TAIL))).toEqual({ tail: { seqNum: 9, timestamp: T0 } });
    expect(decode(heartbeatProto({ seqNum: 0, timestamp: 0 }))).toEqual({ tail: {} });
  });
});

describe('a batch is cut', () => {
  test('at 1,000 records', async () => {
    const block = await s2Block(Array.from({ length: 2_500 }, () => ({ body: 'x' })));
    expect(batchEnd(block, 0, 2_500)).toBe(1_000);
    expect(batchEnd(block, 1_000, 2_500)).toBe(2_000);
    expect(batchEnd(block, 2_000, 2_500)).toBe(2_500);
    expect(batchEnd(block, 10, 11)).toBe(11);
  });

  test('at exactly 1 MiB metered', async () => {
    const half = { body: Buffer.alloc(512 * 1024 - 8) };
    const exact = await s2Block([half, half, half]);
    expect(batchEnd(exact, 0, 3)).toBe(2);
    expect(batchEnd(exact, 2, 3)).toBe(3);
    const over = await s2Block([half, { body: Buffer.alloc(512 * 1024 - 7) }, half]);
    expect(batchEnd(over, 0, 3)).toBe(1);
    expect(batchEnd(over, 1, 3)).toBe(2);
  });

  test('after a single record that is larger than a batch', async () => {
    const block = await s2Block([{ body: Buffer.alloc(2 * 1024 * 1024) }, { body: 'x' }]);
    expect(batchEnd(block, 0, 2)).toBe(1);
  });
});
