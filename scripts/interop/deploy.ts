/**
 * What the files of `scripts/deploy/` say to the tools that they are for: the published schemas of Compose, Kubernetes and
 * the Prometheus operator, and a Collector that is started with the arguments of compose.yaml.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import Ajv from 'ajv';
import Ajv2020 from 'ajv/dist/2020.js';
import { parse, parseAllDocuments } from 'yaml';
import { createClient } from '../../src/client/client.ts';
import { startTailrace } from '../bench/processes.ts';
import { buildCollector } from './collector-process.ts';
import { built, needPrograms } from './tool-chain.ts';

const KUBECONFORM = 'github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0';
const COMPOSE = 'github.com/compose-spec/compose-go/v2@v2.16.2';
const OPERATOR = 'github.com/prometheus-operator/prometheus-operator@v0.85.0';
const CRD = 'example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml';
/** Its package holds the schemas of Kubernetes, for those who cannot fetch each from its repository. */
const SCHEMAS = 'kubernetes-validate==1.37.0';
const SCHEMA_FOLDER = 'kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict';

const KUBERNETES = ['kubernetes.yaml', 'cluster/kubernetes.yaml'];

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const DEPLOY = path.join(ROOT, 'scripts/deploy');

export async function run(): Promise<void> {
  needPrograms('go', 'python3');
  const tools = await built(
    'deploy',
    { versions: [KUBECONFORM, COMPOSE, OPERATOR, SCHEMAS].join('\n') },
    (step, folder) => {
      step('env', `GOBIN=${folder}`, 'go', 'install', KUBECONFORM);
      step('python3', '-m', 'pip', 'install', '--quiet', '--no-deps', '--target', path.join(folder, 'python'), SCHEMAS);
    },
  );
  checkCompose();
  checkMonitor();
  checkKubernetes(tools);
  await sendThroughCollector();
}

/** Where the Go module proxy's copy of a module is. */
function moduleFolder(name: string): string {
  const { stdout } = spawnSync('go', ['mod', 'download', '-json', name], { cwd: tmpdir(), encoding: 'utf8' });
  return (JSON.parse(stdout) as { readonly Dir: string }).Dir;
}

function checkCompose(): void {
  const schema = JSON.parse(readFileSync(path.join(moduleFolder(COMPOSE), 'schema/compose-spec.json'), 'utf8'));
  const validate = new Ajv2020.default({ strict: false, logger: false }).compile(schema);
  for (const file of ['compose.yaml', 'cluster/compose.yaml']) {
    const compose = parse(read(file), { merge: true }) as { services: Record<string, object> };
    if (!validate(compose)) throw new Error(`${file}: ${JSON.stringify(validate.errors)}`);
    const [name = ''] = Object.keys(compose.services);
    const wrong = { ...compose, services: { [name]: { ...compose.services[name], restarts: 'always' } } };
    if (validate(wrong)) throw new Error('the schema of Compose takes a key that is misspelt');
    say(`${file} meets the schema of Compose`);
  }
}

function checkMonitor(): void {
  const { spec } = parse(readFileSync(path.join(moduleFolder(OPERATOR), CRD), 'utf8'));
  const schema = closed(spec.versions[0].schema.openAPIV3Schema) as object;
  const validate = new Ajv.default({ strict: false, logger: false }).compile(schema);
  const monitor = manifests('kubernetes.yaml').find(({ kind }) => kind === 'ServiceMonitor');
  if (!validate(monitor)) throw new Error(`ServiceMonitor: ${JSON.stringify(validate.errors)}`);
  if (validate({ ...monitor, spec: { endpoint: [] } })) throw new Error('the schema takes a key that is misspelt');
  say('the ServiceMonitor meets the schema of the Prometheus operator');
}

/** Kubernetes drops what a schema of it does not name; here it is an error. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  const isOpen = inner.type === 'object' && Object.keys((inner.properties ?? {}) as object).length > 0;
  // Of the metadata the schema names nothing.
  return isOpen ? { ...inner, additionalProperties: false } : inner;
}

function checkKubernetes(tools: string): void {
  const folder = mkdtempSync(path.join(tmpdir(), 'tailrace-schemas-'));
  try {
    const source = path.join(tools, 'python', SCHEMA_FOLDER);
    const { $defs } = JSON.parse(inOneFile(path.join(source, '_definitions.json')));
    for (const { kind, apiVersion } of KUBERNETES.flatMap(manifests).filter((one) => one.kind !== 'ServiceMonitor')) {
      const group = apiVersion.includes('/') ? `${apiVersion.split('/')[0]?.split('.')[0]}-` : '';
      const name = `${kind.toLowerCase()}-${group}v1.json`;
      // Each file names its definitions in another, which kubeconform does not follow.
      const { $id: _, ...schema } = JSON.parse(inOneFile(path.join(source, name)));
      writeFileSync(path.join(folder, name), JSON.stringify({ ...schema, $defs }));
    }
    const location = `${folder}/{{.ResourceKind}}{{.KindSuffix}}.json`;
    const flags = ['-strict', '-summary', '-skip', 'ServiceMonitor', '-schema-location', location, '-'];
    const check = (input: string) => spawnSync(path.join(tools, 'kubeconform'), flags, { input, encoding: 'utf8' });
    for (const file of KUBERNETES) {
      const { status, stdout, stderr } = check(read(file));
      if (status !== 0) throw new Error(`${file}: ${stdout}${stderr}`);
      if (check(read(file).replace('replicas: ', 'replica: ')).status === 0) {
        throw new Error('kubeconform takes a key that is misspelt');
      }
      say(`${file}: ${stdout.trim()}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** References between files as references inside of one. */
