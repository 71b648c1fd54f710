/** A server with `probe.ts` in it, for the tests of the event loop. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface ProbedServer {
  readonly port: number;
  readonly token: string;
  /** The longest turn of its event loop since the last call, in milliseconds of processor time. */
  worstTurnMs(): Promise<number>;
  /** Makes the server stand still for so long. */
  plant(ms: number): Promise<void>;
  stop(): Promise<void>;
}

/** From the sources too, the server is the built one. */
const DIST = new URL(import.meta.url.includes('/dist/scripts/') ? '../../../' : '../../../dist/', import.meta.url);

/** `args` follow `serve --port 0 --data-dir …`; `preload` is the name of another script of this folder. */
export async function startProbedServer(args: readonly string[] = [], preload?: string): Promise<ProbedServer> {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-loop-'));
  const probe = join(folder, 'probe');
  const dataDir = join(folder, 'data');
  const main = fileURLToPath(new URL('cli/main.js', DIST));
  const preloads = ['loop/probe', ...(preload === undefined ? [] : [preload])];
  const imports = preloads.map((name) => `--import=${new URL(`scripts/torture/${name}.js`, DIST).href}`);
  const given = ['serve', '--port', '0', '--data-dir', dataDir, '--log-level', 'error', ...args];
  const child = spawn(process.execPath, [...imports, main, ...given], {
    env: { ...process.env, NODE_OPTIONS: '', LOOP_PROBE_SOCKET: probe },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const port = await portOf(createInterface(child.stdout), exited);
  const token = readFileSync(join(dataDir, 'root-token'), 'utf8').trim();
  return {
    port,
    token,
    worstTurnMs: () => ask(probe, 'worst'),
    plant: async (ms) => {
      await ask(probe, `plant ${ms}`);
    },
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function portOf(lines: AsyncIterable<string>, exited: Promise<unknown>): Promise<number> {
  const found = (async () => {
    for await (const line of lines) {
      const port = /listening on https?:\/\/\S+:(\d+)/.exec(line)?.[1];
      if (port !== undefined) return Number(port);
    }
    return undefined;
  })();
  const port = await Promise.race([found, exited.then(() => undefined)]);
  if (port === undefined) throw new Error('the server did not start');
  return port;
}

async function ask(path: string, question: string): Promise<number> {
  const socket = connect(path);
  socket.write(`${question}\n`);
  const [line] = (await once(createInterface(socket), 'line')) as [string];
  socket.destroy();
  return Number(line);
}
