/** What the commands that append have in common: conditions, and how acknowledgements look. */

import { type Command, InvalidArgumentError } from 'commander';
import { FENCING_TOKEN_BYTES_MAX } from '../../src/model/limits.ts';
import type { AppendAck, Position } from '../../src/model/position.ts';
import { wholeNumber } from './arguments.ts';

export interface ConditionOptions {
  readonly fencingToken?: string;
  readonly matchSeqNum?: number;
}

/** Adds the flags of conditional appends, by the names of S2's command line. */
export function addConditionOptions(command: Command): Command {
  return command
    .option('-f, --fencing-token <token>', 'only when this fencing token is in force', fencingToken)
    .option('-m, --match-seq-num <number>', 'only when the first record gets this sequence number', wholeNumber);
}

/** A fencing token as an argument. */
export function fencingToken(text: string): string {
  if (Buffer.byteLength(text) <= FENCING_TOKEN_BYTES_MAX) return text;
  throw new InvalidArgumentError(`A fencing token has at most ${FENCING_TOKEN_BYTES_MAX} bytes.`);
}

/** An acknowledgement in S2's shape. */
export function ackJson({ start, end, tail }: AppendAck) {
  return { start: positionJson(start), end: positionJson(end), tail: positionJson(tail) };
}

/** `0..3, tail 3 @ 1771390606217`: from the first sequence number to the one after the last. */
export function rangeText({ start, end, tail }: AppendAck): string {
  return `${start.seqNum}..${end.seqNum}, tail ${positionText(tail)}`;
}

/** `3 @ 1771390606217`, as S2's command line writes it. */
export function positionText({ seqNum, timestamp }: Position): string {
  return `${seqNum} @ ${timestamp}`;
}

export function positionJson({ seqNum, timestamp }: Position) {
  return { seq_num: seqNum, timestamp };
}