function inOneFile(file: string): string {
  return readFileSync(file, 'utf8').replaceAll('/api/_definitions.json#', '#');
}

interface Declared {
  readonly kind: string;
  readonly apiVersion: string;
}

function manifests(file: string): readonly Declared[] {
  return parseAllDocuments(read(file)).map((document) => document.toJS() as Declared);
}

/** The program sends to a Collector that has the arguments of compose.yaml, and that to a server, all on this machine. */
async function sendThroughCollector(): Promise<void> {
  const file = await buildCollector();
  const started = performance.now();
  const server = await startTailrace();
  const folder = mkdtempSync(path.join(tmpdir(), 'tailrace-compose-'));
  let collector: ChildProcess | undefined;
  try {
    const token = (server.headers.authorization ?? '').replace('Bearer ', '');
    const ports = [await freePort(), await freePort()];
    const inFolder = (text: string): string =>
      text
        .replace('/var/lib/otelcol', folder)
        .replace('/run/secrets', folder)
        .replace('0.0.0.0:4317', `127.0.0.1:${ports[0]}`)
        .replace('0.0.0.0:4318', `127.0.0.1:${ports[1]}`)
        .replace('tailrace:4318', `127.0.0.1:${server.port}`);
    writeFileSync(path.join(folder, 'sender'), token);
    const { services } = parse(read('compose.yaml'), { merge: true });
    const { command, volumes } = services.collector as {
      readonly command: readonly string[];
      readonly volumes: readonly string[];
    };
    for (const volume of volumes) {
      const [from = '', to = ''] = volume.split(':');
      if (from.startsWith('.')) writeFileSync(path.join(folder, path.basename(to)), inFolder(read(from)));
    }
    const args = command.map((flag) => flag.replace('/etc/otelcol', folder));
    collector = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    await readiness(collector);
    await runDemo(folder, {
      ...services.demo.environment,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${ports[1]}`,
    });
    collector.kill('SIGTERM');
    await once(collector, 'close');
    const client = createClient({ endpoint: `http://127.0.0.1:${server.port}`, token, basin: 'telemetry' });
    const found = new Set<unknown>();
    for await (const frame of client.read('shop', { view: 'message', start: { seqNum: 0 }, waitSeconds: 0 })) {
      if (frame.type === 'batch') for (const { signal, spanType } of frame.rows) found.add(spanType ?? signal);
    }
    const lacking = ['logs', 'metrics', 'llm'].filter((name) => !found.has(name));
    if (lacking.length > 0) throw new Error(`the stream shop lacks ${lacking.join(', ')}: ${[...found].join(', ')}`);
    const seconds = ((performance.now() - started) / 1_000).toFixed(1);
    say(`logs, spans, calls of a model and metrics went through the Collector of compose.yaml in ${seconds} s`);
  } finally {
    collector?.kill('SIGKILL');
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function readiness(collector: ChildProcess): Promise<void> {
  let output = '';
  await new Promise<void>((resolve, reject) => {
    collector.stderr?.on('data', (text: Buffer) => {
      output += text.toString();
      if (output.includes('Everything is ready')) resolve();
    });
    collector.on('close', () => reject(new Error(`the Collector ended before it was ready:\n${output}`)));
  });
}

async function runDemo(folder: string, environment: Readonly<Record<string, string>>): Promise<void> {
  const demo = path.join(folder, 'demo');
  mkdirSync(demo);
  cpSync(path.join(DEPLOY, 'demo/demo.mjs'), path.join(demo, 'demo.mjs'));
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(demo, 'node_modules'));
  const env = { PATH: process.env.PATH, ...environment, DEMO_ORDERS: '5', DEMO_EVERY_MS: '10' };
  const child = spawn(process.execPath, ['demo.mjs'], { cwd: demo, env, stdio: 'inherit' });
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`demo.mjs ended with ${code}`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { readonly port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function read(file: string): string {
  return readFileSync(path.join(DEPLOY, file), 'utf8');
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
