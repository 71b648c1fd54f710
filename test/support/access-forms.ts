/**
 * The forms in which a route can be called: over which protocol, and in which of its wire forms. The types require one
 * form for each way to append and to read, so that a new one does not compile without its place in the matrix.
 */

import type { AppendMode } from '../../src/http/s2/call.ts';
import type { ReaderProtocol } from '../../src/log/observer.ts';
import { SIGNALS, type Signal } from '../../src/model/record.ts';
import { type AccessRow, callOf, type Names, targetOf } from './access-rows.ts';
import { EXPORT, encodeOtlp, framed, openCall } from './grpc-call.ts';
import { type Call, type CallResponse, call } from './http-call.ts';
import { connectHttp2, type Http2Connection } from './http2-call.ts';
import { encodeInput, frame, parseFrames } from './s2s-client.ts';
import { Reader } from './socket-reader.ts';

/** What a caller sends to authenticate. */
export interface Credential {
  /** The whole `Authorization` header, as it is sent. */
  readonly header?: string;
  /** In the query, instead of the header. */
  readonly ticket?: string;
}

/** What the response says about the caller's permission; `allowed` says nothing about whether the call succeeded. */
export type Verdict = 'unknown' | 'denied' | 'allowed';

export interface AccessOutcome {
  readonly verdict: Verdict;
  /** The whole response, as text, to compare two responses. */
  readonly said: string;
}

/** A row of the matrix with the names to insert. */
export interface AccessRequest {
  readonly row: string;
  readonly needs: AccessRow;
  readonly names: Names;
  readonly credential: Credential;
  readonly correlationId?: string;
}

/** A server, and the connections to it that many calls share. */
export interface Protocols {
  readonly port: number;
  readonly http2: Http2Connection;
  /** To the port of gRPC. */
  readonly grpc: Http2Connection;
  close(): Promise<void>;
}

export type CallForm = (request: AccessRequest, protocols: Protocols) => Promise<AccessOutcome>;

export async function openProtocols(port: number, grpcUrl: string | undefined): Promise<Protocols> {
  const http2 = await connectHttp2(`http://127.0.0.1:${port}`);
  const grpc = await connectHttp2(grpcUrl ?? '');
  const close = async (): Promise<void> => void (await Promise.all([http2.close(), grpc.close()]));
  return { port, http2, grpc, close };
}

type Transport = (protocols: Protocols, call: Call) => Promise<CallResponse>;

const TRANSPORTS: Readonly<Record<'HTTP/1.1' | 'HTTP/2', Transport>> = {
  'HTTP/1.1': ({ port }, what) => call(port, what),
  'HTTP/2': ({ http2 }, what) => http2.call(what),
};

/** The wire form of a call: its headers, and the bytes of its body. */
interface Shape {
  readonly headers: Readonly<Record<string, string>>;
  body?(request: AccessRequest): Uint8Array | string | undefined;
}

const JSON_TYPE = { 'content-type': 'application/json' };
const S2S_TYPE = { 'content-type': 's2s/proto' };

const PLAIN: Shape = {
  headers: JSON_TYPE,
  body: ({ needs, names }) => needs.body && JSON.stringify(needs.body(names)),
};

const APPENDS: Readonly<Record<AppendMode, Shape>> = {
  json: { headers: JSON_TYPE, body: ({ needs }) => JSON.stringify(needs.input) },
  proto: { headers: { 'content-type': 'application/protobuf' }, body: ({ needs }) => encoded(needs) },
  s2s: { headers: S2S_TYPE, body: ({ needs }) => frame(encoded(needs)) },
};

/** Embedders that read the log directly make no calls. */
const READS: Readonly<Record<Exclude<ReaderProtocol, 'library'>, Shape | readonly SocketWay[]>> = {
  unary: { headers: {} },
  sse: { headers: { accept: 'text/event-stream' } },
  s2s: { headers: S2S_TYPE },
  websocket: ['program', 'page'],
};

/** A page cannot set headers: it sends its token as a subprotocol, and the browser its origin. */
type SocketWay = 'program' | 'page';

/** All forms of a row, by name. */
export function formsOf(row: string): readonly (readonly [name: string, form: CallForm])[] {
  if (targetOf(row) === 'POST /v1/streams/{stream}/records') return Object.entries(APPENDS).flatMap(httpForms);
  const signal = SIGNALS.find((each) => targetOf(row) === `POST /v1/${each}`);
  if (signal !== undefined) return [...httpForms(['', PLAIN]), ['grpc', grpcForm(signal)]];
  if (targetOf(row) !== 'GET /v1/streams/{stream}/records') return httpForms(['', PLAIN]);
  return Object.entries(READS).flatMap(([name, way]) =>
    'headers' in way ? httpForms([name, way]) : way.map((kind) => [`${name} of a ${kind}`, socketForm(kind)] as const),
  );
}

