/**
 * `npm run release`: what speaks against publishing is said, all of it, and then nothing is published. Runs the script in
 * small repositories of its own, against a registry on this machine.
 */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';

const ROOT = path.resolve(import.meta.dirname, '../..');
const VERSION = '1.2.3';
const GIT_ENV = {
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@example.com',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@example.com',
  GIT_CONFIG_GLOBAL: '/dev/null',
};

let registry: Server;
let url: string;
/** What the registry has, and what was sent to it. */
let versions: readonly string[] = [];
let status = 200;
let published: string[] = [];
let folder: string;

beforeAll(async () => {
  registry = createServer((request, response) => {
    if (request.method === 'PUT') {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        published.push(...Object.keys(JSON.parse(Buffer.concat(parts).toString()).versions));
        response.writeHead(201).end('{}');
      });
      return;
    }
    const known = { versions: Object.fromEntries(versions.map((version) => [version, {}])) };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(known));
  });
  await once(registry.listen(0, '127.0.0.1'), 'listening');
  url = `http://127.0.0.1:${(registry.address() as AddressInfo).port}`;
});

afterAll(async () => {
  await new Promise((resolve) => registry.close(resolve));
});

beforeEach(() => {
  versions = ['1.2.2'];
  status = 200;
  published = [];
  folder = mkdtempSync(path.join(tmpdir(), 'tailrace-release-'));
  for (const name of ['release.mjs', 'prepare.mjs']) {
    cpSync(path.join(ROOT, 'scripts', name), path.join(folder, 'scripts', name));
  }
  write('package.json', JSON.stringify({ name: 'tailrace', version: VERSION, files: ['CHANGELOG.md'] }));
  write('package-lock.json', JSON.stringify({ version: VERSION, packages: { '': { version: VERSION } } }));
  write('src/model/version.ts', `export const VERSION = '${VERSION}';\n`);
  write('CHANGELOG.md', `# Changelog\n\n## [${VERSION}] - 2026-11-30\n\n### Added\n\n- A thing.\n`);
  write('.npmrc', `//${new URL(url).host}/:_authToken=none\nprovenance=false\n`);
  git('init', '--quiet', '--initial-branch=main');
  commit();
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(file: string, text: string): void {
  mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
  writeFileSync(path.join(folder, file), text);
}

function git(...args: readonly string[]): string {
  const env = { ...process.env, ...GIT_ENV };
  const { status: code, stdout, stderr } = spawnSync('git', [...args], { cwd: folder, encoding: 'utf8', env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.anything() });
  return stdout.trim();
}

function commit(): void {
  git('add', '--all');
  git('commit', '--quiet', '--message', 'test: commit');
}

async function release(...flags: readonly string[]) {
  const { npm_config_registry: _, ACTIONS_ID_TOKEN_REQUEST_URL: __, SIGSTORE_ID_TOKEN: ___, ...own } = process.env;
  const env = { ...own, ...GIT_ENV };
  const args = [path.join(folder, 'scripts/release.mjs'), '--registry', url, ...flags];
  const child = spawn(process.execPath, args, { cwd: folder, env });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (said += text.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, said };
}

test('a version that nothing speaks against is published once and tagged', async () => {
  const real = await release();
  expect(real).toMatchObject({ code: 0, said: expect.stringContaining('git push origin v1.2.3') });
  expect([published, git('tag'), git('cat-file', '-t', 'v1.2.3')]).toEqual([[VERSION], 'v1.2.3', 'tag']);
  const again = await release();
  expect(again).toMatchObject({ code: 1, said: expect.stringContaining('the tag v1.2.3 exists') });
  expect(published).toEqual([VERSION]);
});

test('a dry run publishes nothing, where a job of CI has checked out the commit of main, of a package that is new', async () => {
  status = 404;
  change('package.json', '"name"', '"publishConfig":{"provenance":true},"name"');
  git('checkout', '--quiet', '--detach');
  const dry = await release('--dry-run');
  expect(dry).toMatchObject({ code: 0, said: expect.stringContaining('this was a dry run') });
  expect([published, git('tag')]).toEqual([[], '']);
});

test('everything that speaks against a release is said at once', async () => {
  change('CHANGELOG.md', VERSION, '1.2.2');
  change('src/model/version.ts', VERSION, '1.2.2');
  change('package-lock.json', VERSION, '1.2.1');
  git('switch', '--quiet', '--create', 'feature');
  write('notes.txt', '');
  write('package.json', `${read('package.json')}\n`);
  versions = [VERSION];
  const { code, said } = await release();
  expect([code, published, git('tag')]).toEqual([1, [], '']);
  expect(said).toMatch(/tree is dirty: .*package\.json, notes\.txt/);
  expect(said).toContain('feature is not main: git switch main');
  expect(said).toContain('version.ts says 1.2.2 and package.json 1.2.3');
  expect(said).toContain('package-lock.json says 1.2.1 and package.json 1.2.3');
  expect(said).toContain('CHANGELOG.md has no entry for 1.2.3: write one below ## [1.2.3] - YYYY-MM-DD');
  expect(said).toContain(`tailrace ${VERSION} exists on ${url}`);
});

test('a commit that is not that of main, an entry without a day, and a registry that fails are refused', async () => {
  git('checkout', '--quiet', '--detach');
  change('CHANGELOG.md', ' - 2026-11-30', '');
  status = 500;
  const { code, said } = await release('--dry-run');
  expect([code, said]).toEqual([1, expect.stringContaining('this commit is not main')]);
  expect(said).toContain('it must be ## [1.2.3] - YYYY-MM-DD');
  expect(said).toContain('answers 500, so it is not known what is published');
});

test('an entry without a line, and a registry that is not there, are refused', async () => {
  change('CHANGELOG.md', '- A thing.', '');
  const { code, said } = await release('--dry-run', '--registry', 'http://127.0.0.1:2');
  expect([code, said]).toEqual([1, expect.stringContaining('says nothing about 1.2.3')]);
  expect(said).toMatch(/does not say what is published.*ECONNREFUSED/);
  expect(said).not.toMatch(/dirty|is not main|version/);
});

test('a package that asks for provenance is not published outside of CI', async () => {
  change('package.json', '"name"', '"publishConfig":{"provenance":true},"name"');
  const { code, said } = await release();
  expect([code, said]).toEqual([1, expect.stringMatching(/only in a job of CI.*--dry-run/)]);
  expect(published).toEqual([]);
});

test('this package asks for provenance, is public, and says where its source is', () => {
  const own = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  expect(own.publishConfig).toEqual({ access: 'public', provenance: true });
  expect(own.repository).toEqual({ type: 'git', url: expect.stringMatching(/^git\+https:\/\/.*\.git$/) });
  expect(own.engines).toEqual({ node: expect.stringMatching(/^>=\d+/) });
  expect(own.scripts.release).toBe('node scripts/release.mjs');
});

/** Changes a file and commits it, so that only its content speaks against a release. */
function change(file: string, from: string, to: string): void {
  write(file, read(file).replaceAll(from, to));
  commit();
}

function read(file: string): string {
  return readFileSync(path.join(folder, file), 'utf8');
}
