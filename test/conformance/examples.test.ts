/**
 * The examples of `scripts/examples/` whose tools a test has: each runs as its table says, and what is stored is exactly
 * what it sends. Each has a token for a basin of its own. The SDKs of other languages are in `npm run interop`.
 */

import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Signal } from '../../src/model/record.ts';
import { ControlClient } from '../support/control-calls.ts';
import { itemsOf } from '../support/otlp-items.ts';
import { readStream } from '../support/read-back.ts';
import { rememberSecret } from '../support/secrets.ts';
import { startServer, type TestServer } from '../support/server.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const EXAMPLES = path.join(ROOT, 'scripts/examples');
const HAS_CURL = spawnSync('curl', ['--version']).status === 0;
if (!HAS_CURL) process.stderr.write('skipped: curl is not there\n');

let server: TestServer;
let control: ControlClient;
/** Where examples run as if their packages were installed there. */
let folder: string;

beforeAll(async () => {
  server = await startServer();
  control = new ControlClient(server);
  folder = await mkdtemp(path.join(tmpdir(), 'tailrace-examples-'));
  await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A token for a basin of its own, which decides where the data goes. */
async function tokenFor(basin: string): Promise<string> {
  await control.call(`PUT /basins/${basin}`, { body: { config: { create_stream_on_append: true } } });
  const ops = ['create-stream', 'append', 'read', 'check-tail'];
  const scope = { basins: { exact: basin }, streams: { prefix: '' }, ops };
  const issued = await control.call('POST /access-tokens', { body: { id: basin, scope } });
  const { access_token: token } = issued.body as { readonly access_token: string };
  rememberSecret(`the token of ${basin}`, token);
  return token;
}

/** The variables of the table, for this server and a token. */
function variables(token: string): Record<string, string> {
  const block = /```sh\n(export [\s\S]*?)\n```/.exec(read('README.md'))?.[1] ?? '';
  const lines = block.replaceAll('http://127.0.0.1:4318', server.url).replace('$(cat data/root-token)', token);
  const pairs = lines.split('\n').map((line) => /^export (\w+)="?(.*?)"?$/.exec(line)?.slice(1) ?? []);
  return { ...Object.fromEntries(pairs), TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: token };
}

/** Runs a program to its end; it must succeed and say nothing on stderr. */
async function run(program: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const child = spawn(program, args, { cwd: folder, env: { PATH: process.env.PATH, ...env } });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (text: Buffer) => (output.stdout += text.toString()));
  child.stderr.on('data', (text: Buffer) => (output.stderr += text.toString()));
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect({ code, stderr: output.stderr }).toEqual({ code: 0, stderr: '' });
  return output.stdout;
}

interface StoredItem {
  readonly signal: string;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly item: unknown;
}

/** What a basin holds in `my-app`: logs, then metrics, then traces. */
async function stored(token: string): Promise<readonly StoredItem[]> {
  const records = await readStream({ port: server.port, token }, 'my-app');
  const items = records.flatMap(({ headers, body }) => {
    const signal = String(headers.find(([name]) => name === 'otel.signal')?.[1]) as Signal;
    return itemsOf(signal, body, false).map(({ resource, item }) => ({
      signal,
      resource: attributesOf(resource),
      item,
    }));
  });
  return items.sort((a, b) => a.signal.localeCompare(b.signal));
}

type Attribute = { readonly key: string; readonly value: Readonly<Record<string, unknown>> };

function attributesOf(resource: unknown): Readonly<Record<string, unknown>> {
  const { attributes } = resource as { readonly attributes: readonly Attribute[] };
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

const RESOURCE = expect.objectContaining({ 'service.name': 'my-app', 's2.stream': 'my-app' });

/** Each example sends one of each. */
function all(text: string): readonly unknown[] {
  const sum = { aggregationTemporality: expect.anything(), isMonotonic: true };
  return [
    { signal: 'logs', item: { severityText: 'INFO', body: { stringValue: text } } },
    { signal: 'metrics', item: { name: 'orders', sum: { ...sum, dataPoints: [{}] } } },
    { signal: 'traces', item: { name: 'checkout' } },
  ].map((one) => ({ ...one, resource: RESOURCE }));
}

(HAS_CURL ? test : test.skip)('curl/send.sh stores a record, a span and a metric', async () => {
  const token = await tokenFor('example-curl');
  expect(await run('sh', [path.join(EXAMPLES, 'curl/send.sh')], variables(token))).toBe('{}\n{}\n{}\n');
  expect(await stored(token)).toMatchObject(all('hello from curl'));
});

test.each([
  ['app.mjs', 'ESM', (text: string) => text.replace(NODE_22.esm, nodeImports())],
  ['app.cjs', 'CommonJS', (text: string) => text.replace(NODE_22.cjs, asRequire(nodeImports()))],
] as const)('node/%s with the imports for Node 20 stores a record, a span and a metric', async (name, kind, edit) => {
  const text = read(`node/${name}`);
  const edited = edit(text);
  expect(edited).not.toBe(text);
  await writeFile(path.join(folder, name), edited);
  const token = await tokenFor(`example-${kind.toLowerCase()}`);
  await run(process.execPath, [name], variables(token));
  expect(await stored(token)).toMatchObject(all(`hello from Node (${kind})`));
});

test('vercel/instrumentation.ts stores the spans of a program', async () => {
  const token = await tokenFor('example-vercel');
  const built = JSON.stringify(path.join(ROOT, 'dist/scripts/examples/vercel/instrumentation.js'));
  // What Next.js does: it calls register, and Vercel's platform waits for the export.
  const program = `
    import { trace } from '@opentelemetry/api';
    import { register } from ${built};
    register();
    trace.getTracer('my-app').startSpan('checkout').end();
    await trace.getTracerProvider().getDelegate().forceFlush();`;
  await writeFile(path.join(folder, 'vercel.mjs'), program);
  await run(process.execPath, ['vercel.mjs'], variables(token));
  expect(await stored(token)).toMatchObject([{ signal: 'traces', resource: RESOURCE, item: { name: 'checkout' } }]);
});

test('embedded/embed.mjs uses a store and a server in its own process', async () => {
  const output = await run(process.execPath, [path.join(EXAMPLES, 'embedded/embed.mjs')], {});
  expect(output).toMatch(/^0 \d+ hello\nerror charge failed\ninfo 2\nerror 1\n\[ '.*hello.*' \]\n$/);
});

/** The lines that the table's Node examples have, and that Node 20 cannot have. */
const NODE_22 = {
  esm: "import { logs, metrics, trace } from '@opentelemetry/api';",
  cjs: "const { logs, metrics, trace } = require('@opentelemetry/api');",
};

/** What the README gives in their place. */
function nodeImports(): string {
  return /## Node 20\n[\s\S]*?```js\n([\s\S]*?)\n```/.exec(read('README.md'))?.[1] ?? '';
}

function asRequire(imports: string): string {
  return imports.replace(/import (\{.*\}) from ('.*');/g, 'const $1 = require($2);');
}

function read(file: string): string {
  return readFileSync(path.join(EXAMPLES, file), 'utf8');
}