/** Whether a form accepts tickets: requests that pages send without headers. */
export function takesTickets(row: string, form: string): boolean {
  return targetOf(row) === 'GET /v1/streams/{stream}/records' && /^(sse|websocket) /.test(form);
}

function httpForms([name, shape]: readonly [string, Shape]): (readonly [string, CallForm])[] {
  return Object.entries(TRANSPORTS).map(([version, transport]) => [
    name === '' ? version : `${name} over ${version}`,
    async (request, protocols) => outcomeOf(await transport(protocols, httpCall(request, shape))),
  ]);
}

function httpCall(request: AccessRequest, shape: Shape): Call {
  const { method, path } = pathOf(request);
  const body = shape.body?.(request);
  const { header } = request.credential;
  const headers = {
    ...idOf(request),
    's2-basin': request.names.basin,
    ...(header === undefined ? {} : { authorization: header }),
    ...shape.headers,
  };
  return { method, path, headers, ...(body === undefined ? {} : { body }) };
}

/** Without an id of its own a call has the same id as the others: then responses differ only by names. */
function idOf({ correlationId = 'matrix' }: AccessRequest): { 'x-correlation-id': string } {
  return { 'x-correlation-id': correlationId };
}

function outcomeOf({ status, headers, body }: CallResponse): AccessOutcome {
  const { date: _, ...rest } = headers;
  // An accepted session may still be refused in its last frame, because of what it sends.
  const isFramed = status === 200 && String(headers['content-type']).startsWith('s2s/');
  const terminal = isFramed ? parseFrames(body).find((one) => one.status !== undefined) : undefined;
  return {
    verdict: verdictOf(terminal?.status ?? status),
    said: JSON.stringify({ status, rest, body: body.toString('latin1') }),
  };
}

function verdictOf(status: number): Verdict {
  if (status === 401) return 'unknown';
  return status === 403 ? 'denied' : 'allowed';
}

const UNAUTHENTICATED = '16';
const PERMISSION_DENIED = '7';

function grpcForm(signal: Signal): CallForm {
  return async (request, { grpc }) => {
    const { header } = request.credential;
    const { stream, end } = openCall(grpc, EXPORT[signal], {
      ...idOf(request),
      's2-basin': request.names.basin,
      ...(header === undefined ? {} : { authorization: header }),
    });
    stream.end(framed(encodeOtlp(signal, request.needs.body?.(request.names) ?? {})));
    const { headers, body } = await end;
    const { date: _, ...rest } = headers;
    const status = rest['grpc-status'];
    const verdict = status === UNAUTHENTICATED ? 'unknown' : status === PERMISSION_DENIED ? 'denied' : 'allowed';
    return { verdict, said: JSON.stringify({ rest, body: body.toString('latin1') }) };
  };
}

function socketForm(way: SocketWay): CallForm {
  return async (request, { port }) => {
    const { header } = request.credential;
    const token = way === 'page' ? /^bearer (\S+)$/i.exec(header ?? '')?.[1] : undefined;
    const reader = new Reader(
      `ws://127.0.0.1:${port}${pathOf(request).path}`,
      token === undefined ? [] : ['s2.json', `bearer.${token}`],
      {
        headers: {
          ...idOf(request),
          's2-basin': request.names.basin,
          ...(token !== undefined || header === undefined ? {} : { authorization: header }),
        },
        ...(way === 'page' ? { origin: `http://127.0.0.1:${port}` } : {}),
      },
    );
    return Promise.race([
      reader.refused.then((answer) => ({ verdict: verdictOf(answer.status), said: JSON.stringify(answer) })),
      reader.ended.then((ending) => ({
        verdict: ending.code >= 4401 && ending.code <= 4403 ? verdictOf(ending.code - 4000) : ('allowed' as const),
        said: JSON.stringify({ got: reader.got, ending }),
      })),
    ]);
  };
}

function pathOf({ row, needs, names, credential }: AccessRequest): { method: string; path: string } {
  const { method, path } = callOf(row, needs, names);
  if (credential.ticket === undefined) return { method, path };
  return { method, path: `${path}${path.includes('?') ? '&' : '?'}ticket=${credential.ticket}` };
}

function encoded({ input }: AccessRow): Buffer {
  if (input === undefined) throw new Error('a row of appends says what is appended');
  return encodeInput(input);
}
