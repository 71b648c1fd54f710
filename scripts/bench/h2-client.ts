/**
 * The part of an HTTP/2 client that the benchmarks need: prior knowledge, large windows, headers without compression,
 * bodies counted where they lie. It takes less of the shared processors than `node:http2` would.
 */

import { connect, type Socket } from 'node:net';

/** One request under way. */
export interface RawStream {
  /** Sends when the peer's windows allow it, in order. */
  write(bytes: Buffer): void;
  /** Half-closes after everything that was written. */
  end(): void;
}

export interface RawStreamEvents {
  onData(bytes: Buffer): void;
  onEnd(): void;
}

export interface RawConnection {
  request(headers: readonly (readonly [name: string, value: string])[], events: RawStreamEvents): RawStream;
  destroy(): void;
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const TYPE = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;
const SETTING = { enablePush: 2, initialWindow: 4 } as const;
const ACK = 1;
const END_STREAM = 1;
const END_HEADERS = 4;
const HEAD_BYTES = 9;
const PAYLOAD_MAX = 16_384;
const WINDOW = 0x7fff_ffff;
const FIRST_WINDOW = 65_535;
/** Windows are opened again after this many bytes. */
const REFILL = 256 * 1024 * 1024;
/** `:status: 200` in the static table. */
const STATUS_200 = 0x88;

interface Stream {
  readonly id: number;
  readonly events: RawStreamEvents;
  window: number;
  readonly waiting: Buffer[];
  ending: boolean;
  ended: boolean;
}

/** Opens a connection; anything unexpected ends the process. */
export async function connectRawH2(port: number): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.on('error', (error) => fail(error.message));
  const wire = new Wire(socket);
  socket.on('data', (chunk: Buffer) => wire.take(chunk));
  return { request: (headers, events) => wire.request(headers, events), destroy: () => socket.destroy() };
}

