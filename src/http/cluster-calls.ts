/**
 * What nodes of a cluster ask each other besides passing requests on: JSON with the name of the call, answered by 200 with
 * what it returns, or with the error that it ends in. Only a node gets an answer, so what comes is of a build of Tailrace.
 */

import { z } from 'zod';
import type { Principal } from '../access/grant.ts';
import { asTailraceError, type ErrorCode, type ErrorDetail, TailraceError } from '../model/error.ts';
import { METRIC_SETS, USAGE_INTERVALS } from '../model/usage.ts';

const partition = z.number().int().min(0);
const basin = z.string();
const id = z.string();
const hash = z.string();

/** Who asked the other node, as far as this one may know it. */
const caller = z.object({
  /** Undefined for the root token. */
  token: z.object({ id: z.string(), number: z.number(), rotation: z.number() }).optional(),
  /** The hash of the secret of their session of the page. */
  session: hash.optional(),
});

const streams = z.union([z.object({ exact: z.string() }), z.object({ prefix: z.string() })]);

/** Each call names the partition whose leader is asked. */
const clusterCall = z.discriminatedUnion('call', [
  z.object({
    call: z.literal('make-basin'),
    partition,
    mode: z.enum(['create', 'ensure']),
    basin,
    /** As the client sent it. */
    config: z.unknown().optional(),
    token: z.string().optional(),
  }),
  z.object({
    call: z.literal('issue-ticket'),
    partition,
    caller,
    bounds: z.object({ operation: z.literal('read'), basin, streams }),
  }),
  z.object({ call: z.literal('find-session'), partition, hash }),
  z.object({ call: z.literal('note-uses'), partition, uses: z.array(z.tuple([z.number(), z.number()])) }),
  z.object({
    call: z.literal('usage'),
    partition,
    query: z.object({
      set: z.enum(METRIC_SETS.account),
      range: z.object({ start: z.number(), end: z.number() }),
      interval: z.enum(USAGE_INTERVALS),
    }),
  }),
  z.object({ call: z.literal('senders'), partition }),
  z.object({ call: z.literal('audit'), partition, most: z.number() }),
  z.object({ call: z.literal('begin-move'), partition, basin, id, to: partition }),
  z.object({
    call: z.literal('place'),
    partition,
    act: z.enum(['begin', 'finish', 'abort']),
    basin,
    id,
    from: partition,
    to: partition,
  }),
  z.object({ call: z.literal('place-of'), partition, basin }),
  z.object({ call: z.literal('take-basin'), partition, basin, id, from: partition }),
  z.object({ call: z.literal('adopt-basin'), partition, basin, id }),
  z.object({ call: z.literal('forget-basin'), partition, basin, id }),
  z.object({ call: z.literal('moves'), partition }),
]);

export type ClusterCall = z.output<typeof clusterCall>;
export type ClusterCallOf<C extends ClusterCall['call']> = Extract<ClusterCall, { call: C }>;
export type CallerRef = z.output<typeof caller>;

/** How a node names a caller to another one. */
export function callerRefOf({ token, session }: Principal): CallerRef {
  const { id: tokenId = '', number = 0, rotation = 0 } = token ?? {};
  return {
    ...(token === undefined ? {} : { token: { id: tokenId, number, rotation } }),
    ...(session === undefined ? {} : { session: session.hash }),
  };
}

/** What a node answers with: one of both. */
const callAnswer = z.object({
  result: z.unknown().optional(),
  error: z
    .object({ code: z.string(), message: z.string(), detail: z.record(z.string(), z.unknown()).optional() })
    .optional(),
});

/** @throws TailraceError `bad_json` for what no build that this one knows sends */
export function parseClusterCall(body: unknown): ClusterCall {
  const parsed = clusterCall.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new TailraceError('bad_json', `a node asks what this build does not know: ${parsed.error.issues[0]?.message}`);
}

/** The answer to a call, as JSON text. */
export async function answerOf(work: Promise<unknown>): Promise<string> {
  try {
    return JSON.stringify({ result: await work });
  } catch (thrown) {
    const { code, message, detail } = asTailraceError(thrown);
    return JSON.stringify({ error: { code, message, detail } });
  }
}

/** What the other node returned. @throws TailraceError what it threw */
export function resultIn(text: string): unknown {
  const { result, error } = callAnswer.parse(JSON.parse(text));
  if (error === undefined) return result;
  throw new TailraceError(error.code as ErrorCode, error.message, { detail: (error.detail ?? {}) as ErrorDetail });
}
