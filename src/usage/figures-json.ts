/** The figures of a stream in a list, as JSON has them and as programs get them. */

import type { StreamOnPage } from '../log/streams.ts';
import type { StreamFiguresJson } from '../model/stream-figures.ts';
import type { StreamRates } from './stream-rates.ts';

/** Null for a stream that is gone since it was listed. */
export function figuresJson(
  { id, figures }: StreamOnPage,
  rates: Pick<StreamRates, 'rateOf'>,
): StreamFiguresJson | null {
  if (figures === undefined) return null;
  const { first, tail, records, meteredBytes } = figures;
  const rate = rates.rateOf(id);
  return {
    ...{ first_seq_num: first.seqNum, next_seq_num: tail.seqNum, records, metered_bytes: meteredBytes },
    first_timestamp: records === 0 ? null : first.timestamp,
    last_timestamp: tail.seqNum === 0 ? null : tail.timestamp,
    records_per_second: rounded(rate?.recordsPerSecond),
    metered_bytes_per_second: rounded(rate?.meteredBytesPerSecond),
  };
}

/** To three digits behind the point. */
function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Math.round(value * 1_000) / 1_000;
}
