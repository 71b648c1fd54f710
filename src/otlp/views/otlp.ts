/**
 * The `otlp` view: records as binary LogsData, TracesData or MetricsData messages. An OTLP block is one run, and as a
 * whole its payload is handed out as it is. Records appended through S2 count when they say so and hold one item.
 */

import { SIGNALS, type Signal } from '../../model/record.ts';
import type { Block } from '../../storage/block/block.ts';
import { countItems, decodeGroups } from './decode.ts';

/** Neighbouring records of one signal, or of none: then there is no message. */
export interface OtlpRun {
  /** Records [from, to) of the block. */
  readonly from: number;
  readonly to: number;
  readonly signal: Signal | undefined;
  /** Holds exactly the records of the run, in order. May be a view of the block. */
  readonly message: Uint8Array;
}

const NOTHING = new Uint8Array(0);

/** Records [from, to) of a block as runs that tile it. Never throws on what a record holds. */
export function otlpRuns(block: Block, from: number, to: number): readonly OtlpRun[] {
  const { kind } = block.header;
  if (from === to) return [];
  if (kind !== 's2') return [{ from, to, signal: kind, message: block.otlpMessage(from, to) }];
  const runs: OtlpRun[] = [];
  for (let first = from; first < to; ) {
    const signal = signalOf(block, first);
    let next = first + 1;
    while (next < to && signalOf(block, next) === signal) next += 1;
    runs.push({ from: first, to: next, signal, message: signal === undefined ? NOTHING : bodies(block, first, next) });
    first = next;
  }
  return runs;
}

/** Whether the bytes are one message of the signal with exactly one item. */
function isOneItem(signal: Signal, body: Uint8Array): boolean {
  try {
    return countItems(decodeGroups(signal, body)) === 1;
  } catch {
    // What protobufjs cannot read is no OTLP, whatever its header says.
    return false;
  }
}

/** The signal that a record of an S2 block says it is, if its body is that. */
function signalOf(block: Block, i: number): Signal | undefined {
  for (const [name, value] of block.headersOf(i)) {
    if (text(name) !== 'otel.signal') continue;
    const signal = SIGNALS.find((known) => known === text(value));
    return signal !== undefined && isOneItem(signal, block.record(i).body) ? signal : undefined;
  }
  return undefined;
}

/** Bodies one behind the other: protobuf messages of one type concatenate. */
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
