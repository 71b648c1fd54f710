/** Blocks as the log would make them, from OTLP requests as plain objects and from S2 records. */

import protobuf from 'protobufjs/light.js';
import type { Header, Signal } from '../../src/model/record.ts';
import { draftBlocks } from '../../src/otlp/draft-blocks.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { SCHEMA } from '../../src/otlp/schema.gen.ts';
import { Block } from '../../src/storage/block/block.ts';
import { type BlockDraft, draftRecords, sealBlock } from '../../src/storage/block/seal.ts';
import type { Entry } from '../../src/storage/engine.ts';
import { blockKey } from '../../src/storage/keys.ts';

const root = protobuf.Root.fromJSON(SCHEMA);
const NAMES: Readonly<Record<Signal, string>> = {
  logs: 'opentelemetry.proto.logs.v1.LogsData',
  traces: 'opentelemetry.proto.trace.v1.TracesData',
  metrics: 'opentelemetry.proto.metrics.v1.MetricsData',
};

export const T0 = 1_700_000_000_000;

export function otlpType(signal: Signal): protobuf.Type {
  return root.lookupType(NAMES[signal]);
}

/** Protobuf bytes of a request in protobufjs's own object form: bytes are Uint8Array, 64-bit integers strings. */
export function otlpBytes(signal: Signal, request: object): Uint8Array {
  const type = otlpType(signal);
  return type.encode(type.fromObject(request as { [key: string]: unknown })).finish();
}

/** With a summary, however small the block is, unless `summaryBytesMin` says otherwise. */
export function otlpDraft(signal: Signal, body: Uint8Array, summaryBytesMin = 0): BlockDraft {
  const scanned = scanRequest(signal, body, { requestRecordsMax: 1_000_000 });
  const rows = scanned.resourceCount === 0 ? [] : Array.from({ length: scanned.resourceCount }, (_, row) => row);
  const drafts = draftBlocks(scanned, rows, {
    timeRequired: false,
    summaryBytesMin,
    reject: (why) => {
      throw new Error(`an item was rejected: ${why}`);
    },
  });
  const [draft] = drafts;
  if (draft === undefined || drafts.length > 1) throw new Error(`${drafts.length} blocks instead of one`);
  return draft;
}

export function otlpBlock(signal: Signal, request: object, firstSeq = 0): Promise<Block> {
  return sealed(otlpDraft(signal, otlpBytes(signal, request)), firstSeq);
}

export interface PlainRecord {
  readonly timestamp?: number;
  readonly headers?: readonly Header[];
  readonly body?: Uint8Array | string;
}

export function s2Block(records: readonly PlainRecord[], firstSeq = 0): Promise<Block> {
  return sealed(s2Draft(records), firstSeq);
}

export function s2Draft(records: readonly PlainRecord[]): BlockDraft {
  return draftRecords(
    records.map(({ timestamp, headers, body }) => ({
      timestamp: timestamp ?? T0,
      headers: headers ?? [],
      body: typeof body === 'string' ? Buffer.from(body) : (body ?? new Uint8Array()),
    })),
  );
}

export function header(name: string, value: string): Header {
  return [Buffer.from(name), Buffer.from(value)];
}

/** Key and value as they are stored. */
export async function storedBlock(draft: BlockDraft, firstSeq = 0): Promise<Entry> {
  const { timestamps } = draft;
  for (let i = 0; i < timestamps.length; i++) {
    timestamps[i] = Math.max(timestamps[i] || T0, timestamps[i - 1] ?? 0);
  }
  const key = blockKey(1, firstSeq);
  const { value } = await sealBlock(key, firstSeq, draft, T0, false);
  return { key, value };
}

/** Written and read back, so that what readers see went through the stored form. */
export async function sealed(draft: BlockDraft, firstSeq: number): Promise<Block> {
  const { key, value } = await storedBlock(draft, firstSeq);
  return Block.open(key, value);
}
