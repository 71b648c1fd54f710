/**
 * The black-box suites of one server, against a node of a cluster of three that does not lead: what it is asked goes to the
 * node that leads, and comes out as from one server.
 *
 *   npm run torture -- cluster-suites [FILE …]
 *
 * Left out is what belongs to one process: its metrics, its memory, how it starts and stops, its files.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLUSTER_SETTING, type NatsPlaces } from '../../../test/support/clustered-server.ts';
import { startNatsServers } from '../../../test/support/nats-servers.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const FOLDERS = ['test/conformance', 'test/conformance/otlp'];

/** Suites by how their names begin, each with why it says nothing about a cluster, or is of one process. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  'cli-': 'the command line calls a server as the other suites do',
  'cluster|partitions|forward|deploy': 'they have clusters of their own',
  'image|package|release|readme|descriptions|examples|library|vercel|source-activitylog|sdk-encryption':
    'they are about files',
  'systemd|socket-activation|lifecycle|data-dir|store|format|background|init-|http-tls|http-access|troubles':
    'they are about a start',
  'metrics-|watching|audit|log-format|secrets|senders|stream-figures|self-telemetry': 'the process that leads says it',
  'otlp-(?:http-details|ids|json-forms|repairs)|policy-(?:content|dedupe)|grpc-|access-waiting':
    'they count in its metrics',
  'backup|proxies|openapi|misspelt|cors|basin-choice|http-s2': 'they ask a node for what it answers of itself',
  'overload|event-loop|memory-shares|unread-answers|readers-stalled|replay-slow|http-floods':
    'they measure one process',
  'http-stopping|sdk-restart|s2s-(?:restart|lifecycle)|exporter-draining|records-(?:read|sse)': 'they stop it',
};

/** @throws Error when a suite fails, or none ran */
export async function run(): Promise<void> {
  const nats = await startNatsServers(1);
  const places: NatsPlaces = { urls: nats.urls, monitors: nats.monitors };
  const asked = process.argv.slice(3);
  const args = [path.join(ROOT, 'scripts/test.mjs'), ...(asked.length > 0 ? asked : suites())];
  const env = { ...process.env, [CLUSTER_SETTING]: JSON.stringify(places) };
  // Nodes that a suite has left over end with the group.
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: 'inherit', detached: true });
  try {
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error('a suite fails against a cluster');
  } finally {
    if (child.pid !== undefined) endGroup(child.pid);
    await nats.dispose();
  }
}

function suites(): readonly string[] {
  const left = new RegExp(`^(?:${Object.keys(LEFT_OUT).join('|')})`);
  return FOLDERS.flatMap((folder) =>
    readdirSync(path.join(ROOT, folder))
      .filter((name) => name.endsWith('.test.ts') && !left.test(name))
      .map((name) => `${folder}/${name}`),
  );
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}
