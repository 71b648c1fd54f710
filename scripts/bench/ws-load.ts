/**
 * Readers on bare sockets, a process of its own: opens WebSockets, counts bytes and data frames, and takes as little of
 * the shared processors as it can. Prints `ready` when every socket is level with the tail (`waitFor: 'caught_up'`) or
 * open, then one line of JSON when the expected bytes have come or every socket was closed.
 *
 * argv[2] is a JSON object: see {@link ReaderOptions}.
 */

import { connect, type Socket } from 'node:net';

export interface ReaderOptions {
  readonly port: number;
  readonly path: string;
  readonly protocol: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly sockets: number;
  readonly waitFor: 'open' | 'caught_up';
  /** Binary frames that end the run, over all sockets. */
  readonly frames: number;
}

export interface ReaderResult {
  readonly bytes: number;
  readonly frames: number;
  readonly seconds: number;
}

const BINARY = 0x82;
const CAUGHT_UP = Buffer.from('caught_up');

/** The reader's place in the bytes of one socket: frames are counted, never put together. */
interface Place {
  /** Bytes of the current frame's payload that are still to come. */
  left: number;
  head: Buffer;
  text: Buffer;
  level: boolean;
}

if (process.argv[2] !== undefined) main(JSON.parse(process.argv[2]) as ReaderOptions);

function main(options: ReaderOptions): void {
  let bytes = 0;
  let frames = 0;
  let level = 0;
  let startedAt = 0;
  let ended = false;
  const sockets: Socket[] = [];
  const onLevel = (): void => {
    if (++level === options.sockets) process.stdout.write('ready\n');
  };
  const finish = (): void => {
    if (ended) return;
    ended = true;
    const result: ReaderResult = { bytes, frames, seconds: (performance.now() - startedAt) / 1e3 };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    for (const socket of sockets) socket.destroy();
  };
  const onData = (place: Place, chunk: Buffer): void => {
    frames += count(place, chunk, options.waitFor === 'caught_up' ? onLevel : undefined);
    if (frames > 0 && startedAt === 0) startedAt = performance.now();
    bytes += chunk.length;
    if (frames >= options.frames) finish();
  };
  for (let i = 0; i < options.sockets; i++) sockets.push(open(options, onData, onLevel));
}

function open(options: ReaderOptions, onData: (place: Place, chunk: Buffer) => void, onLevel: () => void): Socket {
  const socket = connect({ port: options.port, host: '127.0.0.1' });
  const place: Place = { left: 0, head: Buffer.alloc(0), text: Buffer.alloc(0), level: false };
  let handshake: Buffer | undefined = Buffer.alloc(0);
  socket.on('connect', () => {
    const extra = Object.entries(options.headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('');
    socket.write(
      `GET ${options.path} HTTP/1.1\r\nhost: 127.0.0.1:${options.port}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n` +
        `sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n` +
        `sec-websocket-protocol: ${options.protocol}\r\n${extra}\r\n`,
    );
  });
  socket.on('data', (chunk: Buffer) => {
    if (handshake === undefined) return onData(place, chunk);
    handshake = Buffer.concat([handshake, chunk]);
    const end = handshake.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    if (!handshake.subarray(0, 12).toString().endsWith('101')) throw new Error(handshake.subarray(0, 200).toString());
    const rest = handshake.subarray(end + 4);
    handshake = undefined;
    if (options.waitFor === 'open') onLevel();
    if (rest.length > 0) onData(place, rest);
    return undefined;
  });
  return socket;
}

/** Walks frame heads in a chunk; returns how many binary frames began in it. */
function count(place: Place, chunk: Buffer, onLevel: (() => void) | undefined): number {
  let binary = 0;
  let rest = chunk;
  while (rest.length > 0) {
    if (place.left > 0) {
      const taken = Math.min(place.left, rest.length);
      if (onLevel !== undefined && !place.level) watch(place, rest.subarray(0, taken), onLevel);
      place.left -= taken;
      rest = rest.subarray(taken);
      continue;
    }
    const head = place.head.length === 0 ? rest : Buffer.concat([place.head, rest]);
    const length = headLength(head);
    if (length > head.length) {
      place.head = Buffer.from(head);
      return binary;
    }
    if (head[0] === BINARY) binary++;
    place.left = payloadLength(head);
    place.head = Buffer.alloc(0);
    rest = head.subarray(length);
  }
  return binary;
}

function watch(place: Place, payload: Buffer, onLevel: () => void): void {
  place.text = Buffer.concat([place.text, payload]).subarray(-4_096);
  if (!place.text.includes(CAUGHT_UP)) return;
  place.level = true;
  place.text = Buffer.alloc(0);
  onLevel();
}

function headLength(head: Buffer): number {
  if (head.length < 2) return 2;
  const short = (head[1] ?? 0) & 0x7f;
  return short < 126 ? 2 : short === 126 ? 4 : 10;
}

function payloadLength(head: Buffer): number {
  const short = (head[1] ?? 0) & 0x7f;
  if (short < 126) return short;
  return short === 126 ? head.readUInt16BE(2) : head.readUInt32BE(6);
}
