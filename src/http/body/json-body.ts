/** Bodies of the control plane: small JSON with a content type that says so. As in S2, any fault in one is `bad_json`. */

import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { beginWork } from '../../encoding/turns.ts';
import { TailraceError } from '../../model/error.ts';
import { CONTROL_BODY_BYTES_MAX } from '../../model/limits.ts';
import { parseJsonValue } from '../../s2/json-value.ts';
import type { BodyDeps, IdentifyDeps } from '../context.ts';
import { announcesBody, type Exchange } from '../exchange.ts';
import { firstMediaType, wireFormOf } from '../s2/call.ts';
import { type RequestBody, readBody } from './read-body.ts';

/**
 * The value in the body.
 * @throws TailraceError `bad_json`, also for another content type and for a body that is too long
 */
export async function readJson(
  exchange: Exchange,
  deps: BodyDeps,
  bytesMax: number = CONTROL_BODY_BYTES_MAX,
): Promise<unknown> {
  expectJson(exchange);
  const body = await readSmallBody(exchange, deps, bytesMax);
  try {
    return await parse(body.bytes);
  } finally {
    body.release();
  }
}

/** The same for an optional body: without one, or without a content type, the value is null. */
export async function readOptionalJson(exchange: Exchange, deps: BodyDeps): Promise<unknown> {
  if (exchange.request.headers['content-type'] === undefined || !announcesBody(exchange)) return null;
  expectJson(exchange);
  const body = await readSmallBody(exchange, deps, CONTROL_BODY_BYTES_MAX);
  try {
    return body.bytes.length === 0 ? null : await parse(body.bytes);
  } finally {
    body.release();
  }
}

/** A name in a body, under the same rules as in a path or header. */
export function nameShape(faultOf: (name: string) => string | undefined) {
  return z.string().superRefine((name, context) => {
    const fault = LONE_SURROGATE.test(name) ? 'it holds half a surrogate pair' : faultOf(name);
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
  });
}

/** The body in this shape; unknown fields are left out. @throws TailraceError `bad_json` that names the field */
export function shaped<T extends z.ZodType>(shape: T, body: unknown): z.output<T> {
  const parsed = shape.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue?.path.join('.') ?? '';
  const what = at === '' ? 'the body' : `\`${at}\``;
  throw new TailraceError('bad_json', `${what}: ${issue?.message}`, at === '' ? {} : { detail: { field: at } });
}

const LONE_SURROGATE = /\p{Surrogate}/u;

function expectJson({ request }: Exchange): void {
  if (wireFormOf(firstMediaType(request.headers['content-type'])) === 'json') return;
  throw new TailraceError('bad_json', 'the body must be JSON: send it with Content-Type application/json');
}

async function readSmallBody(exchange: Exchange, deps: BodyDeps, bytesMax: number): Promise<RequestBody> {
  // Small, and an operator may need it most under load.
  const limits = { wireBytesMax: bytesMax, bodyBytesMax: bytesMax, workload: undefined };
  try {
    const body = await readBody(exchange, { ...deps.reading, ...limits });
    return expectCaller(exchange, body, deps);
  } catch (error) {
    if (!(error instanceof TailraceError && error.code === 'too_large')) throw error;
    const message = `length limit exceeded: the body of this call has at most ${bytesMax} bytes`;
    throw new TailraceError('bad_json', message, { cause: error });
  }
}

/** A body may come slowly: its caller must still be known after it. @throws TailraceError `authn` */
function expectCaller({ auditContext }: Exchange, body: RequestBody, { access }: IdentifyDeps): RequestBody {
  try {
    if (auditContext.caller !== undefined) access.expectAlive(auditContext.caller);
    return body;
  } catch (error) {
    body.release();
    throw error;
  }
}

async function parse(bytes: Uint8Array): Promise<unknown> {
  const beginning = beginWork(bytes.length);
  if (beginning !== undefined) await beginning;
  if (!isUtf8(bytes)) throw new TailraceError('bad_json', 'the body is no UTF-8');
  try {
    return parseJsonValue(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
  } catch (cause) {
    throw new TailraceError('bad_json', 'the body is not valid JSON', { cause });
  }
}
