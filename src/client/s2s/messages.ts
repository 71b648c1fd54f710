/**
 * The messages of s2s sessions (proto/s2/v1/s2.proto) for those who append and read by the million: a frame whose bodies
 * are filled in where they lie, and records that are visited where they lie. No object is made for a record.
 */

import { varintBytes, writeVarint } from '../../encoding/varint.ts';
import { TailraceError } from '../../model/error.ts';
import type { Position } from '../../model/position.ts';
import { FRAME_HEAD_BYTES, sealFrame } from '../../s2/frame.ts';
import { ProtoReader } from '../../s2/proto-reader.ts';

/** `records` of AppendInput. */
const RECORDS = 0x0a;
/** `body` of AppendRecord. */
const BODY = 0x1a;

/** A frame of an append whose bodies are to be filled in. */
export interface AppendFrame {
  readonly frame: Buffer;
  /** Where each body begins. */
  readonly bodies: readonly number[];
}

/** A frame with so many records, whose bodies have so many bytes each. */
export function appendFrame(records: number, bodyBytes: number): AppendFrame {
  const recordBytes = 1 + varintBytes(bodyBytes) + bodyBytes;
  const fieldBytes = 1 + varintBytes(recordBytes) + recordBytes;
  const frame = Buffer.alloc(FRAME_HEAD_BYTES + records * fieldBytes);
  const bodies: number[] = [];
  let at = FRAME_HEAD_BYTES;
  for (let i = 0; i < records; i++) {
    frame[at] = RECORDS;
    at = writeVarint(frame, at + 1, recordBytes);
    frame[at] = BODY;
    at = writeVarint(frame, at + 1, bodyBytes);
    bodies.push(at);
    at += bodyBytes;
  }
  return { frame: sealFrame(frame, false), bodies };
}

/** How many records an AppendAck confirms. @throws TailraceError `internal` when it is none */
export function recordsAcked(message: Buffer): number {
  return decoded('an acknowledgement', () => {
    const reader = new ProtoReader(message);
    let start = 0;
    let end = 0;
    while (!reader.done) {
      const field = reader.tag();
      if (field === 1) start = positionAt(reader).seqNum;
      else if (field === 2) end = positionAt(reader).seqNum;
      else reader.skip();
    }
    return end - start;
  });
}

/** Called with a record: its body lies in the message, from `start` to `end`. */
export type RecordVisit = (seqNum: number, message: Buffer, start: number, end: number) => void;

/** Visits the records of a ReadBatch; returns the tail, if it says it. @throws TailraceError `internal` when it is none */
export function eachRecord(message: Buffer, visit: RecordVisit): Position | undefined {
  return decoded('a batch', () => {
    const reader = new ProtoReader(message);
    let tail: Position | undefined;
    while (!reader.done) {
      const field = reader.tag();
      if (field === 1) visitRecord(reader, message, visit);
      else if (field === 2) tail = positionAt(reader);
      else reader.skip();
    }
    return tail;
  });
}

function visitRecord(reader: ProtoReader, message: Buffer, visit: RecordVisit): void {
  const end = reader.submessage();
  let seqNum = 0;
  let [bodyStart, bodyEnd] = [end, end];
  while (reader.at < end) {
    const field = reader.tag();
    if (field === 1) {
      seqNum = reader.uint64();
    } else if (field === 4) {
      bodyEnd = reader.submessage();
      bodyStart = reader.at;
      reader.at = bodyEnd;
    } else {
      reader.skip();
    }
  }
  visit(seqNum, message, bodyStart, bodyEnd);
}

function positionAt(reader: ProtoReader): Position {
  const end = reader.submessage();
  let [seqNum, timestamp] = [0, 0];
  while (reader.at < end) {
    const field = reader.tag();
    if (field === 1) seqNum = reader.uint64();
    else if (field === 2) timestamp = reader.uint64();
    else reader.skip();
  }
  return { seqNum, timestamp };
}

function decoded<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    if (!(cause instanceof TailraceError) || cause.code !== 'bad_proto') throw cause;
    throw new TailraceError('internal', `${what} of the server cannot be decoded: ${cause.message}`, { cause });
  }
}
