/**
 * Stands between an S2 client and a server and alters what s2s reads get: what a server would send that loses, doubles,
 * reorders or changes records. Everything else passes as it is.
 */

import { connect as connectHttp2, createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import protobuf from 'protobufjs/light.js';
import { FrameReader } from '../../src/s2/frame-reader.ts';
import { SCHEMA } from '../../src/s2/schema.gen.ts';
import { frame } from './s2s-client.ts';

const ReadBatchType = protobuf.Root.fromJSON(SCHEMA).lookupType('s2.v1.ReadBatch');

export interface AlteredRecord {
  readonly seqNum: number;
  readonly body: Buffer;
}

/** What becomes of the records of a batch. */
export type Alteration = (records: readonly AlteredRecord[]) => readonly AlteredRecord[];

export interface AlteringProxy {
  readonly port: number;
  /** Cuts every connection, and takes no more. */
  close(): void;
}

/** Listens on a free port of this machine. */
export async function startAlteringProxy(port: number, alter: Alteration): Promise<AlteringProxy> {
  const sockets = new Set<Socket>();
  const http2 = createHttp2();
  http2.on('stream', (stream, headers) => passOn(port, alter, stream, headers));
  const server = createServer({ noDelay: true }, (client) => {
    sockets.add(client);
    client.on('error', () => {}).on('close', () => sockets.delete(client));
    client.once('data', (first: Buffer) => {
      client.pause();
      client.unshift(first);
      if (first.subarray(0, 3).toString() === 'PRI') {
        http2.emit('connection', client);
        return;
      }
      const onward = connect({ port, host: '127.0.0.1', noDelay: true });
      onward.on('error', () => client.destroy());
      client.on('close', () => onward.destroy());
      client.pipe(onward).pipe(client);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function passOn(port: number, alter: Alteration, client: ServerHttp2Stream, headers: object): void {
  const onward = connectHttp2(`http://127.0.0.1:${port}`);
  const request = onward.request({ ...headers, ':authority': `127.0.0.1:${port}` }, { endStream: false });
  const frames = new FrameReader();
  for (const part of [onward, request, client]) part.on('error', () => {});
  client.on('close', () => onward.destroy());
  client.pipe(request);
  request.on('response', (head) => client.respond(head));
  request.on('end', () => client.end());
  request.on('data', (chunk: Buffer) => {
    if ((headers as { ':method'?: string })[':method'] !== 'GET') {
      client.write(chunk);
      return;
    }
    frames.push(chunk);
    for (let next = frames.next(); next !== undefined; next = frames.next()) {
      client.write(frame(next.flag === 0 ? altered(next.body, alter) : next.body, next.flag));
    }
  });
}

function altered(message: Buffer, alter: Alteration): Uint8Array {
  const batch = ReadBatchType.toObject(ReadBatchType.decode(message), { longs: Number, arrays: true });
  return ReadBatchType.encode(ReadBatchType.create({ ...batch, records: alter(batch.records) })).finish();
}
