/** The package that npm would publish: built when it is packed, whole, and usable in an empty project. */

import { execFile } from 'node:child_process';
import { cpSync, existsSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MODULES = path.join(ROOT, 'node_modules');
const TSC = path.join(MODULES, 'typescript/bin/tsc');

const run = promisify(execFile);
/** Runs a program of Node; its output is part of the error when it fails. */
async function node(cwd: string, ...args: string[]): Promise<string> {
  try {
    return (await run(process.execPath, args, { cwd })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${args.join(' ')}\n${stdout}${stderr}`);
  }
}

/** What stands for each source in a build. */
const SOURCE = `export const name: string = 'tailrace';
export const openApiDocument = (): object => ({ name });
export const asyncApiDocument = (): object => ({ name });
`;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tailrace-package-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test('npm pack builds what the package holds', async () => {
  const checkout = path.join(folder, 'checkout');
  for (const name of [
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'scripts',
    'src/page',
    ...['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ]) {
    cpSync(path.join(ROOT, name), path.join(checkout, name), {
      recursive: true,
      filter: (source) => !/scripts\/(bench|torture|interop)\//.test(path.relative(ROOT, source)),
    });
  }
  await symlink(MODULES, path.join(checkout, 'node_modules'));
  const isPage = (source: string) => statSync(source).isDirectory() || source.endsWith('.md');
  for (const name of ['src', 'cli']) {
    cpSync(path.join(ROOT, name), path.join(checkout, name), { recursive: true, filter: isPage });
  }
  // Little is enough to see that it is compiled, and described.
  const describe = ['src/http/api/openapi.ts', 'src/socket/asyncapi.ts'];
  for (const name of ['src/index.ts', 'cli/main.ts', 'cli/program.ts', ...describe]) {
    await writeFile(path.join(checkout, name), SOURCE);
  }
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json'], { cwd: checkout });
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  const names = files.map((file) => file.path);
  const wanted = ['dist/src/index.js', 'dist/src/index.d.ts', 'dist/cli/main.js', 'dist/page/index.html'];
  wanted.push('dist/api/openapi.json', 'dist/api/asyncapi.json', 'dist/api/llms.txt', 'dist/api/llms-full.txt');
  expect(names).toEqual(expect.arrayContaining(wanted));
  expect(names.filter((name) => name.endsWith('.map'))).toEqual([]);
});

/** A program of a user. What it needs of the platform it declares itself: there are no other types. */
const EXAMPLE = `
import {
  type AggregateResult, type AppendAck, type AttributeValue, type BatchFrame, type Client, type ClientView, type Clock, createClient, createServer, type Header,
  type IngestResult, type Logger, type MessageRow, openTailrace, type ReaderOptions, type ReadFrame, type RecordPage, type ServerOptions,
  type StreamRecord, type Tailrace, TailraceError, type TailraceServer, type TokenJson, trimRecord, type UsageMetric,
} from 'tailrace';

declare const console: { log(...values: unknown[]): void };
declare const AbortController: new () => { readonly signal: import('tailrace').AbortSignalLike; abort(): void };

const silent = (): void => {};
const logger: Logger = { debug: silent, info: silent, warn: silent, error: silent };
const clock: Clock = { now: () => Date.now(), monotonicMs: () => Date.now(), timer: () => silent };

const store: Tailrace = await openTailrace({ dataDir: 'embedded', noAuth: true }, { logger, clock });
const ack: AppendAck = await store.append('notes', [{ body: 'grüße', headers: [['k', 'v']] }], { matchSeqNum: 0 });
await store.append('notes', [trimRecord(0)]);
const sum: IngestResult = await store.ingestOtlp('{}', { signal: 'logs', contentType: 'application/json' });
const headers: (readonly Header[])[] = [];
for await (const record of store.read('notes', { start: { seqNum: 0 } })) {
  const { seqNum }: StreamRecord = record;
  if (seqNum === 0) headers.push(record.headers);
}
const attributes = [{ key: 's2.stream', value: { stringValue: 'shop' } }];
const logRecords = [9, 17].map((severityNumber) => ({ severityNumber, body: { stringValue: 'x' } }));
const shop = JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] });
await store.ingestOtlp(shop, { signal: 'logs', contentType: 'application/json' });
const found: unknown[] = [];
for await (const { level, body, metadata } of store.rows('shop', { start: { seqNum: 0 }, filter: 'level>=warn' })) {
  const value: AttributeValue | undefined = body;
  found.push(level, value, metadata?.['k'] === undefined);
}
for await (const result of store.aggregate('shop', { by: ['level'] })) {
  const { complete, rows: groups }: AggregateResult = result;
  if (complete) found.push(groups.length);
}
const ending = new AbortController();
for await (const { stream, seqNum } of store.followMany({ prefix: 'sh' }, { from: 'start', signal: ending.signal })) {
  found.push(stream, seqNum);
  if (seqNum === 1) ending.abort();
}
const page: RecordPage = await store.readBack('shop', { limit: 1 });
found.push(page.records.length);
const code = await store.append('notes', [{ body: 'x' }], { matchSeqNum: 7 }).then(String, (error: unknown) =>
  error instanceof TailraceError ? error.code : 'unknown');
await store.close();

const options: ServerOptions = { port: 0, dataDir: 'embedded', noAuth: true };
const server: TailraceServer = await createServer(options, { logger });
const { url } = await server.listen();
const client: Client = createClient({ endpoint: url, basin: 'telemetry' });
const controller = new AbortController();
const read: ReaderOptions<'message'> = { view: 'message', start: { seqNum: 0 }, waitSeconds: 0, signal: controller.signal };
const rows: MessageRow[] = [];
for await (const frame of client.read('notes', read)) {
  const known: ReadFrame<'message'> = frame;
  if (known.type === 'batch') rows.push(...rowsOf(known));
}
await client.append('notes', [{ body: 'y' }], { signal: controller.signal });
const sets: readonly UsageMetric[] = await client.metrics({ set: 'active-basins', start: 0, end: 3_600 });
const made: TokenJson[] = [];
for await (const frame of client.read('notes', { view: 'raw', start: { seqNum: 0 }, count: 1 })) seen(frame);
// Connections of the client are still open, and nothing else keeps the process alive.
await server.close();
controller.abort();
console.log(JSON.stringify([ack.end.seqNum, sum.accepted, headers.length, code, rows.length, sets.length, made.length, found]));

function rowsOf(frame: BatchFrame<'message'>): readonly MessageRow[] {
  return frame.rows;
}

function seen<V extends ClientView>(frame: ReadFrame<V>): string {
  return frame.type;
}
`;

const STRICT = {
  target: 'ES2023',
  module: 'NodeNext',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  verbatimModuleSyntax: true,
  skipLibCheck: false,
  types: [],
};

describe('installed into an empty project, the package', () => {
  let project: string;

  beforeAll(async () => {
    project = path.join(folder, 'project');
    const installed = path.join(project, 'node_modules/tailrace');
    await mkdir(installed, { recursive: true });
    const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
      cwd: ROOT,
    });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    await run('tar', ['-xzf', path.join(folder, filename), '-C', installed, '--strip-components=1']);
    // What npm would fetch is here already.
    const { dependencies } = JSON.parse(await readFile(path.join(installed, 'package.json'), 'utf8'));
    for (const name of Object.keys(dependencies)) {
      const link = path.join(project, 'node_modules', name);
      // The name of a package may have a scope.
      await mkdir(path.dirname(link), { recursive: true });
      await symlink(path.join(MODULES, name), link);
    }
    await writeFile(path.join(project, 'package.json'), '{ "type": "module" }');
    await writeFile(path.join(project, 'example.ts'), EXAMPLE);
  });

  test('compiles strictly without the types of Node, of browsers or of another package, and runs', async () => {
    const config = { compilerOptions: { ...STRICT, lib: ['ES2023'], outDir: '.' }, files: ['example.ts'] };
    await writeFile(path.join(project, 'tsconfig.json'), JSON.stringify(config));
    const listed = await node(project, TSC, '-p', 'tsconfig.json', '--listFiles');
    const others = listed
      .split('\n')
      .filter((file) => file !== '' && !/\/typescript\/lib\/|\/example[.]ts$/.test(file));
    expect(others.filter((file) => !file.includes('/node_modules/tailrace/dist/src/'))).toEqual([]);
    expect(JSON.parse(await node(project, 'example.js'))).toEqual([
      ...[1, 0, 1, 'seq_num_mismatch', 2, 1, 0],
      ['error', 'x', true, 2, 'shop', 0, 'shop', 1, 1],
    ]);
  });

  test('compiles beside the types of browsers, which are those of a project that names none', async () => {
    const config = { compilerOptions: { ...STRICT, noEmit: true }, files: ['example.ts'] };
    await writeFile(path.join(project, 'tsconfig.browser.json'), JSON.stringify(config));
    expect(await node(project, TSC, '-p', 'tsconfig.browser.json')).toBe('');
  });

  test('is loaded by require too, in a program of CommonJS', async () => {
    const program = `
      const { openTailrace } = require('tailrace');
      openTailrace({ dataDir: 'required' }).then(async (store) => {
        await store.append('notes', [{ body: 'x' }]);
        console.log((await store.checkTail('notes')).seqNum);
        await store.close();
      });
    `;
    await writeFile(path.join(project, 'program.cjs'), program);
    expect(await node(project, 'program.cjs')).toBe('1\n');
  });

  test('has a command that runs', async () => {
    const main = path.join(project, 'node_modules/tailrace/dist/cli/main.js');
    expect(await node(project, main, '--version')).toMatch(/^\d+\.\d+\.\d+/m);
    expect(existsSync(path.join(project, 'node_modules/tailrace/dist/scripts'))).toBe(false);
  });
});
