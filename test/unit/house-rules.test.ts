/** The house rules really fire: a planted tree that breaks them is refused, rule by rule, and what keeps them is taken. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const SCRIPT = path.resolve(import.meta.dirname, '../../scripts/house-rules.mjs');

const HEAD = '/** A file of the planted tree. */\n';
const LONG = Array.from({ length: 40 }, (_, line) => `export const n${line} = ${line};\n`).join('');

/** What keeps every rule, though it looks like what the rules refuse. */
const CLEAN: Record<string, string> = {
  'README.md': 'See [the results](scripts/bench/RESULTS.md), and save this as app.mjs. S2 and its SDKs; Amazon S3.\n',
  'CHANGELOG.md': 'Changed: the label `door` is `protocol`.\n',
  'src/README.md': 'The map, beside `model/ok.ts` and src/model/ok.ts.\n',
  'scripts/bench/RESULTS.md': 'The bars S1 to S14.\n',
  'scripts/bench/bars.ts': '/** Bars S1 and S3 of `RESULTS.md`. */\nexport const bar = "S4";\n',
  'src/model/ok.ts':
    `/**\n * As src/README.md and README.md say (RFC 9113 §8.1, RFC 8878\n * §3.1.1 and §4); S2's s3 and RS256 are no codes. See ok-two.ts.\n */\n` +
    `export const headroom = 'Roomba, tapestry, outdoors, birthday, ${'aRoomA+'.repeat(10)}';\n${LONG}`,
  'src/model/ok-two.ts': `${HEAD}export interface Two {}\ntype Local = Two;\n${LONG}`,
  'src/model/small.ts': `${HEAD}export const small = 1;\n`,
  'src/log/one.ts': `${HEAD}import { small } from '../model/small.ts';\n${LONG}`,
  'src/log/two.ts': `${HEAD}export const two = () => import('../model/small.ts');\n${LONG}`,
  'src/index.ts': `${HEAD}export const index = 1;\n`,
  'cli/main.ts': `#!/usr/bin/env node\n${HEAD}export const main = 1;\n`,
  'cli/commands/tail.ts': `${HEAD}export const tail = 1;\n`,
  'src/http/routes/clock.ts': `${HEAD}export const clock = 1;\n`,
  'src/s2/schema.gen.ts': 'export const R1 = "door";\n',
  'test/fixtures/body.ts': '/** Data: a door (S2 API §4). */\n',
};

/** Each planted file with the breaches that are found in it. */
const BREACHES: Record<string, Record<string, { readonly text: string; readonly found: readonly string[] }>> = {
  'machine-paths': {
    'test/unit/home.ts': { text: `${HEAD}export const at = 'ROOT/data';\n`, found: ['holds a path of this machine'] },
  },
  length: {
    'test/unit/long.ts': { text: `${HEAD}${'\n'.repeat(400)}`, found: ['401 lines, 400 are allowed'] },
  },
  'first-comment': {
    'test/unit/silent.ts': {
      text: 'export const silent = 1;\n',
      found: ['the first line must be a comment that says what the file is for'],
    },
  },
  'vague-names': {
    'test/support/utils.ts': { text: HEAD, found: ['the name says nothing about what is inside'] },
  },
  depth: {
    'src/a/b/c/deep.ts': { text: `${HEAD}${LONG}`, found: ['lies deeper than two folders in src'] },
  },
  words: {
    'cli/room.ts': {
      text: `${HEAD}${LONG}export const openDoors = 'WISH_LIST';\n/** The tape's birth. */\n`,
      found: ['room', 'doors', 'wish', 'tape', 'birth'].map(
        (word) => `says "${word}": name what it is in the field's word`,
      ),
    },
    'test/foundation.mjs': {
      text: `${HEAD}export const upkeep = 1;\n`,
      found: ['foundation', 'upkeep'].map((word) => `says "${word}": name what it is in the field's word`),
    },
    'docs.md': { text: 'Rooms.\n', found: [`says "rooms": name what it is in the field's word`] },
  },
  'type-names': {
    'cli/a-type.ts': {
      text: `${HEAD}${LONG}export interface Entry {}\ntype Row<T> = T;\nexport abstract class Base {}\n`,
      found: [
        'Entry is also declared in src/log/b-type.ts',
        'Row is also declared in src/log/b-type.ts',
        'Base is also declared in src/log/b-type.ts',
      ],
    },
    'src/log/b-type.ts': {
      text: `${HEAD}${LONG}interface Entry {}\nexport type Row = 1;\nclass Base {}\n`,
      found: [],
    },
  },
  'small-files': {
    'src/log/tiny.ts': {
      text: `${HEAD}export const tiny = 1;\n`,
      found: ['2 lines and one importer: it belongs to its importer'],
    },
    'src/log/of-tiny.ts': { text: `${HEAD}import { tiny } from './tiny.ts';\n${LONG}`, found: [] },
  },
  'flat-prefixes': {
    'src/otlp/view.ts': { text: `${HEAD}${LONG}`, found: [] },
    'src/otlp/view-row.ts': { text: `${HEAD}${LONG}`, found: [] },
    'src/otlp/view-text.ts': { text: `${HEAD}${LONG}`, found: [] },
    'src/otlp/view-*': { text: '', found: ['3 files with one prefix are a folder'] },
  },
};

