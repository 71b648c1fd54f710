/**
 * Whatever any released version of `@opentelemetry/otlp-transformer` writes is accepted whole: each is installed in a
 * folder of its own, writes logs, traces and metrics with all types of values in JSON and protobuf, and what a reader
 * gets is compared with what was sent, item by item.
 *
 * `TAILRACE_INTEROP_VERSIONS` names the versions, with commas between them; otherwise the registry is asked for all.
 */

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startTailrace } from '../bench/processes.ts';
import { faultsOf } from './transformer/send-and-read.ts';
import type { Written } from './transformer/serialize.ts';

const execute = promisify(execFile);
const NAME = '@opentelemetry/otlp-transformer';
/** Has the messages of protobuf for versions that only make objects. */
const MESSAGES = '@opentelemetry/otlp-proto-exporter-base';
const SERIALIZE = fileURLToPath(new URL('./transformer/serialize.js', import.meta.url));
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const FAULTS_SHOWN = 20;
const FAULT_CHARS_MAX = 800;
const NPM_FLAGS = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--silent'];

/** Prints a line for each version. @throws Error with what did not hold */
export async function run(): Promise<void> {
  const versions = process.env.TAILRACE_INTEROP_VERSIONS?.split(',') ?? (await releasedVersions(NAME));
  const withMessages = new Set(await releasedVersions(MESSAGES));
  const failed: string[] = [];
  for (const version of versions) {
    const faults = await oneVersion(version, withMessages.has(version));
    if (faults.length > 0) failed.push(version);
  }
  if (failed.length > 0) throw new Error(`breached: not accepted whole: ${failed.join(', ')}`);
  console.log(`otlp-transformer: ${versions.length} versions, all accepted whole`);
}

async function releasedVersions(name: string): Promise<string[]> {
  const { stdout } = await execute('npm', ['view', name, 'versions', '--json']);
  return JSON.parse(stdout) as string[];
}

async function oneVersion(version: string, hasMessages: boolean): Promise<string[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tailrace-interop-'));
  const server = await startTailrace();
  try {
    writeFileSync(path.join(folder, 'package.json'), '{"private":true}');
    const packages = [NAME, ...(hasMessages ? [MESSAGES] : [])].map((name) => `${name}@${version}`);
    await execute('npm', ['install', ...NPM_FLAGS, ...packages], { cwd: folder });
    const { stdout } = await execute(process.execPath, [SERIALIZE, folder], { maxBuffer: OUTPUT_BYTES_MAX });
    const { requests, missing } = JSON.parse(stdout) as Written;
    const found: string[] = [];
    const target = { port: server.port, token: (server.headers.authorization ?? '').replace('Bearer ', '') };
    for (const request of requests) found.push(...(await faultsOf(target, request)));
    const without = missing.length === 0 ? '' : `; does not write ${missing.join(', ')}`;
    console.log(`${version}: ${requests.length} requests, ${found.length} faults${without}`);
    for (const fault of found.slice(0, FAULTS_SHOWN)) console.log(`  ${fault.slice(0, FAULT_CHARS_MAX)}`);
    return found;
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
