/**
 * Loaded into a server before it starts (`node --import`): how much processor time the main thread takes between two
 * looks of the event loop, at most. The system counts the time of this one thread, so neither the thread pool nor a busy
 * machine adds to it. Answers on the socket at `LOOP_PROBE_SOCKET`: `worst` gives the longest turn since the last
 * question in milliseconds, `plant N` makes one of that length.
 */

import { openSync, readSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { isMainThread } from 'node:worker_threads';

/** How often it looks; a turn may be shown longer by this much. */
const LOOK_MS = 2;

const path = process.env.LOOP_PROBE_SOCKET;
if (isMainThread && path !== undefined) watch(path);

function watch(socketPath: string): void {
  const file = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
  const bytes = Buffer.alloc(128);
  const cpuMs = (): number => {
    const length = readSync(file, bytes, 0, bytes.length, 0);
    return Number(bytes.toString('latin1', 0, length).split(' ')[0]) / 1e6;
  };
  let before = cpuMs();
  let worst = 0;
  setInterval(() => {
    const now = cpuMs();
    worst = Math.max(worst, now - before);
    before = now;
  }, LOOK_MS).unref();
  const server = createServer((socket) => {
    createInterface(socket).on('line', (line) => {
      const [word, ms] = line.split(' ');
      if (word === 'plant') {
        const end = cpuMs() + Number(ms);
        while (cpuMs() < end);
      }
      // In the turn after the next look, which has seen what was planted.
      setTimeout(() => {
        socket.write(`${Math.round(worst)}\n`);
        if (word === 'worst') worst = 0;
      }, 2 * LOOK_MS);
    });
    socket.on('error', () => {});
    socket.unref();
  });
  server.listen(socketPath).unref();
}
