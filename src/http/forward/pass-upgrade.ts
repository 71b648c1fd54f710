/**
 * An upgrade that goes to another node: its head is written to a connection of its own, and from then on bytes go both
 * ways as they come, also those of a refusal.
 */

import { type IncomingMessage, STATUS_CODES } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { TailraceError } from '../../model/error.ts';
import { FORWARD_CONNECT_MS, FORWARD_SILENCE_MS, SOCKET_PING_MS } from '../../model/limits.ts';
import { linger } from '../connection/linger.ts';
import { s2ErrorBody, s2Status } from '../errors.ts';
import { retryAfterSeconds } from '../status.ts';
import { type NodeAddress, placeOf } from './node-session.ts';
import { passedUpgradeHead } from './passed-headers.ts';

/** The node pings readers, and they answer: a connection that is silent for longer is lost. */
const SILENCE_MS = 3 * SOCKET_PING_MS;

/** What comes of an upgrade. */
export interface UpgradeEnd {
  /** No connection could be made, or it ended before the node answered. */
  readonly onFailed: (reason: string) => void;
  /** Called once, in any case. */
  readonly onOver: () => void;
}

/** What Node's server hands over, and the headers that a node adds. */
export interface OpenUpgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What came behind the head. */
  readonly head: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** Connects, and pipes until one side has ended. Returns how to end both. */
export function passUpgrade(
  { request, socket, head, headers }: OpenUpgrade,
  address: NodeAddress,
  { onFailed, onOver }: UpgradeEnd,
): () => void {
  const node = connectTo(address);
  let isAnswered = false;
  let reason = 'the connection ended';
  node.setNoDelay(true).setKeepAlive(true, SOCKET_PING_MS);
  node.setTimeout(FORWARD_CONNECT_MS, () => node.destroy(new Error('the node is silent')));
  node.once(address.url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
    node.setTimeout(FORWARD_SILENCE_MS);
    node.write(passedUpgradeHead(request, headers));
    node.write(head);
    socket.pipe(node);
  });
  node.once('data', () => {
    isAnswered = true;
    node.setTimeout(SILENCE_MS);
  });
  node.pipe(socket, { end: false });
  // The client has a moment to read what the node said last, and the node to see that the client has ended.
  node.once('end', () => {
    if (!isAnswered) return;
    socket.unpipe(node);
    linger(socket);
  });
  socket.once('end', () => linger(node));
  node.on('error', (error) => {
    reason = error.message;
  });
  socket.on('error', () => {});
  socket.once('close', () => node.destroy());
  node.once('close', () => {
    if (!isAnswered && !socket.destroyed) onFailed(reason);
    else if (!node.readableEnded) socket.destroy();
    onOver();
  });
  return () => node.destroy();
}

/** Refuses an upgrade as the server of WebSockets does. */
export function refuseUpgrade(socket: Duplex, error: TailraceError, correlationId: string): void {
  socket.on('error', () => {});
  const status = s2Status(error);
  const body = s2ErrorBody(error, correlationId);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Correlation-Id: ${correlationId}`,
    `Retry-After: ${retryAfterSeconds(error)}`,
    'Connection: close',
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  linger(socket);
}

function connectTo({ url, ca }: NodeAddress): Socket {
  const place = { ...placeOf(url), allowHalfOpen: true };
  if (url.protocol === 'http:') return connectTcp(place);
  return connectTls({ ...place, ALPNProtocols: ['http/1.1'], ...(ca === undefined ? {} : { ca }) });
}
