/** The examples of `scripts/examples/`, what the READMEs show of them, and their table are the same. */

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { bannerText } from '../../cli/print/banner.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const EXAMPLES = path.join(ROOT, 'scripts/examples');
const README = read('scripts/examples/README.md');

test('every example is in the table, with each file that a reader opens', () => {
  const table = README.split('\n').filter((line) => line.startsWith('| '));
  const folders = readdirSync(EXAMPLES, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(folders.map(({ name }) => name).filter((name) => !table.some((row) => row.includes(`](${name}/`)))).toEqual(
    [],
  );
});

describe('what README.md shows', () => {
  test.each([
    ['```js\n// app.mjs', 'node/app.mjs'],
    ['```python\n# app.py', 'python/app.py'],
  ])('of %j is in the example, line for line', (beginning, file) => {
    const shown = blockAfter('README.md', beginning);
    expect(missingLines(shown, read(`scripts/examples/${file}`))).toEqual([]);
  });
});

test('embed.mjs in scripts/examples/embedded/README.md is the example', () => {
  expect(`${blockAfter('scripts/examples/embedded/README.md', '```js\n// embed.mjs')}\n`).toBe(
    read('scripts/examples/embedded/embed.mjs'),
  );
});

test('the variables are those that the server prints when it starts', () => {
  const banner = bannerText({
    ...{ url: 'http://127.0.0.1:4318', grpcUrl: 'http://127.0.0.1:4317', dataDir: 'data' },
    ...{ isNew: false, streams: 0, bytes: 0, auth: { type: 'file', file: 'data/root-token' }, isDefault: true },
  });
  const exports = banner.split('\n').filter((line) => line.startsWith('export '));
  expect(README).toContain(`\`\`\`sh\n${exports.join('\n')}\n\`\`\``);
});

test('README.md and the table install the same packages', () => {
  const [install = 'none'] = /`npm install @opentelemetry\/sdk-node[^`]+`/.exec(read('README.md')) ?? [];
  expect(README).toContain(install);
});

/** The lines of a snippet that are not in the file, or not in this order. The file may have more in between. Spaces before a comment do not count. */
function missingLines(snippet: string, file: string): readonly string[] {
  const aligned = (line: string): string => line.replace(/ +#/, ' #');
  const lines = file.split('\n').map(aligned);
  let at = 0;
  return snippet.split('\n').filter((line) => {
    const found = lines.indexOf(aligned(line), at);
    if (found >= 0) at = found + 1;
    return found < 0;
  });
}

/** A block of code from its beginning to its end, without its fences. */
function blockAfter(document: string, beginning: string): string {
  const text = read(document);
  const start = text.indexOf(beginning);
  expect(start).toBeGreaterThanOrEqual(0);
  const [, block = ''] = /^```\w+\n([\s\S]*?)\n```/.exec(text.slice(start)) ?? [];
  return block;
}

function read(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}
