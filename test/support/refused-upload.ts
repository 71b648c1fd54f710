/** A client that wants to close, and sends the rest of its body after it was refused: it still gets the whole refusal. */

import { once } from 'node:events';
import { connect } from 'node:net';

const BYTES = 500_000;

/** Resolves with what came, when the server has ended in order. Rejects when it resets the connection. */
export async function refusalOfUpload(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  const head = 'POST /v1/logs HTTP/1.1\r\nhost: x\r\nauthorization: Bearer wrong\r\ncontent-type: application/json';
  socket.write(`${head}\r\nconnection: close\r\ncontent-length: ${BYTES}\r\n\r\n`);
  while (!received.includes('401 Unauthorized')) await once(socket, 'data');
  socket.write(Buffer.alloc(BYTES / 2));
  await new Promise<void>((resolve) => void socket.write(Buffer.alloc(BYTES / 2), () => resolve()));
  await once(socket, 'end');
  socket.destroy();
  return received;
}
