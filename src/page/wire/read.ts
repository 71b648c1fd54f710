/** Unary reads of records as rows: forwards, backwards, and around one. */

import { request } from './call.ts';
import type { Row } from './rows.ts';
import { streamPath } from './streams.ts';

export interface ReadPage {
  /** In the order of the stream. */
  readonly rows: readonly Row[];
  /** The answer as it came, to be parsed again later in place of keeping objects. */
  readonly text: string;
  /** Newer records begin there. */
  readonly nextSeqNum: number | undefined;
  /** Of a read that goes backwards: older records are before it. */
  readonly nextBefore: number | undefined;
  /** Of a read that goes backwards: there are none. */
  readonly isAtStart: boolean;
}

/** One of: `seqNum` or `timestamp` (ms) forwards, `before` backwards, `around` one record. */
export type ReadFrom =
  | { readonly seq_num: number; readonly count?: number; readonly until?: number; readonly clamp?: boolean }
  | { readonly timestamp: number; readonly count?: number; readonly until?: number; readonly clamp?: boolean }
  | { readonly before: number | 'tail'; readonly limit?: number; readonly clamp?: boolean }
  | { readonly around: number; readonly context?: number };

/** @throws WireError: 416 beyond the tail, 404 for a record that was trimmed away or a stream that is not there */
export async function readRows(
  basin: string,
  stream: string,
  from: ReadFrom,
  { filter, signal }: { readonly filter?: string | undefined; readonly signal?: AbortSignal } = {},
): Promise<ReadPage> {
  const query = { ...from, filter: filter === '' ? undefined : filter, view: 'message' };
  const options = { basin, query, ...(signal === undefined ? {} : { signal }) };
  const response = await request(streamPath(stream, 'records'), options);
  const text = await response.text();
  const { rows } = JSON.parse(text) as { rows: readonly Row[] };
  return {
    rows,
    text,
    nextSeqNum: numberIn(response, 'Tailrace-Next-Seq-Num'),
    nextBefore: numberIn(response, 'Tailrace-Next-Before'),
    isAtStart: response.headers.get('Tailrace-At-Start') === 'true',
  };
}

function numberIn(response: Response, header: string): number | undefined {
  const text = response.headers.get(header);
  return text === null ? undefined : Number(text);
}
