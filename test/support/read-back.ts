/** Reads a whole stream as any client would: over a WebSocket, as `s2.proto` frames, until the tail. */

import protobuf from 'protobufjs/light.js';
import WebSocket from 'ws';
import { SCHEMA as OTLP } from '../../src/otlp/schema.gen.ts';
import { SCHEMA as S2 } from '../../src/s2/schema.gen.ts';
import type { ReadBack, Target } from './writers.ts';

/** A record in its wire form. */
export interface ReadRecord {
  readonly seqNum: number;
  readonly timestamp: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
}

const readBatch = protobuf.Root.fromJSON(S2).lookupType('s2.v1.ReadBatch');
const otlp = protobuf.Root.fromJSON(OTLP);

/** Every record of a stream from seq_num 0 to the tail. A missing stream has no records. */
export function readStream(target: Target, stream: string): Promise<readonly ReadRecord[]> {
  const path = `/v1/streams/${encodeURIComponent(stream)}/records?seq_num=0`;
  const socket = new WebSocket(`ws://127.0.0.1:${target.port}${path}`, 's2.proto', {
    headers: {
      ...(target.token === '' ? {} : { authorization: `Bearer ${target.token}` }),
      ...(target.basin === undefined ? {} : { 's2-basin': target.basin }),
    },
    maxPayload: 0,
  });
  const records: ReadRecord[] = [];
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', (code, reason) => {
      if (code === 4404) resolve(records);
      else reject(new Error(`the socket of ${stream} closed with ${code} ${reason.toString()} before the tail`));
    });
    socket.on('message', (data, binary) => {
      if (binary) records.push(...decodeBatch(data as Buffer));
      else if ((JSON.parse(String(data)) as { type: string }).type === 'caught_up') {
        socket.removeAllListeners('close');
        socket.on('close', () => resolve(records));
        socket.close();
      }
    });
  });
}

/** The first byte of an OTLP body; no text of the tests begins with it. */
const OTLP_TAG = 0x0a;

/** A stream of the crash writers: the text of each log record, or the body itself when it was appended over S2. */
export async function readBack(target: Target, stream: string): Promise<ReadBack> {
  const records = await readStream(target, stream);
  const logs = otlp.lookupType('opentelemetry.proto.logs.v1.LogsData');
  const names = records.map(({ body }) => {
    if (body[0] !== OTLP_TAG) return Buffer.from(body).toString();
    const decoded = logs.toObject(logs.decode(body)) as {
      resourceLogs: { scopeLogs: { logRecords: { body: { stringValue: string } }[] }[] }[];
    };
    return decoded.resourceLogs[0]?.scopeLogs[0]?.logRecords[0]?.body.stringValue ?? '';
  });
  return { seqNums: records.map((record) => record.seqNum), names };
}

function decodeBatch(bytes: Buffer): ReadRecord[] {
  const batch = readBatch.toObject(readBatch.decode(bytes), { longs: Number, defaults: true }) as {
    records: {
      seqNum: number;
      timestamp: number;
      headers: { name: Uint8Array; value: Uint8Array }[];
      body: Uint8Array;
    }[];
  };
  return batch.records.map(({ seqNum, timestamp, headers, body }) => ({
    seqNum,
    timestamp,
    headers: headers.map(({ name, value }) => [Buffer.from(name).toString(), Buffer.from(value).toString()] as const),
    body,
  }));
}
