/**
 * The server of a black-box suite as a node of a cluster that another node leads: whatever the suite asks is passed on, or
 * served from the copy of a node that follows. Only `npm run torture -- cluster-suites` asks for it.
 */

import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from './free-port.ts';
import type { ServerSetup, TestServer } from './test-server.ts';

type Start = (setup: ServerSetup) => Promise<TestServer>;

/** What the setting of the environment holds, as JSON. */
export interface NatsPlaces {
  readonly urls: readonly string[];
  readonly monitors: readonly string[];
}

interface Cluster {
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly others: readonly TestServer[];
  readonly port: number;
  readonly dir: string;
}

export const CLUSTER_SETTING = 'TAILRACE_TEST_CLUSTER';
const OTHERS = 2;
const LOOK_MS = 20;

/** Of suites that start a server again in the same directory. */
const kept = new Map<string, Cluster>();

/** Starts the others, of which one leads, then the node that the suite talks to. */
export async function startClustered(places: NatsPlaces, setup: ServerSetup, start: Start): Promise<TestServer> {
  const { dataDir } = setup;
  const known = dataDir === undefined ? undefined : kept.get(dataDir);
  const cluster = known ?? (await startOthers(places, setup, start));
  if (dataDir !== undefined) kept.set(dataDir, cluster);
  const { flags, env, port, dir, others } = cluster;
  const server = await start({
    ...setup,
    args: [...(setup.args ?? []), ...(await ownFlags(port)), ...flags],
    env: { ...env, ...setup.env },
  });
  await untilFollowing(server.url);
  const end = async (): Promise<void> => {
    if (dataDir !== undefined) return;
    await Promise.all(others.map((other) => other.kill()));
    await rm(dir, { recursive: true, force: true });
  };
  return {
    ...server,
    // Who leads says what a server alone would say.
    stderr: () => [server, ...others].map((each) => each.stderr()).join(''),
    stop: async (signal) => {
      const exit = await server.stop(signal);
      await end();
      return exit;
    },
    kill: async () => {
      await server.kill();
      await end();
    },
  };
}

async function startOthers({ urls, monitors }: NatsPlaces, setup: ServerSetup, start: Start): Promise<Cluster> {
  const dir = await mkdtemp(path.join(tmpdir(), 'tailrace-clustered-'));
  const name = `suite-${randomUUID().slice(0, 8)}`;
  const isOpen = setup.args?.includes('--no-auth') === true || setup.args?.includes('--root-token-file') === true;
  const env = isOpen ? {} : { TAILRACE_ROOT_TOKEN: `a-root-token-of-${name}-of-enough-length` };
  const flags = [
    ...['--cluster', urls.join(','), '--cluster-monitor', monitors.join(','), '--cluster-replicas', '1'],
    ...['--cluster-name', name],
  ];
  const others: TestServer[] = [];
  for (let i = 0; i < OTHERS; i++) {
    const port = await freePort();
    const own = await ownFlags(port);
    const dataDir = path.join(dir, String(i));
    const server = await start({
      ...{ ...setup, dataDir, args: [...(setup.args ?? []), ...own, ...flags] },
      env: { ...env, ...setup.env },
    });
    others.push(server);
    await untilFollowing(server.url);
  }
  return { flags, env, others, port: await freePort(), dir };
}

/** A node says where its ports are, so they are known before it starts. */
async function ownFlags(port: number): Promise<readonly string[]> {
  return ['--port', String(port), '--grpc-port', String(await freePort()), '--node-url', `http://127.0.0.1:${port}`];
}

/** Resolves when it leads, or knows who does. */
async function untilFollowing(url: string): Promise<void> {
  for (;;) {
    const answer = await fetch(`${url}/readyz`).catch(() => undefined);
    const said: unknown = await answer?.json().catch(() => undefined);
    const { role, leader } = (said ?? {}) as Readonly<Record<string, unknown>>;
    if (answer?.ok === true && (role === undefined || typeof leader === 'string')) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
