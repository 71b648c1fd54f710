/** A log whose reads give what the test says, when it says so; and a server over it behind a real HTTP server. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { Access, type AccessMode } from '../../src/access/access.ts';
import { BasinRule } from '../../src/access/basin-rule.ts';
import { hashToken } from '../../src/access/tokens/credential.ts';
import { BufferPool } from '../../src/encoding/buffer-pool.ts';
import type { ReadEvent } from '../../src/log/events.ts';
import type { LogRead, StreamRead } from '../../src/log/open-reads.ts';
import type { Position } from '../../src/model/position.ts';
import type { ReadRange } from '../../src/model/read-range.ts';
import { SILENT } from '../../src/observe/logger.ts';
import { ReaderSet } from '../../src/readers/reader-set.ts';
import {
  createSocketServer,
  type ReadableLog,
  type SocketServer,
  type SocketServerDeps,
} from '../../src/socket/server.ts';
import type { Block } from '../../src/storage/block/block.ts';
import { noTokens } from './no-tokens.ts';
import { ManualClock } from './socket-clock.ts';

export const TOKEN = `trk_${'ab'.repeat(24)}`;

interface ScriptStream {
  readonly id: string;
}

/** One `read` call: what was asked, and whether its reader is still there. */
export interface ScriptedRead {
  readonly range: ReadRange;
  readonly signal: AbortSignal;
  /** Events that it has asked for and got. */
  taken: number;
}

/** Gives all readers the same events; each reader takes them at its own pace. */
export class ScriptedLog implements ReadableLog<string, ScriptStream> {
  readonly reads: ScriptedRead[] = [];
  streamId = '7';
  openFault: Error | undefined;
  readonly #events: (ReadEvent | Error | 'end')[] = [];
  #waiting: (() => void)[] = [];

  basin(name: string): string | undefined {
    return name === 'telemetry' || name === 'other-basin' ? name : undefined;
  }

  openStream(_basin: string, _name: string): ScriptStream | Promise<ScriptStream> {
    return this.openFault === undefined ? { id: this.streamId } : Promise.reject(this.openFault);
  }

  push(...events: (ReadEvent | Error | 'end')[]): void {
    this.#events.push(...events);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  startMany(): Promise<LogRead> {
    return Promise.reject(new Error('the script has single streams'));
  }

  async startRead(stream: ScriptStream, range: ReadRange, signal: AbortSignal): Promise<StreamRead> {
    const events = this.#read(stream, range, signal);
    const read: StreamRead = {
      [Symbol.asyncIterator]: () => read,
      next: () => events.next() as Promise<IteratorResult<ReadEvent, undefined>>,
      return: () => events.return(undefined) as Promise<IteratorResult<ReadEvent, undefined>>,
      position: 0,
      positionIn: () => undefined,
      isScanning: false,
      // It holds nothing of its own.
      park: async () => {},
    };
    return read;
  }

  async *#read(_stream: ScriptStream, range: ReadRange, signal: AbortSignal): AsyncGenerator<ReadEvent> {
    const read: ScriptedRead = { range, signal, taken: 0 };
    this.reads.push(read);
    for (let next = 0; !signal.aborted; next++) {
      while (next >= this.#events.length && !signal.aborted) await this.#more(signal);
      const event = this.#events[next];
      if (event instanceof Error) throw event;
      if (event === 'end' || event === undefined) return;
      read.taken++;
      yield event;
    }
  }

  #more(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.push(wake);
      signal.addEventListener('abort', wake);
    });
  }
}

/** All records of a block as an event. */
export function records(block: Block, tail?: Position): ReadEvent {
  return {
    type: 'records',
    block,
    from: 0,
    to: block.header.count,
    tail,
    isShared: true,
    isLive: false,
    hasMore: false,
  };
}

/** The position behind a block. */
export function behind(block: Block): Position {
  return { seqNum: block.firstSeq + block.header.count, timestamp: block.header.lastTimestamp };
}

export interface ScriptedServer {
  readonly url: string;
  readonly port: number;
  readonly socketServer: SocketServer;
  readonly readers: ReaderSet;
  readonly clock: ManualClock;
  /** Breaks every connection, as a network does. */
  cut(): void;
  close(): Promise<void>;
}

export async function startScriptedServer<B, S extends { readonly id: string }>(
  log: ReadableLog<B, S>,
  options: Partial<Omit<SocketServerDeps<B, S>, 'log' | 'readers'>> & {
    readonly mode?: AccessMode;
  } = {},
): Promise<ScriptedServer> {
  const clock = new ManualClock();
  const { mode, ...rest } = options;
  const readers = new ReaderSet({ clock, pool: new BufferPool() });
  const socketServer = createSocketServer({
    audit: { write: () => {} },
    warnings: { warn: () => {} },
    log,
    readers,
    access: new Access(
      mode ?? { type: 'tokens', rootTokenHash: hashToken(TOKEN), tokens: await noTokens(clock) },
      clock,
    ),
    basinRule: new BasinRule({ defaultBasin: 'telemetry' }),
    logger: SILENT,
    ...rest,
  });
  const server = createServer();
  const sockets = new Set<Duplex>();
  server.on('upgrade', (request, socket, head) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socketServer.upgrade(request, socket, head);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}/v1/streams/my-app/records`,
    port,
    socketServer,
    readers,
    clock,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    close: async () => {
      await readers.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
