/**
 * Writes what describes the interface to programs and language models, from the compiled sources: `openapi.json`,
 * `asyncapi.json`, `llms.txt` and `llms-full.txt`. The server sends these files, and the package holds them.
 *
 *   node scripts/describe.mjs    writes them alone, into dist/api/
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ROOT } from './prepare.mjs';

/** Pages of the documentation by section; each says in a sentence what it is for. Others are found, see `pagesBySection`. */
const PAGES = {
  Start: [
    ['README.md', 'Tailrace', 'what it is, how to start it, send to it and read from it'],
    ['scripts/examples/README.md', 'Examples', 'senders in several languages, and configuration of servers'],
  ],
  Use: [
    ['cli/README.md', 'Command line', 'every command with its help'],
    ['src/http/s2/README.md', 'HTTP and S2', 'the API of S2, what is added to it, and views of records'],
    ['src/socket/README.md', 'WebSockets', 'how readers follow one stream or many, frame by frame'],
    ['src/otlp/README.md', 'OTLP', 'what becomes of OTLP data: routing, policies, limits and repairs'],
    ['src/readers/filter/README.md', 'Filters', 'which records a reader wants'],
    ['src/readers/aggregate/README.md', 'Counts and sums', 'counts, sums and quantiles by group and time'],
    ['src/access/README.md', 'Access', 'tokens, tickets, logins and outside issuers'],
  ],
  Operate: [
    ['scripts/README.md', 'Operating', 'ways to run a server, health, watching, backup, TLS, proxies and stopping'],
    ['SECURITY.md', 'Security', 'how to report a fault, and what is protected'],
    ['CHANGELOG.md', 'Changes', 'what each version changed'],
  ],
  Optional: [
    ['src/README.md', 'Map of the source', 'layers, the life of a request, and invariants'],
    ['src/storage/README.md', 'Format on disk', 'what the files of a store hold'],
    ['src/page/README.md', 'The web page', 'how it is built'],
    ['CONTRIBUTING.md', 'Contributing', 'how to build, test and change it'],
  ],
};

/** Figures of benchmarks, and what only some readers of examples need. */
const UNLISTED = /(^|\/)RESULTS\.md$|^scripts\/examples\/.+\/|node_modules\//;

const INTERFACES = [
  ['/openapi.json', 'OpenAPI', 'every HTTP call, with its parameters, bodies and errors'],
  ['/asyncapi.json', 'AsyncAPI', 'every frame of the WebSocket protocol'],
];

/** Makes `<dist>/api` from what was compiled into `<dist>`. */
export async function describe(dist) {
  const load = (file) => import(pathToFileURL(path.join(dist, file)).href);
  const [{ openApiDocument }, { asyncApiDocument }] = await Promise.all([
    load('src/http/api/openapi.js'),
    load('src/socket/asyncapi.js'),
  ]);
  const folder = path.join(dist, 'api');
  mkdirSync(folder, { recursive: true });
  const files = {
    'openapi.json': JSON.stringify(openApiDocument()),
    'asyncapi.json': JSON.stringify(asyncApiDocument()),
    'llms.txt': llmsText(),
    'llms-full.txt': llmsFullText(),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
}

/** An index in the form of llmstxt.org: a title, a summary, and sections of links with a sentence each. */
export function llmsText() {
  const { homepage, description } = manifest();
  const base = `${homepage.replace(/#.*$/, '')}/blob/main/`;
  const line = (url, [, title, what]) => `- [${title}](${url}): ${what}`;
  const sections = Object.entries(pagesBySection()).map(([name, pages]) => {
    const lines = pages.map((page) => line(`${base}${page[0]}`, page));
    return `## ${name}\n\n${lines.join('\n')}\n`;
  });
  const served = INTERFACES.map((one) => line(one[0], one));
  served.push(line('/llms-full.txt', ['', 'All pages', 'the pages below as one text']));
  const interfaces = `## Interfaces\n\n${served.join('\n')}\n`;
  return `# Tailrace\n\n> ${description}\n\nThe links of the first section are paths of a running server.\n\n${[interfaces, ...sections].join('\n')}`;
}

/** All pages, each under a line that names its file. */
export function llmsFullText() {
  const pages = Object.values(pagesBySection())
    .flat()
    .filter(([file]) => file !== 'CHANGELOG.md' && file !== 'CONTRIBUTING.md');
  const texts = pages.map(([file]) => `<!-- ${file} -->\n\n${readFileSync(path.join(ROOT, file), 'utf8').trim()}\n`);
  return texts.join('\n');
}

/** With the pages that the table does not name: by their title and their first sentence, in the section of their folder. */
function pagesBySection() {
  const known = new Set(Object.values(PAGES).flatMap((pages) => pages.map(([file]) => file)));
  const others = ['cli', 'scripts', 'src']
    .flatMap((folder) => readdirSync(path.join(ROOT, folder), { recursive: true }).map((name) => `${folder}/${name}`))
    .map((file) => file.split(path.sep).join('/'))
    .filter((file) => file.endsWith('.md') && !known.has(file) && !UNLISTED.test(file))
    .sort()
    .map((file) => [file, ...titleAndSentence(readFileSync(path.join(ROOT, file), 'utf8'))]);
  const isOperating = ([file]) => file.startsWith('scripts/');
  return {
    ...PAGES,
    Use: [...PAGES.Use, ...others.filter((page) => !isOperating(page))],
    Operate: [...PAGES.Operate, ...others.filter(isOperating)],
  };
}

function titleAndSentence(text) {
  const [, title = 'Untitled'] = /^# (.+)$/m.exec(text) ?? [];
  const [, first = title] = /^# .+\n+([^\n]+)/m.exec(text) ?? [];
  const plain = first.replace(/\[([^\]]+)\]\([^)]*\)/g, '$1');
  return [title, /^.+?(?=[.:](\s|$)|$)/.exec(plain)?.[0] ?? plain];
}

function manifest() {
  return JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await describe(path.join(ROOT, 'dist'));
