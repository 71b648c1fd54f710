/** The documents of the repository hold together: links resolve, paths exist, sizes are kept, examples parse. */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';

const ROOT = path.resolve(import.meta.dirname, '../..');
const SKIPPED = new Set(['node_modules', 'dist', 'data', '.git']);
const DOCUMENTS = documentsIn('');

test('README.md is at most 9 KB, the page for operators 12 KB, and the map of the source has fewer than 200 lines', () => {
  expect(statSync(path.join(ROOT, 'README.md')).size).toBeLessThanOrEqual(9_216);
  expect(statSync(path.join(ROOT, 'scripts/README.md')).size).toBeLessThanOrEqual(12_288);
  expect(read('src/README.md').split('\n').length).toBeLessThan(200);
});

test('every document that a reader is sent to is there', () => {
  expect(DOCUMENTS).toEqual(
    expect.arrayContaining([
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'README.md',
      'SECURITY.md',
      'cli/README.md',
      'scripts/README.md',
      'src/README.md',
      'src/access/README.md',
      'src/http/s2/README.md',
      'src/model/limits/README.md',
      'src/observe/README.md',
      'src/settings/README.md',
      'src/socket/README.md',
      'src/storage/README.md',
    ]),
  );
});

describe.each(DOCUMENTS)('%s', (document) => {
  const text = read(document);

  test('has links that lead to files and headings that exist', () => {
    const broken = linksOf(text).filter((target) => !isThere(document, target));
    expect(broken).toEqual([]);
  });

  test('has examples in JSON that are JSON', () => {
    for (const [, json = ''] of text.matchAll(/```json\n([\s\S]*?)```/g)) expect(() => JSON.parse(json)).not.toThrow();
  });
});

describe('the map of the source', () => {
  const map = read('src/README.md');

  test('names only paths that exist', () => {
    const named = pathsIn(map);
    expect(named.length).toBeGreaterThan(80);
    expect(
      named.filter((name) => !existsSync(path.join(ROOT, 'src', name)) && !existsSync(path.join(ROOT, name))),
    ).toEqual([]);
  });

  test('names every layer', () => {
    const folders = readdirSync(path.join(ROOT, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    for (const { name } of folders) expect(map).toContain(`${name}/`);
  });

  test('names a test for each invariant', () => {
    const rows = tableOf(map, 'Invariants');
    expect(rows.length).toBeGreaterThan(15);
    for (const row of rows) expect(row).toMatch(/\| `test\/[\w/.-]+\.test\.ts`(?:, `test\/[\w/.-]+\.test\.ts`)* \|$/);
  });

  test('explains at most 40 terms, each in one sentence, in the order of the alphabet', () => {
    const terms = tableOf(map, 'Glossary');
    expect(terms.length).toBeLessThanOrEqual(40);
    for (const term of terms) expect(term).toMatch(/^\| [a-z /]+ \| [^|]+[^.|]\. \|$/);
    const names = terms.map((term) => term.split(' | ')[0]);
    expect([...names].sort()).toEqual(names);
  });
});

function documentsIn(folder: string): string[] {
  return readdirSync(path.join(ROOT, folder), { withFileTypes: true })
    .filter((entry) => !SKIPPED.has(entry.name) && !entry.name.startsWith('dist.'))
    .flatMap((entry) => {
      const file = path.posix.join(folder, entry.name);
      if (entry.isDirectory()) return documentsIn(file);
      return file.endsWith('.md') ? [file] : [];
    })
    .sort();
}

function read(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

/** Targets of links outside of code, without those to other sites. */
function linksOf(text: string): string[] {
  const prose = text.replaceAll(/```[\s\S]*?```/g, '').replaceAll(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((link) => link[1] ?? '').filter((link) => !/^https?:/.test(link));
}

function isThere(document: string, target: string): boolean {
  const [file = '', heading] = target.split('#');
  const found = file === '' ? document : path.posix.join(path.posix.dirname(document), file);
  if (!existsSync(path.join(ROOT, found))) return false;
  return heading === undefined || headingsOf(read(found)).includes(heading);
}

/** Headings as GitHub links to them. */
function headingsOf(text: string): string[] {
  const prose = text.replaceAll(/```[\s\S]*?```/g, '');
  return [...prose.matchAll(/^#+ (.+)$/gm)].map((heading) =>
    (heading[1] ?? '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** What stands in backticks and is a path. Those of the live reader count from when its folder is there. */
function pathsIn(text: string): string[] {
  const isPath = /^[\w.-]+(?:\/[\w.-]+)*(?:\.(?:ts|mjs|md)|\/)$/;
  return [...text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/`([^`\n]+)`/g)]
    .map((code) => code[1] ?? '')
    .filter((name) => isPath.test(name))
    .filter((name) => !name.startsWith('readers/') || existsSync(path.join(ROOT, 'src/readers')));
}

/** The rows of the table below a heading, without its head. */
function tableOf(text: string, heading: string): string[] {
  const section = text.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1);
}
