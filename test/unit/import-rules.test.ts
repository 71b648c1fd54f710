/** The import rules really fire: a planted tree that breaks them is refused, rule by rule. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** Files of the planted tree. `ok-` files keep the rules, the others break the one named in the table below. */
const TREE: Record<string, string> = {
  'src/model/word.ts': `import { readFileSync } from 'node:fs';\nexport const word = readFileSync;`,
  'src/model/up.ts': `import type { Engine } from '../storage/engine.ts';\nexport type Up = Engine;`,
  'src/storage/engine.ts': 'export interface Engine { readonly a: 1 }',
  'src/storage/keys.ts': `import type { ServerOptions } from 'ws';\nexport type Keys = ServerOptions;`,
  'src/storage/block/seal.ts': 'export const block = 1;',
  'src/storage/block/ciphers.ts': `import sodium from 'libsodium-wrappers-sumo';\nexport const aegis = sodium;`,
  'src/encoding/zstd/wasm.ts': `export const ok = () => import('zstddec/stream');`,
  'src/storage/lmdb.ts': `import { open } from 'lmdb';\nexport const engine = open;`,
  'src/log/log.ts': `import { engine } from '../storage/lmdb.ts';\nexport const log = engine;`,
  'src/log/timer.ts': `import { setTimeout } from 'node:timers/promises';\nexport const timer = setTimeout;`,
  'src/log/ok-log.ts': `import type { Engine } from '../storage/engine.ts';\nimport type { Up } from '../model/up.ts';\nexport type Ok = Engine | Up;`,
  'src/otlp/scan/scan.ts': `import type { Ok } from '../../log/ok-log.ts';\nexport type Scan = Ok;`,
  'src/otlp/ok-scan.ts': `import { block } from '../storage/block/seal.ts';\nexport const ok = block;`,
  'src/http/context.ts': `import type { Keys } from '../storage/keys.ts';\nexport type Context = Keys;`,
  'src/http/side.ts': `import { socket } from '../socket/socket.ts';\nexport const side = socket;`,
  'src/socket/socket.ts': 'export const socket = 1;',
  'src/client/one.ts': `import { two } from './two.ts';\nexport const one: unknown = two;`,
  'src/client/two.ts': `import { one } from './one.ts';\nexport const two: unknown = one;`,
  'src/observe/lost.ts': `import { lost } from './nowhere.ts';\nexport const found: unknown = lost;`,
  'src/open-store.ts': `import { engine } from './storage/lmdb.ts';\nexport const store = engine;`,
  'cli/main.ts': `import type { Ok } from '../src/log/ok-log.ts';\nimport fc from 'fast-check';\nexport type Main = Ok | typeof fc;`,
};

const EXPECTED = [
  'model-is-pure: src/model/word.ts',
  'model-sees-only-its-neighbours: src/model/up.ts',
  'ws-has-one-home: src/storage/keys.ts',
  'log-sees-only-its-neighbours: src/log/log.ts',
  'engines-are-picked-by-open-store: src/log/log.ts',
  'log-gets-its-clock: src/log/timer.ts',
  'otlp-sees-only-its-neighbours: src/otlp/scan/scan.ts',
  'http-sees-only-its-neighbours: src/http/context.ts',
  'http-sees-only-its-neighbours: src/http/side.ts',
  'costly-packages-load-when-needed: src/storage/block/ciphers.ts',
  'no-cycles: src/client/one.ts',
  'every-import-resolves: src/observe/lost.ts',
  'cli-uses-the-public-entries: cli/main.ts',
  'every-package-has-a-home: cli/main.ts',
  'packages-are-declared: cli/main.ts',
];

let root: string;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'tailrace-rules-'));
  for (const name of ['package.json', 'tsconfig.json']) await cp(path.join(ROOT, name), path.join(root, name));
  await symlink(path.join(ROOT, 'node_modules'), path.join(root, 'node_modules'));
  for (const [name, text] of Object.entries(TREE)) {
    await mkdir(path.join(root, path.dirname(name)), { recursive: true });
    await writeFile(path.join(root, name), text);
  }
});

afterAll(() => rm(root, { recursive: true, force: true }));

test('each planted breach is found, and nothing else', async () => {
  const found = await violations();
  expect(found).toEqual(expect.arrayContaining(EXPECTED));
  expect(found.filter((line) => !EXPECTED.includes(line) && !line.startsWith('no-cycles: src/client/two.ts'))).toEqual(
    [],
  );
});

/** Each violation as `rule: file`. */
function violations(): Promise<string[]> {
  const cruise = path.join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const config = path.join(ROOT, 'scripts/import-rules.mjs');
  return new Promise((resolve, reject) => {
    const args = [cruise, '--config', config, '--output-type', 'json', 'src', 'cli'];
    execFile(process.execPath, args, { cwd: root, maxBuffer: 1 << 26 }, (error, stdout) => {
      if (stdout === '') return reject(error ?? new Error('dependency-cruiser said nothing'));
      const report: { summary: { violations: { from: string; rule: { name: string } }[] } } = JSON.parse(stdout);
      resolve([...new Set(report.summary.violations.map(({ from, rule }) => `${rule.name}: ${from}`))].sort());
    });
  });
}
