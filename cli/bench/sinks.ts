/** Where a benchmark writes to: an append session of S2, or OTLP requests with logs. */

import { identityHeaders } from '../../src/client/calls.ts';
import { otlpRefusal, postOtlp } from '../../src/client/post-otlp.ts';
import type { RequestOptions, ServerTarget } from '../../src/client/request.ts';
import { S2sExchange } from '../../src/client/s2s/exchange.ts';
import { appendFrame, recordsAcked } from '../../src/client/s2s/messages.ts';
import { TailraceError } from '../../src/model/error.ts';
import { encodeRequest } from '../otlp-message.ts';
import type { Payloads } from './payload.ts';
import type { BatchSink, NumberedBatch } from './writer.ts';

export interface SinkOptions extends RequestOptions {
  readonly target: ServerTarget;
  readonly stream: string;
  readonly payloads: Payloads;
  /** Records of a batch. */
  readonly records: number;
  /** Whether batches go out at a rate: then more may be under way than a server that is quick needs. */
  readonly isPaced: boolean;
}

/** Without a rate: enough that a server never waits for us. */
const IN_FLIGHT = 8;
/** At a rate, over all that is under way of a connection. */
const IN_FLIGHT_BYTES_MAX = 32 * 1024 * 1024;
const IN_FLIGHT_MAX = 1_024;

/** An append session on a connection of its own. */
export function sessionSink(options: SinkOptions): BatchSink {
  const { payloads, records } = options;
  const waiting: ((records: number) => void)[] = [];
  const session = new S2sExchange({ ...options, method: 'POST' }, (message) =>
    waiting.shift()?.(recordsAcked(message)),
  );
  const batchBytes = records * payloads.bytes;
  const paced = Math.min(IN_FLIGHT_MAX, Math.max(IN_FLIGHT, Math.floor(IN_FLIGHT_BYTES_MAX / batchBytes)));
  return {
    batch: (writer) => {
      const { frame, bodies } = appendFrame(records, payloads.bytes);
      for (const at of bodies) payloads.fill(frame, at, writer);
      return { bytes: frame, payloads: bodies };
    },
    send: (batch, onAck) => {
      waiting.push(onAck);
      session.write(batch.bytes);
    },
    end: () => {
      session.end();
      return session.done;
    },
    failed: failureOf(session.done, () => waiting.length),
    inFlightMax: options.isPaced ? paced : IN_FLIGHT,
  };
}

/** Requests one after the other: those of several at once would come in any order. */
export function otlpSink(options: SinkOptions): BatchSink {
  const { target, stream, basin, payloads, records, signal } = options;
  const url = `${target.endpoint}/v1/logs`;
  const headers = { 'user-agent': 'tailrace-bench', ...identityHeaders(target, basin) };
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const post = async (batch: NumberedBatch): Promise<number> => {
    const contentType = 'application/x-protobuf';
    const answer = await postOtlp({ url, body: batch.bytes, contentType, headers, signal });
    const refusal = otlpRefusal(answer, `POST ${url}`);
    if (refusal !== undefined) throw refusal;
    if (answer.rejected > 0)
      throw new TailraceError('invalid', `POST ${url}: ${answer.message ?? 'records were rejected'}`);
    return batch.payloads.length;
  };
  return {
    batch: (writer) => logsRequest(stream, payloads, records, writer),
    send: (batch, onAck) => void post(batch).then(onAck, fail),
    end: async () => {},
    failed,
    inFlightMax: 1,
  };
}

function logsRequest(stream: string, payloads: Payloads, records: number, writer: number): NumberedBatch {
  const payload = Buffer.alloc(payloads.bytes);
  payloads.fill(payload, 0, writer);
  const item = { timeNanos: BigInt(Date.now()) * 1_000_000n, severityNumber: 9, severityText: 'INFO' };
  const body = payload.toString('latin1');
  const resource = new Map([
    ['s2.stream', stream],
    ['service.name', 'tailrace-bench'],
  ]);
  const items = Array.from({ length: records }, () => ({ ...item, body, attributes: new Map() }));
  const bytes = Buffer.from(
    encodeRequest({ resource, scope: 'tailrace-bench' }, { signal: 'logs', items }, 'protobuf'),
  );
  const places: number[] = [];
  for (let at = bytes.indexOf(payload); at >= 0; at = bytes.indexOf(payload, at + payload.length)) places.push(at);
  // All of them were the same until here, so that they could be found.
  for (const at of places) payloads.fill(bytes, at, writer);
  return { bytes, payloads: places };
}

/** An end in order is a failure too, while acknowledgements are due. */
async function failureOf(done: Promise<void>, due: () => number): Promise<never> {
  await done;
  if (due() === 0) return new Promise(() => {});
  throw new TailraceError('unavailable', `the server ended the session with ${due()} batches unanswered`);
}
