/**
 * The files of `scripts/deploy/` for Compose and Kubernetes: they are well formed, name what is there, and a server that
 * is started as they say does what they are for. Their schemas are checked by `npm run interop -- deploy`.
 */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isNode, parse, parseAllDocuments } from 'yaml';
import { type ComposeService, readCompose, readComposeFile } from '../support/compose-file.ts';
import { readDockerfile } from '../support/dockerfile.ts';
import { rememberSecret } from '../support/secrets.ts';
import { startServer, type TestServer } from '../support/server.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const DEPLOY = path.join(ROOT, 'scripts/deploy');
const { version: VERSION } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { version: string };
const PORTS = { http: 4318, grpc: 4317 };

const folder = mkdtempSync(path.join(tmpdir(), 'tailrace-deploy-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(file: string): string {
  return readFileSync(path.join(DEPLOY, file), 'utf8');
}

/** What `sh secrets.sh` makes, in a folder of the test. */
function makeSecrets(): string {
  cpSync(path.join(DEPLOY, 'secrets.sh'), path.join(folder, 'secrets.sh'));
  const { status, stderr } = spawnSync('sh', [path.join(folder, 'secrets.sh')], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return path.join(folder, 'secrets');
}

/** A server on a file of declarations in which folders of a container are those of the test. */
async function serverWith(init: string, name: string, folders: Readonly<Record<string, string>>): Promise<TestServer> {
  const file = path.join(folder, `${name}.yaml`);
  let text = init;
  for (const [inside, here] of Object.entries(folders)) text = text.replaceAll(inside, here);
  writeFileSync(file, text);
  return startServer({ args: ['--init-file', file] });
}

async function statusOf(url: string, token: string): Promise<number> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  await response.arrayBuffer();
  return response.status;
}

test('every file of the folder is in its README, and the settings that files name exist', () => {
  const isElsewhere = (name: string): boolean => existsSync(path.join(DEPLOY, name, 'README.md'));
  const files = readdirSync(DEPLOY).filter((name) => !['README.md', 'secrets'].includes(name) && !isElsewhere(name));
  expect(files.filter((name) => !read('README.md').includes(name))).toEqual([]);
  const settings = readFileSync(path.join(ROOT, 'src/config.ts'), 'utf8');
  const named = ['compose.yaml', 'kubernetes.yaml', 'tailrace.service', '../../Dockerfile'].flatMap(
    (file) =>
      read(file)
        .replaceAll(/^\s*#.*$/gm, '')
        .match(/TAILRACE_\w+/g) ?? [],
  );
  expect(named.length).toBeGreaterThan(4);
  expect(named.filter((name) => !settings.includes(`'${name}'`))).toEqual([]);
});

const compose = readComposeFile(path.join(DEPLOY, 'compose.yaml'));

describe('compose.yaml', () => {
  const services = Object.entries(compose.services);

  test('is refused with a key that is misspelt', () => {
    expect(() => readCompose(read('compose.yaml').replace('restart: unless', 'restarts: unless'))).toThrow(/restarts/);
  });

  test('names only files, services, secrets and volumes that are there', () => {
    const secrets = makeSecrets();
    const missing = services.flatMap(([name, service]) => [
      ...(service.build === undefined || existsSync(path.join(DEPLOY, service.build, 'Dockerfile'))
        ? []
        : [service.build]),
      ...namesIn(service.depends_on).filter((other) => compose.services[other] === undefined),
      ...(service.secrets ?? []).filter((secret) => compose.secrets[secret] === undefined),
      ...(service.volumes ?? []).filter((volume) => !isThere(volume)).map((volume) => `${name}: ${volume}`),
    ]);
    expect(missing).toEqual([]);
    const files = Object.values(compose.secrets).map(({ file }) => path.basename(file));
    expect(readdirSync(secrets).sort()).toEqual(files.sort());
  });

  function isThere(volume: string): boolean {
    const [from = ''] = volume.split(':');
    return from.startsWith('.') ? existsSync(path.join(DEPLOY, from)) : from in compose.volumes;
  }

  test('restarts what fails, bounds every log, publishes on this machine only, and holds no secret', () => {
    for (const [name, { restart, logging, ports = [], environment = {}, user }] of services) {
      expect([name, restart]).toEqual([name, name === 'queue' ? 'no' : 'unless-stopped']);
      expect(logging.options).toMatchObject({
        'max-size': expect.stringMatching(/^\d+m$/),
        'max-file': expect.any(String),
      });
      expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
      const secret = Object.keys(environment).filter((key) => /TOKEN|PASSWORD|SECRET/.test(key) && !/_FILE$/.test(key));
      expect(secret).toEqual([]);
      // Only what gives a volume to its user is root.
      expect(name === 'queue' || user !== '0').toBe(true);
    }
  });

  test('has the image of this version, whose base is that of the program that sends', () => {
    expect(compose.services.tailrace?.image).toBe(`tailrace:${VERSION}`);
    const [own] = readDockerfile(path.join(ROOT, 'Dockerfile'));
    const [demo] = readDockerfile(path.join(DEPLOY, 'demo/Dockerfile'));
    expect(demo?.base).toBe(own?.base);
    const wanted = JSON.parse(read('demo/package.json')).dependencies as Record<string, string>;
    const { devDependencies } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
    expect(devDependencies).toMatchObject(wanted);
    const { packages } = JSON.parse(read('demo/package-lock.json'));
    expect(packages['']).toMatchObject({ dependencies: wanted });
  });

  test('secrets are made once, readable in containers and in a folder that is open to its owner only', () => {
    const secrets = makeSecrets();
    const before = readFileSync(path.join(secrets, 'sender'), 'utf8');
    expect(before).toMatch(/^[0-9a-f]{48}$/);
    makeSecrets();
    expect(readFileSync(path.join(secrets, 'sender'), 'utf8')).toBe(before);
    expect(statSync(secrets).mode & 0o777).toBe(0o700);
    expect(statSync(path.join(secrets, 'sender')).mode & 0o777).toBe(0o644);
  });

  test('the Collector has the configuration of the example, with other addresses and the token as a file', () => {
    const { command = [], volumes = [] } = compose.services.collector as ComposeService;
    const example = '../examples/collector/config.yaml:/etc/otelcol/config.yaml:ro';
    expect(volumes).toEqual([example, './collector.yaml:/etc/otelcol/compose.yaml:ro', 'queue:/var/lib/otelcol']);
    expect(command).toEqual(['--config=/etc/otelcol/config.yaml', '--config=/etc/otelcol/compose.yaml']);
    const before = pathsOf(parse(read('../examples/collector/config.yaml')));
    const added = pathsOf(parse(read('collector.yaml')));
    // Each takes the place of a value that is there.
    expect(Object.keys(added).filter((at) => before[at] === undefined)).toEqual([]);
    expect(added).toEqual({
      'receivers.otlp.protocols.grpc.endpoint': `0.0.0.0:${PORTS.grpc}`,
      'receivers.otlp.protocols.http.endpoint': `0.0.0.0:${PORTS.http}`,
      'exporters.otlp_http.endpoint': `http://tailrace:${PORTS.http}/otlp`,
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the Collector puts the file there.
      'exporters.otlp_http.headers.Authorization': 'Bearer ${file:/run/secrets/sender}',
    });
  });
});

describe('as compose.yaml says, without its containers,', () => {
  let server: TestServer;
  let tokens: { readonly sender: string; readonly metrics: string };

  beforeAll(async () => {
    const secrets = makeSecrets();
    const tokenOf = (name: string): string => {
      const secret = readFileSync(path.join(secrets, name), 'utf8');
      rememberSecret(`the token ${name}`, secret);
      return secret;
    };
    tokens = { sender: tokenOf('sender'), metrics: tokenOf('metrics') };
    server = await serverWith(read('init.yaml'), 'compose', { '/run/secrets': secrets });
  });

  afterAll(() => server.stop());

  test('the program sends logs, spans, calls of a language model among them, and metrics', async () => {
    // Where its packages are installed as in its image.
    const demo = path.join(folder, 'demo');
    mkdirSync(demo);
    cpSync(path.join(DEPLOY, 'demo/demo.mjs'), path.join(demo, 'demo.mjs'));
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(demo, 'node_modules'));
    const env = {
      ...compose.services.demo?.environment,
      OTEL_EXPORTER_OTLP_ENDPOINT: server.url,
      OTEL_EXPORTER_OTLP_HEADERS: `Authorization=Bearer%20${tokens.sender}`,
      ...{ PATH: process.env.PATH, DEMO_ORDERS: '5', DEMO_EVERY_MS: '1' },
    };
    const child = spawn(process.execPath, ['demo.mjs'], { cwd: demo, env, stdio: ['ignore', 'inherit', 'inherit'] });
    expect(await once(child, 'close')).toEqual([0, null]);
    const url = `${server.url}/v1/streams/shop/records?seq_num=0&view=message`;
    const response = await fetch(url, { headers: { authorization: `Bearer ${server.token}` } });
    expect(response.status).toBe(200);
    const { rows } = (await response.json()) as { rows: readonly Record<string, unknown>[] };
    const of = (signal: string) => rows.filter((row) => row.signal === signal);
    expect(of('logs').map(({ level }) => level)).toEqual(['info', 'info', 'info', 'info', 'error']);
    expect(of('traces').filter(({ spanType }) => spanType === 'llm')).toHaveLength(5);
    expect(of('traces')).toHaveLength(15);
    expect(of('traces').find(({ spanType }) => spanType === 'llm')).toMatchObject({
      model: 'example-model',
      output: expect.anything(),
    });
    expect(new Set(of('metrics').map(({ type }) => type))).toEqual(new Set(['shop.orders', 'shop.order.duration']));
  });

  test('each token does what it is for and no more', async () => {
    const metrics = `${server.url}${parse(read('watch/prometheus.yaml')).scrape_configs[0].metrics_path}`;
    const records = `${server.url}/v1/streams/shop/records?seq_num=0`;
    expect([await statusOf(metrics, tokens.metrics), await statusOf(records, tokens.metrics)]).toEqual([200, 403]);
    expect([await statusOf(metrics, tokens.sender), await statusOf(records, tokens.sender)]).toEqual([403, 403]);
  });
});

/** Every value of a configuration by its path. */
function pathsOf(value: unknown, before: readonly string[] = []): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return { [before.join('.')]: value };
  const parts = Object.entries(value).map(([key, inner]) => pathsOf(inner, [...before, key]));
  return Object.assign({}, ...parts) as Record<string, unknown>;
}

