/**
 * The `otlp` view: records as binary LogsData, TracesData or MetricsData messages. An OTLP block is one run; a whole
 * block's payload is returned as it is. A record appended through S2 is OTLP when its header `otel.signal` says so and
 * its body holds one item.
 */

import { atOnce } from '../../encoding/turns.ts';
import { SIGNALS, type Signal } from '../../model/record.ts';
import type { Block } from '../../storage/block/block.ts';
import { leaveOutGroups } from '../leave-out-groups.ts';
import { repairIds } from '../repair-ids.ts';
import { ScannedRequest } from '../scan/columns.ts';
import { scanRequest } from '../scan/scan.ts';

/** Neighbouring records of one signal, or of none: then the message is empty. */
export interface OtlpRun {
  /** Records [from, to) of the block. */
  readonly from: number;
  readonly to: number;
  readonly signal: Signal | undefined;
  /** Holds exactly the records of the run, in order. May be a view of the block. */
  readonly message: Uint8Array;
}

const NOTHING = new Uint8Array(0);
const SIGNAL_HEADER = 'otel.signal';
const ONE_ITEM = { requestRecordsMax: 1 };
const scanned = new ScannedRequest();

/** The records [from, to) of a block as runs, without gaps. Never throws because of what a record holds. */
export function otlpRuns(block: Block, from: number, to: number): readonly OtlpRun[] {
  const { kind } = block.header;
  if (from === to) return [];
  if (kind !== 's2') {
    const message = block.otlpMessage(from, to);
    // To look at each field of each item would cost a third of a replay.
    return [{ from, to, signal: kind, message: block.header.idsChecked ? message : forReceivers(kind, message) }];
  }
  const runs: OtlpRun[] = [];
  for (let first = from; first < to; ) {
    const signal = signalOf(block, first);
    let next = first + 1;
    while (next < to && signalOf(block, next) === signal) next += 1;
    runs.push({
      from: first,
      to: next,
      signal,
      message: signal === undefined ? NOTHING : forReceivers(signal, bodies(block, first, next)),
    });
    first = next;
  }
  return runs;
}

/**
 * What any OTLP receiver takes. Older versions stored ids as they came, S2 clients append what they like, and groups of
 * unknown fields are always stored: receivers refuse ids of a wrong length, and Collectors groups. The bytes themselves
 * where all is good.
 */
function forReceivers(signal: Signal, message: Uint8Array): Uint8Array {
  try {
    return atOnce(repairIds(signal, leaveOutGroups(signal, message)));
  } catch {
    // It was decoded, or scanned, before: what the walk cannot read is shown as it is.
    return message;
  }
}

/**
 * Whether any decoder takes the bytes as one message of the signal with exactly one item. Not protobufjs: it passes over
 * known fields with another wire type.
 */
function isOneItem(signal: Signal, body: Uint8Array): boolean {
  // The scanner repairs strings that are not UTF-8 where they are, and these bytes are the store's.
  const copy = Buffer.from(body);
  try {
    const { itemCount, badItems, badScopes, badResources } = scanRequest(signal, copy, ONE_ITEM, scanned);
    const isBad = badItems.size + badScopes.size + badResources.size > 0;
    return itemCount === 1 && !isBad && copy.equals(body);
  } catch {
    return false;
  } finally {
    scanned.end();
  }
}

/** The signal that the header of a record of an S2 block names, if its body fits. */
export function signalOf(block: Block, i: number): Signal | undefined {
  let named: string | undefined;
  // Without views of the headers: a record may have hundreds of thousands.
  block.eachHeader(i, (payload, nameAt, valueAt, end) => {
    if (named !== undefined || valueAt - nameAt !== SIGNAL_HEADER.length) return;
    if (text(payload.subarray(nameAt, valueAt)) === SIGNAL_HEADER) named = text(payload.subarray(valueAt, end));
  });
  const signal = SIGNALS.find((known) => known === named);
  return signal !== undefined && isOneItem(signal, bodies(block, i, i + 1)) ? signal : undefined;
}

/** The bodies concatenated: protobuf messages of one type, concatenated, are one message of that type. */
function bodies(block: Block, from: number, to: number): Uint8Array {
  let bytes = 0;
  for (let i = from; i < to; i++) bytes += block.bodyBytesOf(i);
  const target = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (let i = from; i < to; i++) at = block.writeBody(i, target, at);
  return target;
}

function text(bytes: Uint8Array): string {
  return bytes.length > 32 ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
