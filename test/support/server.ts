/** A real server process on a real data directory, for every black-box suite: start, talk, stop or kill. */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLUSTER_SETTING, type NatsPlaces, startClustered } from './clustered-server.ts';
import { expectNoSecretsLeft, ROOT_TOKEN, rememberSecret } from './secrets.ts';
import type { Exit, ServerSetup, TestServer } from './test-server.ts';

export type { Exit, ServerSetup, TestServer } from './test-server.ts';

/** How a server that refuses to start ended. */
export interface FailedStart extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const START_MS = 20_000;

/** Starts `tailrace serve` on a free port and waits for its `listening on` line. */
export async function startServer(setup: ServerSetup = {}): Promise<TestServer> {
  const places = process.env[CLUSTER_SETTING];
  const isAlone = places === undefined || setup.main !== undefined || setup.args?.includes('--cluster') === true;
  return isAlone ? startAlone(setup) : startClustered(JSON.parse(places) as NatsPlaces, setup, startAlone);
}

async function startAlone(setup: ServerSetup): Promise<TestServer> {
  const ownDir = setup.dataDir === undefined;
  const dataDir = setup.dataDir ?? (await mkdtemp(join(tmpdir(), 'tailrace-test-')));
  const run = launch(setup, dataDir);
  const clean = async (): Promise<void> => {
    if (ownDir) await rm(dataDir, { recursive: true, force: true });
  };
  const url = await run.listening.catch(async (cause: unknown) => {
    run.child.kill('SIGKILL');
    await clean();
    throw cause;
  });
  const token = await tokenOf(setup, dataDir);
  rememberSecret(ROOT_TOKEN, token);
  const end = async (signal: NodeJS.Signals): Promise<Exit> => {
    run.child.kill(signal);
    const exit = await run.exited;
    try {
      await expectNoSecretsLeft(dataDir, run.output);
    } finally {
      await clean();
    }
    return exit;
  };
  return {
    url,
    port: Number(new URL(url).port),
    grpcUrl: /ENDPOINT=(\S+) \S+=grpc/.exec(run.output.stdout)?.[1],
    token,
    dataDir,
    pid: run.child.pid ?? 0,
    exited: run.exited,
    stdout: () => run.output.stdout,
    stderr: () => run.output.stderr,
    stop: (signal = 'SIGTERM') => end(signal),
    kill: async () => {
      await end('SIGKILL');
    },
  };
}

/** Starts a server that must not come up, and waits for its end. */
export async function failToStart(setup: ServerSetup & { readonly dataDir: string }): Promise<FailedStart> {
  const run = launch(setup, setup.dataDir);
  const listened = await run.listening.then(
    () => true,
    () => false,
  );
  if (listened) run.child.kill('SIGKILL');
  const exit = await run.exited;
  if (listened) throw new Error('the server started although it should not');
  return { ...exit, ...run.output };
}

interface Run {
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  readonly listening: Promise<string>;
  readonly output: { stdout: string; stderr: string };
}

function launch(setup: ServerSetup, dataDir: string): Run {
  const main = setup.main ?? MAIN;
  if (!existsSync(main)) throw new Error(`${main} is missing: run npm run build first`);
  const args = [main, 'serve', '--port', '0', '--grpc-port', 'auto', '--data-dir', dataDir, ...(setup.args ?? [])];
  const child = spawn(process.execPath, args, { env: environment(setup), stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stderr?.on('data', (text: Buffer) => {
    output.stderr += text.toString();
  });
  const exited = new Promise<Exit>((resolve) => child.on('close', (code, signal) => resolve({ code, signal })));
  const listening = new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the server did not start:\n${output.stderr}`)), START_MS);
    child.stdout?.on('data', (text: Buffer) => {
      output.stdout += text.toString();
      const url = /listening on (https?:\/\/\S+)/.exec(output.stdout)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve(url);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      reject(new Error(`the server ended with code ${code} before it listened:\n${output.stderr}`));
    });
  });
  listening.catch(() => {});
  return { child, exited, listening, output };
}

/** Only what a process needs: settings of the machine that runs the tests must not leak in. */
function environment(setup: ServerSetup): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(TAILRACE|S2|OTEL|NODE_OPTIONS)/.test(name));
  return { ...Object.fromEntries(own), ...setup.env };
}

async function tokenOf(setup: ServerSetup, dataDir: string): Promise<string> {
  if (setup.env?.TAILRACE_ROOT_TOKEN !== undefined) return setup.env.TAILRACE_ROOT_TOKEN;
  return (await readFile(join(dataDir, 'root-token'), 'utf8').catch(() => '')).trim();
}
