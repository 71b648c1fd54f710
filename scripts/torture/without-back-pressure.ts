/**
 * Preloaded into a server for the negative control of slow-readers.ts: it believes that every WebSocket has taken
 * everything, so it reads on and on for readers that do not.
 */

import { WebSocket } from 'ws';

Object.defineProperty(WebSocket.prototype, 'bufferedAmount', { get: () => 0 });