function namesIn(depends: ComposeService['depends_on']): readonly string[] {
  return Array.isArray(depends) ? depends : Object.keys(depends ?? {});
}

describe('kubernetes.yaml', () => {
  const documents = parseAllDocuments(read('kubernetes.yaml'));

  /** What stands at a path of an object. */
  function look<T>(kind: string, name: string, at: string): T {
    const found = documents.find((one) => one.get('kind') === kind && one.getIn(['metadata', 'name']) === name);
    const value: unknown = found?.getIn(at.split('.').map((key) => (/^\d+$/.test(key) ? Number(key) : key)));
    if (value === undefined) throw new Error(`${kind} ${name} has no ${at}`);
    return (isNode(value) ? value.toJSON() : value) as T;
  }
  const server = <T>(at: string): T => look('StatefulSet', 'tailrace', `spec.${at}`);
  const container = <T>(at: string): T => server(`template.spec.containers.0.${at}`);

  test('is well formed, each object once, and all of one namespace', () => {
    expect(documents.flatMap(({ errors }) => errors)).toEqual([]);
    const ids = documents.map((one) => `${one.get('kind')} ${one.getIn(['metadata', 'name'])}`);
    expect(new Set(ids).size).toBe(ids.length);
    const wanted = ['NetworkPolicy tailrace', 'Service tailrace-headless', 'ServiceMonitor tailrace'];
    expect(ids).toEqual(expect.arrayContaining(wanted));
    const inside = documents.filter((one) => one.get('kind') !== 'ClusterRoleBinding');
    expect(new Set(inside.map((one) => one.getIn(['metadata', 'namespace'])))).toEqual(new Set(['tailrace']));
  });

  test('ports, volumes and references fit each other and the image', () => {
    const ports = container<readonly { readonly name: string; readonly containerPort: number }[]>('ports');
    expect(ports.map(({ name, containerPort }) => [name, containerPort])).toEqual(Object.entries(PORTS));
    for (const name of ['tailrace', 'tailrace-headless']) {
      const led = look<readonly { readonly targetPort: string; readonly port: number }[]>(
        'Service',
        name,
        'spec.ports',
      );
      expect(led.map(({ targetPort, port }) => [targetPort, port])).toEqual(Object.entries(PORTS));
      expect(look('Service', name, 'spec.selector')).toEqual(server('selector.matchLabels'));
    }
    expect(server('serviceName')).toBe('tailrace-headless');
    type Named = readonly { readonly name: string }[];
    const volumes = [...server<Named>('template.spec.volumes').map(({ name }) => name), 'data'];
    expect(server('volumeClaimTemplates.0.metadata.name')).toBe('data');
    const mounted = container<Named>('volumeMounts').map(({ name }) => name);
    expect([...mounted].sort()).toEqual([...volumes].sort());
    expect(container('image')).toBe(`tailrace:${VERSION}`);
    const steps = readDockerfile(path.join(ROOT, 'Dockerfile')).at(-1)?.steps ?? [];
    expect(steps.find(({ name }) => name === 'USER')?.value).toBe('10001:10001');
    const owner = { runAsNonRoot: true, runAsUser: 10_001, runAsGroup: 10_001, fsGroup: 10_001 };
    expect(server('template.spec.securityContext')).toMatchObject(owner);
    const closed = { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
    expect(container('securityContext')).toEqual(closed);
  });

  test('the token of the sender is for the audience that the basin trusts', () => {
    const init = parse(look<Data>('ConfigMap', 'tailrace', 'data')['init.yaml'] ?? '');
    const pod = 'spec.template.spec';
    const token = look('Deployment', 'sender', `${pod}.volumes.1.projected.sources.0.serviceAccountToken`);
    expect(token).toMatchObject({ audience: init.basins[0].config.oidc.audience, path: 'token' });
    const config = parse(look<Data>('ConfigMap', 'sender', 'data')['config.yaml'] ?? '');
    const mount = look('Deployment', 'sender', `${pod}.containers.0.volumeMounts.1.mountPath`);
    expect(config.extensions.bearertokenauth.filename).toBe(`${mount}/token`);
  });

  test('a server takes its declarations, answers its probes, and shows metrics to its monitor', async () => {
    const tokens = path.join(folder, 'tokens');
    mkdirSync(tokens);
    const secret = 'a'.repeat(48);
    rememberSecret('the token of metrics', secret);
    writeFileSync(path.join(tokens, 'metrics'), secret);
    const init = look<Data>('ConfigMap', 'tailrace', 'data')['init.yaml'] ?? '';
    const running = await serverWith(init, 'kubernetes', { '/etc/tailrace/tokens': tokens });
    const probes = ['startupProbe', 'livenessProbe', 'readinessProbe'].map((name) =>
      container<string>(`${name}.httpGet.path`),
    );
    expect(await Promise.all(probes.map((probe) => statusOf(running.url + probe, '')))).toEqual([200, 200, 200]);
    const metrics = look<string>('ServiceMonitor', 'tailrace', 'spec.endpoints.0.path');
    expect(await statusOf(running.url + metrics, secret)).toBe(200);
    const headers = { authorization: `Bearer ${running.token}` };
    const basin = await fetch(`${running.url}/v1/basins/cluster-pods`, { headers });
    expect(await basin.json()).toMatchObject({ oidc: { audience: 'tailrace' }, create_stream_on_append: true });
    await running.stop();
  });
});

type Data = Readonly<Record<string, string>>;
