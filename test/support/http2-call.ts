/** HTTP/2 without TLS, as S2's clients speak it, with nothing added that a test did not ask for; and single frames. */

import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import { type Call, type CallResponse, noticeResponse } from './http-call.ts';
import { noticeHeaders } from './secrets.ts';

export interface Http2Connection {
  readonly session: ClientHttp2Session;
  /** One request on a stream of its own. Rejects when the stream is reset before its response is complete. */
  call(call: Call): Promise<CallResponse>;
  /** Sends headers only; the caller does the rest. */
  open(call: Call): ClientHttp2Stream;
  readonly closed: Promise<void>;
  /** Codes of the received GOAWAY frames. */
  readonly goaways: readonly number[];
  close(): Promise<void>;
}

/** Connects, and waits for the server's settings. `url` is `http://…` or `https://…`. */
export async function connectHttp2(url: string, options: { ca?: string } = {}): Promise<Http2Connection> {
  const session = connect(url, { ...options, settings: { initialWindowSize: 1024 * 1024 } });
  const goaways: number[] = [];
  session.on('goaway', (code) => goaways.push(code));
  const closed = new Promise<void>((resolve) => session.once('close', resolve));
  await new Promise<void>((resolve, reject) => session.once('remoteSettings', () => resolve()).once('error', reject));
  session.on('error', () => {});
  const open = ({ method = 'POST', path, headers = {} }: Call): ClientHttp2Stream => {
    noticeHeaders(headers);
    return session.request({ ':method': method, ':path': path, ...headers }, { endStream: false });
  };
  return {
    session,
    open,
    closed,
    goaways,
    call: (call) => {
      const stream = open(call);
      const answer = answerOf(stream).then((whole) => {
        noticeResponse(call.path, whole.body);
        return whole;
      });
      for (const chunk of call.chunks ?? []) stream.write(chunk);
      stream.end(call.body);
      return answer;
    },
    close: async () => {
      session.destroy();
      await closed;
    },
  };
}

/** The response on a stream. */
export function answerOf(stream: ClientHttp2Stream): Promise<CallResponse> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let headers: IncomingHttpHeaders | undefined;
    stream.on('response', (given) => {
      headers = given;
    });
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('error', reject);
    stream.on('end', () => {
      if (headers === undefined) return;
      resolve({ status: Number(headers[':status']), headers, body: Buffer.concat(parts) });
    });
    stream.on('close', () => reject(new Error(`the stream was closed with code ${stream.rstCode}`)));
  });
}

/** The first bytes of every HTTP/2 connection. */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Types of frames (RFC 9113, section 6). */
export const FRAME = { data: 0, headers: 1, rstStream: 3, settings: 4, ping: 6, goaway: 7 } as const;

/** One frame as it goes over the wire. */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const END_STREAM = 1;
const END_HEADERS = 4;

/** Request headers, none of them compressed; names and values shorter than 127 bytes. */
export function headersFrame(stream: number, headers: Readonly<Record<string, string>>, isEnd: boolean): Buffer {
  const fields = Object.entries(headers).flatMap(([name, value]) => [
    Buffer.of(0, name.length),
    Buffer.from(name),
    Buffer.of(value.length),
    Buffer.from(value),
  ]);
  return frame(FRAME.headers, END_HEADERS | (isEnd ? END_STREAM : 0), stream, Buffer.concat(fields));
}

/** A reset of a stream. */
export function resetFrame(stream: number, code: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return frame(FRAME.rstStream, 0, stream, payload);
}

/** The types of the whole frames in what a server sent. */
export function framesIn(bytes: Buffer): { type: number; flags: number; stream: number; payload: Buffer }[] {
  const frames = [];
  for (let at = 0; at + 9 <= bytes.length; ) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    const stream = bytes.readUInt32BE(at + 5);
    frames.push({ type: bytes[at + 3] ?? 0, flags: bytes[at + 4] ?? 0, stream, payload: bytes.subarray(at + 9, end) });
    at = end;
  }
  return frames;
}
