/** Records as the frames of an s2s read session. */

import { type BufferPool, Loan } from '../../encoding/buffer-pool.ts';
import { TailraceError } from '../../model/error.ts';
import type { Batch, Encoded, Encoder, Frame } from '../../readers/wire.ts';
import { type BatchPart, recordsIn } from '../../s2/batch/batch-part.ts';
import { readBatchProto } from '../../s2/batch/proto.ts';
import {
  FRAME_BODY_BYTES_MAX,
  FRAME_HEAD_BYTES,
  type FrameCompression,
  sealCompressed,
  sealFrame,
} from '../../s2/frame.ts';

/** What the frames of a session are like. */
export interface FrameForm {
  readonly compression: FrameCompression;
  readonly reconnectAdvised: boolean;
}

/** An encoder whose batches are one frame each, or several where one would be too large. */
export function sessionEncoder({ compression, reconnectAdvised }: FrameForm): Encoder {
  const encode = (batch: Batch, pool?: BufferPool): Encoded | Promise<Encoded> => {
    const { plain, failure } = plainFrames(batch, compression === 'none' ? pool : undefined);
    const rest = failure === undefined ? {} : { failure };
    if (compression === 'none') {
      return { frames: plain.map(({ bytes, loan }) => frameOf(sealFrame(bytes, reconnectAdvised), loan)), ...rest };
    }
    const sealed = plain.map(({ bytes }) => sealCompressed(bytes, reconnectAdvised));
    return Promise.all(sealed).then((all) => ({ frames: all.map((bytes) => ({ bytes })), ...rest }));
  };
  return { name: `s2s ${compression}${reconnectAdvised ? ' advised' : ''}`, encode };
}

/** A frame whose head is still empty. */
interface PlainFrame {
  readonly bytes: Buffer;
  readonly loan: Loan | undefined;
}

/**
 * Headers of a byte or two take twice their metered size, so a batch may be too large for a frame: then the tail goes
 * first, and the records are spread over several frames.
 */
function plainFrames(
  { parts, tail }: Pick<Batch, 'parts' | 'tail'>,
  pool: BufferPool | undefined,
): { readonly plain: readonly PlainFrame[]; readonly failure?: TailraceError } {
  const loan = pool === undefined ? undefined : new Loan(pool);
  const buffer = { headBytes: FRAME_HEAD_BYTES, ...(loan === undefined ? {} : { take: loan.take }) };
  let bytes = readBatchProto(parts, tail, buffer);
  if (isTooLarge(bytes) && tail !== undefined) bytes = readBatchProto(parts, undefined, buffer);
  if (!isTooLarge(bytes)) return { plain: [{ bytes, loan }] };
  loan?.give();
  const [left, right] = halves(parts);
  if (right.length === 0) return { plain: [], failure: fitsNowhere(parts) };
  const first = plainFrames({ parts: left, tail: undefined }, pool);
  if (first.failure !== undefined) return first;
  const second = plainFrames({ parts: right, tail }, pool);
  return { ...second, plain: [...first.plain, ...second.plain] };
}

function isTooLarge(frame: Buffer): boolean {
  return frame.length - FRAME_HEAD_BYTES > FRAME_BODY_BYTES_MAX;
}

/** The first half of the records, and the second; of one record the second half is empty. */
function halves(parts: readonly BatchPart[]): readonly [readonly BatchPart[], readonly BatchPart[]] {
  let left = Math.ceil(recordsIn(parts) / 2);
  const first: BatchPart[] = [];
  const second: BatchPart[] = [];
  for (const { block, from, to } of parts) {
    const middle = Math.min(to, from + left);
    if (middle > from) first.push({ block, from, to: middle });
    if (middle < to) second.push({ block, from: middle, to });
    left -= middle - from;
  }
  return [first, second];
}

function frameOf(bytes: Buffer, loan: Loan | undefined): Frame {
  return loan === undefined ? { bytes } : { bytes, loan };
}

function fitsNowhere([part]: readonly BatchPart[]): TailraceError {
  const seqNum = part === undefined ? 0 : part.block.firstSeq + part.from;
  return new TailraceError(
    'invalid',
    `record ${seqNum} has so many headers that no s2s frame holds it: read it as JSON`,
  );
}