class Wire {
  readonly #socket: Socket;
  readonly #streams = new Map<number, Stream>();
  #nextId = 1;
  #window = FIRST_WINDOW;
  #initialWindow = FIRST_WINDOW;
  #received = 0;
  /** Of the frame that is coming in. */
  #head = Buffer.alloc(0);
  #left = 0;
  #payload: Buffer[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
    const settings = Buffer.alloc(12);
    settings.writeUInt16BE(SETTING.enablePush, 0);
    settings.writeUInt16BE(SETTING.initialWindow, 6);
    settings.writeUInt32BE(WINDOW, 8);
    socket.write(Buffer.concat([PREFACE, frame(TYPE.settings, 0, 0, settings)]));
    this.#refill(0, WINDOW - FIRST_WINDOW);
  }

  request(headers: readonly (readonly [string, string])[], events: RawStreamEvents): RawStream {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream: Stream = { id, events, window: this.#initialWindow, waiting: [], ending: false, ended: false };
    this.#streams.set(id, stream);
    this.#socket.write(frame(TYPE.headers, END_HEADERS, id, Buffer.concat(headers.map(literal))));
    return {
      write: (bytes) => {
        stream.waiting.push(bytes);
        this.#flush(stream);
      },
      end: () => {
        stream.ending = true;
        this.#flush(stream);
      },
    };
  }

  take(chunk: Buffer): void {
    for (let rest = chunk; rest.length > 0; ) {
      if (this.#head.length < HEAD_BYTES) {
        const missing = HEAD_BYTES - this.#head.length;
        this.#head = Buffer.concat([this.#head, rest.subarray(0, missing)]);
        rest = rest.subarray(missing);
        if (this.#head.length < HEAD_BYTES) return;
        this.#left = this.#head.readUIntBE(0, 3);
      }
      const part = rest.subarray(0, this.#left);
      rest = rest.subarray(part.length);
      this.#left -= part.length;
      if (this.#head[3] === TYPE.data) this.#data(part);
      else this.#payload.push(part);
      if (this.#left > 0) return;
      this.#frame(this.#head[3] ?? 0, this.#head[4] ?? 0, this.#head.readUInt32BE(5) & WINDOW);
      this.#head = Buffer.alloc(0);
      this.#payload = [];
    }
  }

  #data(part: Buffer): void {
    const id = this.#head.readUInt32BE(5) & WINDOW;
    this.#received += part.length;
    if (this.#received > REFILL) {
      this.#refill(0, this.#received);
      for (const stream of this.#streams.keys()) this.#refill(stream, this.#received);
      this.#received = 0;
    }
    if (part.length > 0) this.#streams.get(id)?.events.onData(part);
  }

  #frame(type: number, flags: number, id: number): void {
    const payload = Buffer.concat(this.#payload);
    // After the whole response a server may close the other half like this.
    if (type === TYPE.reset && (payload.readUInt32BE(0) !== 0 || this.#streams.has(id)))
      fail(`stream ${id} was reset with ${payload.readUInt32BE(0)}`);
    if (type === TYPE.goAway && payload.readUInt32BE(4) !== 0) fail(`GOAWAY ${payload.subarray(4).toString('latin1')}`);
    if (type === TYPE.settings && (flags & ACK) === 0) this.#settings(payload);
    if (type === TYPE.ping && (flags & ACK) === 0) this.#socket.write(frame(TYPE.ping, ACK, 0, payload));
    if (type === TYPE.headers && !payload.subarray(0, 4).includes(STATUS_200))
      fail(`not a 200: ${payload.toString('hex')}`);
    if (type === TYPE.windowUpdate) this.#credit(id, payload.readUInt32BE(0));
    const stream = this.#streams.get(id);
    if (stream === undefined || (flags & END_STREAM) === 0 || (type !== TYPE.data && type !== TYPE.headers)) return;
    this.#streams.delete(id);
    stream.events.onEnd();
  }

  #settings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      if (payload.readUInt16BE(at) !== SETTING.initialWindow) continue;
      const change = payload.readUInt32BE(at + 2) - this.#initialWindow;
      this.#initialWindow += change;
      for (const stream of this.#streams.values()) stream.window += change;
    }
    this.#socket.write(frame(TYPE.settings, ACK, 0, Buffer.alloc(0)));
    for (const stream of this.#streams.values()) this.#flush(stream);
  }

  #credit(id: number, more: number): void {
    if (id === 0) this.#window += more;
    const stream = this.#streams.get(id);
    if (stream !== undefined) stream.window += more;
    for (const waiting of id === 0 ? this.#streams.values() : stream === undefined ? [] : [stream])
      this.#flush(waiting);
  }

  #flush(stream: Stream): void {
    this.#socket.cork();
    for (let next = stream.waiting[0]; next !== undefined; next = stream.waiting[0]) {
      const bytes = Math.min(next.length, PAYLOAD_MAX, this.#window, stream.window);
      if (bytes <= 0) break;
      this.#window -= bytes;
      stream.window -= bytes;
      this.#socket.write(frameHead(TYPE.data, 0, stream.id, bytes));
      this.#socket.write(next.subarray(0, bytes));
      if (bytes === next.length) stream.waiting.shift();
      else stream.waiting[0] = next.subarray(bytes);
    }
    if (stream.ending && !stream.ended && stream.waiting.length === 0) {
      stream.ended = true;
      this.#socket.write(frameHead(TYPE.data, END_STREAM, stream.id, 0));
    }
    this.#socket.uncork();
  }

  #refill(id: number, bytes: number): void {
    const more = Buffer.alloc(4);
    more.writeUInt32BE(bytes);
    this.#socket.write(frame(TYPE.windowUpdate, 0, id, more));
  }
}

function frameHead(type: number, flags: number, id: number, bytes: number): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head.writeUIntBE(bytes, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return head;
}

function frame(type: number, flags: number, id: number, payload: Buffer): Buffer {
  return Buffer.concat([frameHead(type, flags, id, payload.length), payload]);
}

/** A header that is not indexed; names and values are shorter than 127 bytes. */
function literal([name, value]: readonly [string, string]): Buffer {
  return Buffer.concat([Buffer.of(0, name.length), Buffer.from(name), Buffer.of(value.length), Buffer.from(value)]);
}

function fail(why: string): never {
  process.stderr.write(`h2: ${why}\n`);
  process.exit(1);
}
