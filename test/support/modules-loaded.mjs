/**
 * Preloaded (`node --import`) into a command: writes to the file MODULES_FILE which modules it had loaded when it began
 * to listen, or else when it ended, one a line; those of Node itself as `node:…`.
 */
import { writeFileSync } from 'node:fs';
import { createRequire, register } from 'node:module';
import { Server } from 'node:net';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';

// Modules are loaded through hooks, which run in a thread of their own and answer only after they have posted.
const HOOKS = `
  let port;
  export function initialize(data) { port = data.port; }
  export async function load(url, context, next) { port.postMessage(url); return next(url, context); }
`;
const { port1, port2 } = new MessageChannel();
const hooks = `data:text/javascript,${encodeURIComponent(HOOKS)}`;
register(hooks, { data: { port: port2 }, transferList: [port2] });

const seen = [];
let hasListened = false;
const { listen } = Server.prototype;
// The lock of the data directory listens before the port does, so the last call counts.
Server.prototype.listen = function (...args) {
  hasListened = true;
  writeModules();
  return listen.apply(this, args);
};
process.on('exit', () => {
  if (!hasListened) writeModules();
});

function writeModules() {
  for (let next = receiveMessageOnPort(port1); next !== undefined; next = receiveMessageOnPort(port1)) {
    seen.push(next.message);
  }
  const inside = process.moduleLoadList.filter((name) => name.startsWith('NativeModule '));
  const builtin = inside.map((name) => name.replace('NativeModule ', 'node:'));
  writeFileSync(
    process.env.MODULES_FILE,
    [...Object.keys(createRequire(import.meta.url).cache), ...seen, ...builtin].join('\n'),
  );
}
