/** The examples of the README for the command line, run as they are written. */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type CliResult, runShell } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-readme-'));
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

/** Where the package is installed, `npx tailrace` is the command. */
const NPX = 'npx() { shift; tailrace "$@"; }';

function run(block: string): Promise<CliResult> {
  return runShell(`set -e; ${NPX}; ${block}`, { server, cwd: folder });
}

test('each block works, and shows what it should', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const section = /\n## The command line\n([\s\S]*?)\n## /.exec(readme)?.[1] ?? '';
  const blocks = [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map((found) => found[1] ?? '');
  const outputs: string[] = [];
  for (const block of blocks) {
    const result = await run(block);
    expect([block, result.code, result.stderr]).toEqual([block, 0, expect.not.stringContaining('tailrace:')]);
    outputs.push(result.stdout);
  }
  const [records, fenced, sealed, upkeep] = outputs;
  expect(records).toContain('"headers":[["kind","note"]],"body":"third"');
  expect(records).toMatch(/^3 @ \d+$/m);
  expect(records).toContain('retention-bytes          10.0 GiB');
  expect(fenced).toMatch(/^fenced: 3\.\.4, tail 4 @ \d+\ntrimmed: 5\.\.6, tail 6 @ \d+\n$/);
  expect(sealed).toContain('secret');
  expect(upkeep).toContain('bytes  express');
  expect(upkeep).toMatch(/restored .*3 basins, 2 streams, 5 records, .*; sound/);
  expect(outputs).toHaveLength(4);
});
