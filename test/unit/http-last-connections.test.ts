/** What becomes of connections that came at the last moment of a stop: on a clock that the test moves. */

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Listener } from '../../src/http/connection/listener.ts';
import type { Transport } from '../../src/http/exchange.ts';
import { LAST_CONNECTIONS_MS } from '../../src/model/limits.ts';
import { createLogger } from '../../src/observe/logger.ts';
import { connectRaw, type RawConnection } from '../support/http-call.ts';
import { ManualClock } from '../support/socket-clock.ts';

const GET = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n';

let clock: ManualClock;
let listener: Listener;
let client: RawConnection;

beforeEach(async () => {
  clock = new ManualClock();
  const request = (_message: unknown, transport: Transport): void => {
    if (transport.version === 1) transport.response.setHeader('connection', 'close').end('here');
  };
  const logger = createLogger('error');
  listener = new Listener(
    { request, upgrade: () => {} },
    { clock, logger, tls: undefined, portAdvice: 'choose another' },
  );
  const { port } = await listener.listen({ host: '127.0.0.1', port: 0 });
  client = await connectRaw(port);
  while (listener.connections === 0) await new Promise((resolve) => setImmediate(resolve));
});

afterEach(() => {
  client.destroy();
  listener.cut();
});

/** Whether it is open after the rest of this turn, and the next. */
async function isOpen(): Promise<boolean> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  return listener.connections === 1;
}

test('a request whose first byte comes just before the time of the last connections is over gets its response', async () => {
  listener.stopAccepting();
  clock.advance(LAST_CONNECTIONS_MS - 1);
  listener.closeIdle();
  expect(await isOpen()).toBe(true);
  client.send(GET);
  expect(await client.until(/here$/)).toMatch(/^HTTP\/1\.1 200 /);
});

test('a connection without a byte is cut when the time of the last connections is over', async () => {
  listener.stopAccepting();
  clock.advance(LAST_CONNECTIONS_MS);
  listener.closeIdle();
  await client.closed;
  expect(client.received()).toBe('');
});

test('a connection that was silent for that long before the stop is cut at once', async () => {
  clock.advance(LAST_CONNECTIONS_MS);
  listener.stopAccepting();
  listener.closeIdle();
  await client.closed;
});
