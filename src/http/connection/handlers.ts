/** Where the listener hands requests and upgrades, of any protocol. */

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { HttpRequest, Transport } from '../exchange.ts';

export interface ListenerHandlers {
  request(request: HttpRequest, transport: Transport, awaitsContinue: boolean): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}
