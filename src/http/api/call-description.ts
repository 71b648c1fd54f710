/** What is said of a call besides what its route says, and the few forms that many descriptions share. */

import type { z } from 'zod';
import type { ErrorCode } from '../../model/error.ts';
import type { GrantedOperation } from '../../model/operation.ts';

/** The groups of calls, in the order in which they are shown. */
export const TAGS = {
  OTLP: 'Exporters of OpenTelemetry send here.',
  Records: 'Append to streams and read them.',
  Basins: 'A basin is a namespace of streams.',
  Streams: 'A stream is an ordered, durable sequence of records.',
  Access: 'Tokens, tickets and logins.',
  Usage: 'What was used, and who sends.',
  Server: 'Health, metrics, backup.',
  Pages: 'The web page, and descriptions of the interface.',
} as const;

/** A request header, or a query parameter where that needs another sentence than elsewhere. */
export interface Parameter {
  readonly description: string;
  readonly schema: object;
  readonly required?: true;
}

/** Bodies by media type: JSON of a shape, or anything else as bytes or text. */
export type BodyContent = Readonly<Record<string, z.ZodType | 'bytes' | 'text'>>;

export interface RequestBodyDescription {
  readonly required: boolean;
  readonly content: BodyContent;
}

export interface Answer {
  readonly description: string;
  readonly content?: BodyContent;
  /** Names of headers that are described in `parameters.ts`. */
  readonly headers?: readonly string[];
}

export interface CallDescription {
  readonly tag: keyof typeof TAGS;
  readonly summary: string;
  readonly about?: string;
  /** All of these operations; or no token, any token, the root token. */
  readonly needs: readonly GrantedOperation[] | 'nothing' | 'any token' | 'root';
  /** A ticket in the query will do in place of a token. */
  readonly takesTicket?: true;
  readonly query?: Readonly<Record<string, Parameter>>;
  /** Names of request headers that are described in `parameters.ts`. */
  readonly headers?: readonly string[];
  readonly body?: RequestBodyDescription;
  readonly answers: Readonly<Record<number, Answer>>;
  /** What it may be refused with, besides what any call may. */
  readonly errors?: readonly ErrorCode[];
}

/** A JSON body. */
export function json(shape: z.ZodType): BodyContent {
  return { 'application/json': shape };
}

/** A successful answer in JSON. */
export function answer(description: string, shape: z.ZodType): Answer {
  return { description, content: json(shape) };
}

/** One that no cache keeps: it holds a secret. */
export function secretAnswer(description: string, shape: z.ZodType): Answer {
  return { ...answer(description, shape), headers: ['Cache-Control'] };
}

/** What a call may be refused with for its body. */
export const BODY_ERRORS = ['bad_json', 'too_large', 'unsupported_encoding', 'request_timeout', 'unavailable'] as const;

/** What a call may be refused with that writes. */
export const WRITE_ERRORS = ['storage_full', 'transaction_conflict'] as const;

/** What a call on a stream may be refused with. */
export const STREAM_ERRORS = [
  'basin_not_found',
  'stream_not_found',
  'basin_deletion_pending',
  'stream_deletion_pending',
] as const;
