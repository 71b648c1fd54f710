/**
 * Tailrace with replaced parts, for faults; takes the flags of `tailrace serve` that it needs and prints the same first
 * line. Runs the built code. `SEAMS_EARLY_ACK=1` acknowledges before a transaction is handed to the engine;
 * `SEAMS_FILE_BYTES_MAX` limits the size of its files as `ulimit -f` does, or ends it with code 77 where that is not
 * possible; SIGUSR2 trims every stream to its tail. `SEAMS_LEAK` leaks secrets from request headers: `log` writes them
 * to stderr, `row` into the store, in base64. `SEAMS_HASTE=20` makes its time run twenty times as fast, heartbeats too.
 */

import { spawnSync } from 'node:child_process';
import { Server } from 'node:http';
import { parseArgs } from 'node:util';
import { createServer } from '../../dist/src/server.js';

/** The key family of blocks. */
const BLOCKS = 5;
const HAND_OVER_LATER_MS = 200;

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    port: { type: 'string' },
    'grpc-port': { type: 'string' },
    'data-dir': { type: 'string' },
    'store-bytes-max': { type: 'string' },
    'when-full': { type: 'string' },
  },
});
limitFileSize(process.env.SEAMS_FILE_BYTES_MAX);
if (process.env.SEAMS_LEAK !== undefined) leakHeaders(process.env.SEAMS_LEAK);
let leakedInto;
const server = await createServer(
  {
    port: values.port,
    grpcPort: values['grpc-port'],
    dataDir: values['data-dir'],
    logLevel: 'error',
    ...(values['store-bytes-max'] === undefined ? {} : { storeBytesMax: values['store-bytes-max'] }),
    ...(values['when-full'] === undefined ? {} : { whenFull: values['when-full'] }),
  },
  {
    wrapEngine: process.env.SEAMS_EARLY_ACK === '1' ? acknowledgeEarly : keepEngine,
    ...(process.env.SEAMS_HASTE === undefined ? {} : { clock: hastyClock(Number(process.env.SEAMS_HASTE)) }),
  },
);
const { url } = await server.listen();
process.on('SIGUSR2', () => void trimAll());
process.on('SIGTERM', () => void server.close());
process.stdout.write(`listening on ${url}\n`);

function limitFileSize(bytesMax) {
  if (bytesMax === undefined) return;
  const limited = spawnSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytesMax}`]);
  if (limited.status !== 0) process.exit(77);
}

function hastyClock(factor) {
  const start = Date.now();
  return {
    now: () => Math.floor(start + performance.now() * factor),
    monotonicMs: () => performance.now() * factor,
    timer: (delayMs, call) => {
      const timer = setTimeout(call, delayMs / factor);
      timer.unref();
      return () => clearTimeout(timer);
    },
  };
}

function keepEngine(engine) {
  leakedInto = engine;
  return engine;
}

/** The leak fault: the secret of a caller is written down before anything else happens. */
function leakHeaders(where) {
  const { emit } = Server.prototype;
  Server.prototype.emit = function (event, request, ...rest) {
    const secret = event === 'request' ? request.headers.authorization : undefined;
    if (secret === undefined) return emit.call(this, event, request, ...rest);
    if (where === 'log') process.stderr.write(`${JSON.stringify({ headers: { authorization: secret } })}\n`);
    if (where !== 'row') return emit.call(this, event, request, ...rest);
    const row = {
      type: 'put',
      key: Buffer.from('\x01leak'),
      value: Buffer.from(Buffer.from(secret).toString('base64')),
    };
    void leakedInto.commit([row]).then(() => emit.call(this, event, request, ...rest));
    return true;
  };
}

/** The early-ack fault: the log is told that a commit is durable before the engine has seen it. */
function acknowledgeEarly(engine) {
  return new Proxy(engine, {
    get(target, name) {
      if (name !== 'commit') return typeof target[name] === 'function' ? target[name].bind(target) : target[name];
      return async (writes, options) => {
        // What makes the server usable at all (basin, root token) is committed normally.
        if (!writes.some(({ key }) => key[0] === BLOCKS)) return target.commit(writes, options);
        setTimeout(() => void target.commit(writes, options).catch(() => {}), HAND_OVER_LATER_MS);
      };
    },
  });
}

async function trimAll() {
  for (const basin of server.log.listBasins()) {
    const { streams } = await server.log.listStreams(basin, { prefix: '', startAfter: '', limit: 1_000 });
    for (const { name } of streams) {
      const stream = await server.log.openStream(basin, name, 'read');
      await server.log.trim(stream, (await server.log.checkTail(stream)).seqNum);
    }
  }
}
