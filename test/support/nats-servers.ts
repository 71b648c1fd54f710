/** NATS servers with JetStream on loopback: one, or three in a cluster. Each can be killed, stopped and started again. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from './free-port.ts';

const VERSION = '2.15.2';
const BUILT = path.join(tmpdir(), `tailrace-nats-${VERSION}`, 'nats-server');

/** A build takes a minute on two processors; one that takes so long has no network. */
const BUILD_MS = 240_000;
const LOOK_MS = 200;

/** Found or built once in each process. */
let program: string | undefined;

export interface NatsServers {
  /** For clients. */
  readonly urls: readonly string[];
  readonly monitors: readonly string[];
  /** Ends one at once, as a crash does. */
  kill(index: number): Promise<void>;
  /** It stays connected and says nothing. */
  stop(index: number): void;
  resume(index: number): void;
  /** Starts a killed one again on its data. */
  restart(index: number): Promise<void>;
  /** Where one keeps its data. */
  storeDirOf(index: number): string;
  dispose(): Promise<void>;
}

export interface NatsServersSetup {
  /** Without it, what is acknowledged is on the disk. */
  readonly syncInterval?: string;
  /** More of the configuration of each server. */
  readonly more?: string;
  /** Where each keeps its data; without them, in a directory that goes with the servers. */
  readonly storeDirs?: readonly string[];
}

/** Whether nats-server is here or can be built, which takes a minute. */
export function hasNats(): boolean {
  program ??= findProgram() ?? buildProgram();
  return program !== undefined;
}

/** Resolves when all are ready. */
export async function startNatsServers(count: 1 | 3, setup: NatsServersSetup = {}): Promise<NatsServers> {
  const file = hasNats() ? program : undefined;
  if (file === undefined) throw new Error('there is no nats-server');
  const dir = mkdtempSync(path.join(tmpdir(), 'tailrace-nats-servers-'));
  const storeDirOf = (index: number): string => setup.storeDirs?.[index] ?? path.join(dir, `n${index}`);
  const ports = await Promise.all(Array.from({ length: count * 3 }, freePort));
  const servers = Array.from({ length: count }, (_, i) => {
    const [client = 0, monitor = 0] = [ports[i], ports[count + i]];
    const settings = path.join(dir, `n${i}.conf`);
    const place = { client, monitor, routes: ports.slice(2 * count), storeDir: storeDirOf(i) };
    writeFileSync(settings, configuration(i, place, setup));
    return new Server(file, settings, `http://127.0.0.1:${monitor}`);
  });
  const at = (index: number): Server => {
    const server = servers[index];
    if (server === undefined) throw new Error(`there is no server ${index}`);
    return server;
  };
  const dispose = async () => {
    await Promise.all(servers.map((server) => server.kill()));
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await Promise.all(servers.map((server) => server.start()));
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    urls: ports.slice(0, count).map((port) => `nats://127.0.0.1:${port}`),
    monitors: servers.map(({ monitor }) => monitor),
    kill: (index) => at(index).kill(),
    stop: (index) => at(index).signal('SIGSTOP'),
    resume: (index) => at(index).signal('SIGCONT'),
    restart: (index) => at(index).start(),
    storeDirOf,
    dispose,
  };
}

interface Place {
  readonly client: number;
  readonly monitor: number;
  readonly routes: readonly number[];
  readonly storeDir: string;
}

function configuration(index: number, { client, monitor, routes, storeDir }: Place, setup: NatsServersSetup): string {
  const urls = routes.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
  return [
    `server_name: n${index}`,
    `listen: "127.0.0.1:${client}"`,
    `http: "127.0.0.1:${monitor}"`,
    `jetstream { store_dir: "${storeDir}", sync_interval: ${setup.syncInterval ?? 'always'} }`,
    ...(routes.length === 1 ? [] : [`cluster { name: c, listen: "127.0.0.1:${routes[index]}", routes: [${urls}] }`]),
    setup.more ?? '',
    '',
  ].join('\n');
}

class Server {
  readonly #program: string;
  readonly #file: string;
  readonly monitor: string;
  #child: ChildProcess | undefined;

  constructor(program: string, file: string, monitor: string) {
    this.#program = program;
    this.#file = file;
    this.monitor = monitor;
  }

  /** Resolves when it knows who leads JetStream. */
  async start(): Promise<void> {
    let output = '';
    const child = spawn(this.#program, ['-c', this.#file], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    child.stderr.on('data', (text: Buffer) => {
      output = `${output}${text}`.slice(-4096);
    });
    for (;;) {
      if (child.exitCode !== null) throw new Error(`nats-server ended with code ${child.exitCode}: ${output}`);
      const isReady = await fetch(`${this.monitor}/healthz?js-meta-only=true`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isReady) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}

/** The one that is named, on the path, where Go puts programs, or built before. */
function findProgram(): string | undefined {
  const named = process.env.TAILRACE_NATS_SERVER ?? '';
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== '');
  const onPath = folders.map((folder) => path.join(folder, 'nats-server'));
  const places = [named, ...onPath, goProgram(), BUILT];
  return places.find((file) => file !== '' && existsSync(file));
}

function goProgram(): string {
  const { stdout, status } = spawnSync('go', ['env', 'GOPATH'], { encoding: 'utf8' });
  return status === 0 ? path.join(stdout.trim(), 'bin', 'nats-server') : '';
}

/**
 * Built when tests are declared, for which there is no time limit. Where another test file builds it already, it is waited
 * for. Undefined without Go, and where the sources cannot be had in time.
 */
function buildProgram(): string | undefined {
  if (spawnSync('go', ['version']).status !== 0) return undefined;
  const building = `${path.dirname(BUILT)}.building`;
  const since = statSync(building, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
  // That of a run which was killed.
  if (since < Date.now() - BUILD_MS) rmSync(building, { recursive: true, force: true });
  try {
    mkdirSync(building);
  } catch {
    for (let waited = 0; existsSync(building) && waited < BUILD_MS; waited += LOOK_MS) sleepSync(LOOK_MS);
    return existsSync(BUILT) ? BUILT : undefined;
  }
  try {
    return existsSync(BUILT) ? BUILT : buildIn(building);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}

function buildIn(folder: string): string | undefined {
  const module = `github.com/nats-io/nats-server/v2@v${VERSION}`;
  const env = { ...process.env, GOBIN: folder };
  const { status } = spawnSync('go', ['install', module], { env, stdio: 'inherit', timeout: BUILD_MS });
  if (status !== 0) return undefined;
  mkdirSync(path.dirname(BUILT), { recursive: true });
  renameSync(path.join(folder, 'nats-server'), BUILT);
  return BUILT;
}

function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
