/** Prometheus itself and its tool, from Debian's package or wherever TAILRACE_PROMETHEUS says that they are. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from '@jest/globals';
import { freePort } from './free-port.ts';

const FOLDERS = [process.env.TAILRACE_PROMETHEUS ?? '', '/usr/bin', '/usr/local/bin'].filter((folder) => folder !== '');
const PROMTOOL = FOLDERS.map((folder) => join(folder, 'promtool')).find((file) => existsSync(file));
const PROMETHEUS = FOLDERS.map((folder) => join(folder, 'prometheus')).find((file) => existsSync(file));

/** A test that runs where promtool and prometheus are, and is skipped with a line elsewhere. */
export function testWithPrometheus(title: string, run: () => Promise<void>): void {
  const isHere = PROMTOOL !== undefined && PROMETHEUS !== undefined;
  if (!isHere) {
    const advice = 'apt-get install prometheus, or set TAILRACE_PROMETHEUS to the folder of both programs';
    process.stderr.write(`skipped "${title}": no promtool and prometheus here (${advice})\n`);
  }
  (isHere ? test : test.skip)(title, run);
}

/** Runs promtool, and says how it ended. */
export function promtool(args: readonly string[], folder: string): { readonly ok: boolean; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(PROMTOOL ?? '', args, { cwd: folder, encoding: 'utf8' });
  return { ok: status === 0, output: `${stdout}${stderr}` };
}

export interface Prometheus {
  /** What an expression is now: its samples. @throws Error with what Prometheus says is wrong with it */
  query(expression: string): Promise<readonly { readonly metric: Readonly<Record<string, string>> }[]>;
  stop(): Promise<void>;
}

/** Prometheus that scrapes a server once a second, with its files in a folder. */
export async function startPrometheus(
  folder: string,
  server: { readonly port: number; readonly token: string },
): Promise<Prometheus> {
  const job = {
    job_name: 'tailrace',
    authorization: { credentials: server.token },
    static_configs: [{ targets: [`127.0.0.1:${server.port}`] }],
  };
  // JSON is YAML.
  await writeFile(
    join(folder, 'prometheus.yml'),
    JSON.stringify({ global: { scrape_interval: '1s', scrape_timeout: '1s' }, scrape_configs: [job] }),
  );
  const port = await freePort();
  const listen = `--web.listen-address=127.0.0.1:${port}`;
  const args = ['--config.file=prometheus.yml', '--storage.tsdb.path=tsdb', '--log.level=error', listen];
  const child = spawn(PROMETHEUS ?? '', args, { cwd: folder, stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  while (!(await answers(`${url}/-/ready`))) if (child.exitCode !== null) throw new Error('prometheus ended at once');
  return { query: (expression) => query(url, expression), stop: () => ended(child) };
}

async function query(url: string, expression: string): ReturnType<Prometheus['query']> {
  const response = await fetch(`${url}/api/v1/query`, {
    method: 'POST',
    body: new URLSearchParams({ query: expression }),
  });
  const { error, data } = (await response.json()) as {
    error?: string;
    data?: { result: readonly { metric: Readonly<Record<string, string>> }[] };
  };
  if (data === undefined) throw new Error(`${error}: ${expression}`);
  return data.result;
}

function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.on('exit', () => resolve());
    child.kill('SIGKILL');
  });
}
