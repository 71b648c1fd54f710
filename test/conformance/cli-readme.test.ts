/** The examples of cli/README.md, run as they are written. */

import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
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

const readme = readFileSync(new URL('../../cli/README.md', import.meta.url), 'utf8');
const sections = ['Examples', 'Many streams, and some records'].map(
  (title) => readme.split('\n## ').find((part) => part.startsWith(`${title}\n`)) ?? '',
);
const blocks = [...sections.join('').matchAll(/```sh\n([\s\S]*?)```/g)].map((found) => found[1] ?? '');

/** What the block of each subject must print, in the order of the file; later ones need what earlier ones made. */
const EXPECTED = [
  ['records', [/"headers":\[\["kind","note"\]\],"body":"third"/, /^3 @ \d+$/m, /retention-bytes {10}10\.0 GiB/]],
  ['fences', [/^fenced: 3\.\.4, tail 4 @ \d+\ntrimmed: 5\.\.6, tail 6 @ \d+\n$/]],
  ['encryption', [/secret/]],
  ['background', [/bytes {2}express/, /restored .*3 basins, 2 streams, 5 records, .*; sound/]],
  ['many streams', [/^returns \S+ .*third/, /\{"basin":"orders-eu","stream":"returns",/, /^\d+ \S+Z mine$/m]],
] as const;

test.each(EXPECTED.map(([subject, patterns], index) => [subject, patterns, blocks[index] ?? 'false'] as const))(
  'the block about %s works, and shows what it should',
  async (_subject, patterns, block) => {
    const result = await run(block);
    expect([result.code, result.stderr]).toEqual([0, expect.not.stringContaining('tailrace:')]);
    for (const pattern of patterns) expect(result.stdout).toMatch(pattern);
  },
);

test('no block is left out', () => {
  expect(blocks).toHaveLength(EXPECTED.length);
});
