/** One batch, one response: JSON or protobuf in, JSON or protobuf out. */

import { beginWork, goOnWithWork, inTurns } from '../../encoding/turns.ts';
import { checkBatch } from '../../log/check-batch.ts';
import { TailraceError } from '../../model/error.ts';
import { APPEND_JSON_BODY_BYTES_MAX, APPEND_PROTO_BODY_BYTES_MAX, YIELD_BYTES } from '../../model/limits.ts';
import type { AppendAck } from '../../model/position.ts';
import { appendAckJson, encodeAppendAck } from '../../s2/append/ack.ts';
import type { AppendInput } from '../../s2/append/input.ts';
import { parsingAppendJson } from '../../s2/append/json.ts';
import { decodingAppendInput } from '../../s2/append/proto.ts';
import { auditorOfCommands } from '../audit.ts';
import { type RequestBody, readBody } from '../body/read-body.ts';
import type { RecordDeps } from '../context.ts';
import type { Exchange } from '../exchange.ts';
import { reply } from '../reply.ts';
import { type AppendCall, expectAppendable, firstMediaType, openCalled, wireFormOf } from './call.ts';

/**
 * Appends the batch in the body and responds once it is durable.
 * @throws TailraceError `bad_json` or `bad_proto`, as `openCalled`, and whatever the log refuses a batch with
 */
export async function appendUnary(exchange: Exchange, call: AppendCall, deps: RecordDeps): Promise<void> {
  const isProto = wireFormOf(firstMediaType(exchange.request.headers['content-type'])) === 'proto';
  if (!isProto) expectJson(exchange);
  const body = await readAppendBody(exchange, isProto, deps);
  try {
    const beginning = beginWork(body.bytes.length);
    if (beginning !== undefined) await beginning;
    const input = await inTurns(isProto ? decodingAppendInput(body.bytes) : parsingAppendJson(body.bytes, call.format));
    // What follows is not cut into pieces.
    if (body.bytes.length > YIELD_BYTES) await goOnWithWork(body.bytes.length);
    await append(exchange, call, input, deps);
  } finally {
    body.release();
  }
}

async function append(exchange: Exchange, call: AppendCall, input: AppendInput, deps: RecordDeps): Promise<void> {
  deps.access.expectAlive(call.principal);
  // Before the stream is opened: a batch that is refused anyway makes no stream.
  checkBatch(input);
  expectAppendable(exchange, call, input.records);
  const audit = auditorOfCommands(exchange, input.records, deps);
  const ack = await store(call, input, deps).catch((error: unknown) => {
    audit?.(error);
    throw error;
  });
  audit?.();
  const wantsProto = wireFormOf(firstMediaType(exchange.request.headers.accept)) === 'proto';
  const contentType = wantsProto ? 'application/protobuf' : 'application/json';
  reply(
    exchange,
    { status: 200, contentType, body: wantsProto ? encodeAppendAck(ack) : appendAckJson(ack) },
    deps.replyContext,
  );
}

async function store(call: AppendCall, input: AppendInput, deps: RecordDeps): Promise<AppendAck> {
  const stream = await openCalled(call, 'append', deps);
  return deps.log.appendRecords({ stream, encryptionKey: call.encryptionKey, ...input });
}

function expectJson(exchange: Exchange): void {
  const given = exchange.request.headers['content-type'];
  if (wireFormOf(firstMediaType(given)) === 'json') return;
  const what = given === undefined ? 'is missing' : `is ${JSON.stringify(given.slice(0, 100))}`;
  const wanted = 'send application/json or application/protobuf';
  throw new TailraceError('bad_json', `the Content-Type ${what}: ${wanted}`);
}

/** Escapes make JSON up to six times as long as its records. */
async function readAppendBody(exchange: Exchange, isProto: boolean, deps: RecordDeps): Promise<RequestBody> {
  const limit = isProto ? APPEND_PROTO_BODY_BYTES_MAX : APPEND_JSON_BODY_BYTES_MAX;
  try {
    return await readBody(exchange, { ...deps.reading, wireBytesMax: limit, bodyBytesMax: limit });
  } catch (error) {
    if (!(error instanceof TailraceError && error.code === 'too_large')) throw error;
    const message = `length limit exceeded: the body of an append has at most ${limit} bytes`;
    throw new TailraceError(isProto ? 'bad_proto' : 'bad_json', message, { cause: error });
  }
}