/** Citations that lead nowhere: a line of a comment with the faults that are found in it. */
const CITATIONS: readonly (readonly [comment: string, ...found: string[]])[] = [
  ['what readers get (readers.md)', 'readers.md is no file of this repository'],
  ['see docs/RESULTS.md', 'docs/RESULTS.md is no file of this repository'],
  ['see src/log/gone.ts', 'src/log/gone.ts is no file of this repository'],
  ['see gone-two.ts', 'gone-two.ts is no file of this repository'],
  ['(S2 API §4.6)', '§ follows no RFC'],
  ['S2 §5', '§ follows no RFC'],
  ['the control plane (§3)', '§ follows no RFC'],
  ['(RFC 9113, and §3 of S2)', '§ follows no RFC'],
  ['R14: every route', 'R14 is a code of another page'],
  ['the fault of R15n', 'R15n is a code of another page'],
  ['speed (S4)', 'S4 is a code of another page'],
  ['(S3)', '(S3 is a code of another page'],
  ['what sites are told (checklist 3.6)', '(checklist is another page'],
  ['a slow reading (of bytes; issue 3, Fuzz)', '(of bytes; issue 3 is another page'],
];

let root: string;
let found: readonly string[];

beforeAll(async () => {
  root = await realpath(await mkdtemp(path.join(tmpdir(), 'tailrace-house-')));
  const planted = Object.values(BREACHES).flatMap((files) => Object.entries(files));
  const cited = CITATIONS.map(([comment]) => `// ${comment}\n`).join('');
  await plant({
    ...CLEAN,
    ...Object.fromEntries(planted.map(([name, { text }]) => [name, text.replaceAll('ROOT', root)])),
    'test/unit/cited.ts': HEAD + cited,
    'scripts/bench/cited.ts': '/** R1, and not a bar. */\n',
    'test/unit/title.ts': `${HEAD}test('what R6 says (otlp.md)');\n`,
    'CONTRIBUTING.md': 'See docs.md, users.md 4 and test/unit/gone.test.ts.\n',
  });
  found = await breaches();
});

afterAll(() => rm(root, { recursive: true, force: true }));

test.each(Object.entries(BREACHES))(
  'every planted breach of the rule %s is found, and nothing else by that rule',
  (rule, files) => {
    const wanted = Object.entries(files).flatMap(([name, file]) =>
      file.found.map((says) => `${rule}: ${name}: ${says}`),
    );
    expect(found.filter((line) => line.startsWith(`${rule}: `)).sort()).toEqual(wanted.sort());
  },
);

test('every planted citation that leads nowhere is found, and nothing else by that rule', () => {
  const inComments = CITATIONS.flatMap(([, ...says], index) =>
    says.map((one) => `citations: test/unit/cited.ts:${index + 2}: ${one}`),
  );
  const elsewhere = [
    'citations: scripts/bench/cited.ts:1: R1 is a code of another page',
    'citations: test/unit/title.ts:2: R6 is a code of another page',
    'citations: test/unit/title.ts:2: otlp.md is no file of this repository',
    'citations: CONTRIBUTING.md:1: users.md is no file of this repository',
    'citations: CONTRIBUTING.md:1: test/unit/gone.test.ts is no file of this repository',
  ];
  expect(found.filter((line) => line.startsWith('citations: ')).sort()).toEqual([...inComments, ...elsewhere].sort());
});

test('nothing is found in a tree that keeps the rules', async () => {
  await rm(root, { recursive: true, force: true });
  await mkdir(root);
  await plant(CLEAN);
  expect(await breaches()).toEqual([]);
});

async function plant(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    if (name.endsWith('*')) continue;
    await mkdir(path.join(root, path.dirname(name)), { recursive: true });
    await writeFile(path.join(root, name), text);
  }
}

/** What the script says of the planted tree, line by line. */
function breaches(): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [SCRIPT, root], (error, _stdout, stderr) => {
      const lines = stderr.split('\n').filter((line) => line !== '');
      // A breach is exit code 1; a script that failed says so with a stack.
      if (lines.some((line) => !/^[a-z-]+: /.test(line))) reject(error ?? new Error(stderr));
      else resolve(lines);
    });
  });
}
