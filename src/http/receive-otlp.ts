/** The OTLP receiver: from a request over HTTP, or a call of gRPC, to durable records and a response. */

import type { IncomingHttpHeaders } from 'node:http';
import { authorizeSender, type SenderDeps } from '../access/authorize-sender.ts';
import { BODY_RESERVED_STEP_BYTES, type OtlpLimits } from '../model/limits.ts';
import { unknownSource } from '../model/otlp-source.ts';
import type { Signal } from '../model/record.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { ingest } from '../otlp/ingest.ts';
import type { IngestResult } from '../otlp/ingest-result.ts';
import type { IngestOptions } from '../otlp/ports.ts';
import { exportResponse, type OtlpEncoding } from '../otlp/response.ts';
import { decodeEncryptionKey } from '../s2/encryption-key.ts';
import { type BodyReading, type RequestBody, readingFor } from './body/read-body.ts';
import { reservationFor } from './body/reservation.ts';
import { connectionOf, type Exchange } from './exchange.ts';
import { type OtlpWarningDeps, warnOfResult } from './otlp-warnings.ts';
import type { ReplyContext, ReplyDeps } from './reply.ts';
import { noteTaken, type SenderNoteDeps } from './senders.ts';

/** How requests and responses of OTLP look on the wire. */
export interface OtlpForm {
  /** Where the token and the basin of the sender are. */
  headersOf(exchange: Exchange): IncomingHttpHeaders;
  /** @throws TailraceError `bad_request` that says what to send */
  encodingOf(exchange: Exchange): OtlpEncoding;
  readBody(exchange: Exchange, reading: BodyReading): Promise<RequestBody>;
  /** Called as long as nothing is stored. @throws TailraceError `deadline_exceeded` when the client waits no more */
  expectInTime?(): void;
  /** Receives the ids of the traces that are stored. */
  readonly traceIds?: Set<string>;
  /** Sends the response of a request of which something was stored. */
  reply(exchange: Exchange, content: ExportContent, context: ReplyContext): void;
}

/** The response of OTLP in the encoding of its request, and what it tells of. */
export interface ExportContent {
  readonly encoding: OtlpEncoding;
  readonly bytes: Uint8Array;
  readonly result: IngestResult;
}

export interface OtlpDeps extends SenderDeps, SenderNoteDeps, ReplyDeps, OtlpWarningDeps {
  readonly reading: BodyReading;
  readonly limits: OtlpLimits;
  readonly metrics: Pick<Metrics, 'otlpTaken' | 'otlpRepeated' | 'otlpAnswered' | 'jsonTally'>;
}

type Ingest = typeof ingest;

let loaded: Ingest | undefined;

/** The scanner with its tables takes long to load, and a port that opens later is a longer restart. */
export async function loadIngest(): Promise<Ingest> {
  loaded ??= (await import('../otlp/ingest.ts')).ingest;
  return loaded;
}

/**
 * Stores a request and replies. The sender is authorized before anything of the body is read.
 * @throws TailraceError for a request that is refused: then nothing was sent yet
 */
export async function receiveOtlp(exchange: Exchange, signal: Signal, form: OtlpForm, deps: OtlpDeps): Promise<void> {
  const { query, auditContext: context } = exchange;
  const sender = { headers: form.headersOf(exchange), query, connection: connectionOf(exchange), context };
  const pending = authorizeSender(sender, deps);
  const { principal, basin, log, terms } = pending instanceof Promise ? await pending : pending;
  exchange.hiddenPrefix = principal.token?.autoPrefix ?? '';
  const encoding = form.encodingOf(exchange);
  const body = await form.readBody(exchange, readingFor(basin.config.otlp, deps.reading));
  // Blocks until they are durable, what JSON is turned into, and what the token sets on each resource.
  const working = reservationFor(exchange, deps.reading);
  const made = madeOf(body.bytes.length, encoding);
  const reserve = (bytes: number): void => working.holdAtLeast(made + bytes);
  const source = unknownSource();
  exchange.source = source;
  const { traceIds, expectInTime } = form;
  const tally = deps.metrics.jsonTally;
  const encryptionKey = keyIn(sender.headers);
  // In one literal: a spread costs more than to scan a small request.
  const options: IngestOptions = {
    limits: deps.limits,
    tally,
    source,
    reserve,
    traceIds,
    expectInTime,
    encryptionKey,
    sender: terms.sender,
    rates: terms.rates,
    resourceAttributes: terms.resourceAttributes,
    fixedStream: terms.fixedStream,
    mayAppend: terms.mayAppend,
  };
  let result: IngestResult;
  try {
    const take = loaded ?? (await loadIngest());
    deps.access.expectAlive(principal);
    expectInTime?.();
    reserve(0);
    result = await take(log, basin, { signal, encoding, body: body.bytes }, options);
  } catch (error) {
    body.release();
    throw error;
  } finally {
    working.release();
  }
  form.reply(exchange, { encoding, bytes: exportResponse(signal, encoding, result), result }, deps.replyContext);
  body.release();
  if (exchange.isOwnTelemetry) return;
  if (result.isRepeat === true) deps.metrics.otlpRepeated(signal);
  else deps.metrics.otlpTaken(signal, result);
  noteTaken(exchange, signal, result, deps);
  warnOfResult(exchange, { signal, basin: basin.name, result }, deps);
}

/** What records of streams with a cipher are encrypted with, as the sender says it. */
function keyIn(headers: IncomingHttpHeaders): Uint8Array | undefined {
  const header = headers['s2-encryption-key'];
  return header === undefined ? undefined : decodeEncryptionKey(String(header));
}

/** What is made of a body until it is durable. Small bodies are taken by then, and count in steps that are larger. */
function madeOf(bytes: number, encoding: OtlpEncoding): number {
  if (bytes <= BODY_RESERVED_STEP_BYTES) return 0;
  return bytes * (encoding === 'json' ? 2 : 1);
}
