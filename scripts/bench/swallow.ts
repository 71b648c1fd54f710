/**
 * The reference of the ingest bars: a node:http server that discards the bodies and responds as Tailrace does, in a process
 * of its own. Prints its port.
 */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const server = createServer((request, response) => {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on('end', () => {
    response.writeHead(200, [
      'content-type',
      'application/x-protobuf',
      'content-length',
      '0',
      'x-correlation-id',
      String(bytes),
    ]);
    response.end();
  });
});
server.keepAliveTimeout = 75_000;
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
