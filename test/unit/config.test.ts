/** Settings: what flags, environment variables and options mean, and what is refused. */

import { describe, expect, test } from '@jest/globals';
import { isLoopback } from '../../src/access/loopback.ts';
import { type ConfigInput, parseConfig, SETTINGS } from '../../src/config.ts';
import type { ServerOptions } from '../../src/options.ts';
import { resolveConfig } from '../../src/settings/resolve-config.ts';

/** Each takes what the other takes, key by key: `npm run check` fails when a setting has only one of them. */
const agreeing: readonly [
  (options: Required<ServerOptions>) => Required<ConfigInput>,
  (options: Required<ConfigInput>) => Required<ServerOptions>,
] = [(options) => options, (options) => options];

const SECRETS = ['rootToken', 'selfTelemetryHeaders'];

describe('settings', () => {
  test('that programs may pass are those that are checked', () => {
    const options: ServerOptions = { port: '0', corsOrigin: ['https://app.example'], memoryLimit: '64MiB' };
    for (const same of agreeing) expect(same(options as never)).toBe(options);
    expect(parseConfig(options)).toMatchObject({ port: 0, memoryLimit: 2 ** 26 });
  });

  test('have the documented defaults', () => {
    expect(parseConfig({})).toEqual({
      host: '127.0.0.1',
      port: 4318,
      grpcPort: 4317,
      dataDir: 'data',
      noAuth: false,
      defaultBasin: 'telemetry',
      exchangeTtl: 900_000,
      defaultStream: '{service.name}',
      whenFull: 'refuse',
      memoryLimit: 512 * 1024 * 1024,
      wireBytesMax: 16 * 1024 * 1024,
      bodyBytesMax: 64 * 1024 * 1024,
      requestRecordsMax: 100_000,
      logLevel: 'info',
      logFormat: 'auto',
      shutdownTimeout: 10_000,
      allowNetworkFs: false,
      clusterName: 'tailrace',
      clusterReplicas: 3,
      clusterPartitions: 1,
      clusterUnsafeSync: false,
    });
  });

  test('from flags win over the environment, which wins over defaults', () => {
    const env = { TAILRACE_PORT: '1', TAILRACE_HOST: 'localhost' };
    expect(resolveConfig({ port: '2' }, env)).toMatchObject({ port: 2, host: 'localhost', dataDir: 'data' });
  });

  test('of sizes and durations are read with their units', () => {
    const flags = { memoryLimit: '512MiB', wireBytesMax: '1kB', storeBytesMax: '3 gib', shutdownTimeout: '2s' };
    expect(resolveConfig(flags, {})).toMatchObject({
      memoryLimit: 2 ** 29,
      wireBytesMax: 1_000,
      storeBytesMax: 3 * 2 ** 30,
      shutdownTimeout: 2_000,
    });
    expect(parseConfig({ shutdownTimeout: '500ms', wireBytesMax: 5 })).toMatchObject({
      shutdownTimeout: 500,
      wireBytesMax: 5,
    });
  });

  test.each([
    [{ port: 'http' }, '--port (TAILRACE_PORT)'],
    [{ port: 65_536 }, '--port'],
    [{ port: -1 }, '--port'],
    [{ port: 1.5 }, '--port'],
    [{ memoryLimit: '5 parsecs' }, '--memory-limit'],
    [{ memoryLimit: '1' }, '--memory-limit'],
    [{ shutdownTimeout: '2 weeks' }, '--shutdown-timeout'],
    [{ defaultBasin: 'No' }, '--default-basin'],
    [{ basinHostSuffix: 'b.example.com:80' }, '--basin-host-suffix'],
    [{ basinHostSuffix: '10.0.0.1' }, '--basin-host-suffix'],
    [{ basinHostSuffix: `${'a.'.repeat(102)}a` }, '--basin-host-suffix'],
    [{ noAuth: 'maybe' }, '--no-auth'],
    [{ rootToken: 'short' }, 'TAILRACE_ROOT_TOKEN'],
    [{ rootToken: 'x'.repeat(32), rootTokenFile: 'file' }, 'TAILRACE_ROOT_TOKEN'],
    [{ prot: 1 }, 'unknown setting prot'],
    [{ noAuth: true, host: '0.0.0.0' }, '--no-auth'],
    [{ noAuth: true, host: '::' }, '--no-auth'],
  ])('such as %j are refused by name', (options, name) => {
    const refused = () => parseConfig(options);
    expect(refused).toThrow(expect.objectContaining({ code: 'config' }));
    expect(refused).toThrow(name);
  });

  test('as a flag: a token replaces one from the environment', () => {
    const env = { TAILRACE_ROOT_TOKEN: 'e'.repeat(40) };
    expect(resolveConfig({ rootTokenFile: 'file' }, env).rootToken).toBeUndefined();
    expect(resolveConfig({}, env).rootToken).toBe('e'.repeat(40));
  });

  test('treat an empty variable as not set, except the template, and ignore service links of Kubernetes', () => {
    const env = { TAILRACE_HOST: '', TAILRACE_DEFAULT_STREAM: '', TAILRACE_PORT: 'tcp://10.0.0.1:4318' };
    expect(resolveConfig({}, env)).toMatchObject({ host: '127.0.0.1', defaultStream: '', port: 4318 });
  });
});

test('settings have a flag and help each, and only secrets have no flag', () => {
  expect(SETTINGS.flatMap(({ key, flag }) => (flag === undefined ? [key] : []))).toEqual(SECRETS);
  for (const { env, description } of SETTINGS) {
    expect(env).toMatch(/^TAILRACE_[A-Z_]+$/);
    expect(description.length).toBeGreaterThan(10);
  }
});

test.each([
  [{ logLevel: 'loud' }, '--log-level'],
  [{ logFormat: 'xml' }, '--log-format'],
  [{ selfTelemetry: 'ftp://127.0.0.1' }, '--self-telemetry'],
  [{ selfTelemetry: 'somewhere' }, '--self-telemetry'],
  [{ selfTelemetry: 'http://a:b@127.0.0.1' }, '--self-telemetry'],
  [{ selfTelemetry: 'http://127.0.0.1/?token=x' }, '--self-telemetry'],
  [{ selfTelemetryHeaders: 'pa55word' }, 'TAILRACE_SELF_TELEMETRY_HEADERS'],
  [{ selfTelemetryHeaders: 'a=%4' }, 'TAILRACE_SELF_TELEMETRY_HEADERS'],
  [{ selfTelemetryHeaders: 'a=%E9' }, 'TAILRACE_SELF_TELEMETRY_HEADERS'],
  [{ selfTelemetryHeaders: 'a=b%0d%0ac:d' }, 'TAILRACE_SELF_TELEMETRY_HEADERS'],
  [{ selfTelemetryHeaders: { 'a b': 'c' } }, 'TAILRACE_SELF_TELEMETRY_HEADERS'],
])('a setting of logs or of own telemetry that is wrong is refused by its name: %j', (options, name) => {
  expect(() => parseConfig(options)).toThrow(name);
});

test('headers for the own telemetry are read once: a configuration that was checked is taken again', () => {
  const { selfTelemetryHeaders } = parseConfig({ selfTelemetry: 'self', selfTelemetryHeaders: 'A=Bearer%20b, c=d' });
  expect(selfTelemetryHeaders).toEqual({ a: 'Bearer b', c: 'd' });
  expect(parseConfig({ selfTelemetryHeaders })).toMatchObject({ selfTelemetryHeaders });
});

test('settings take any port for gRPC where they take any port for HTTP and name none for gRPC', () => {
  expect(parseConfig({ port: 0 }).grpcPort).toBe('auto');
  expect(parseConfig({ port: 0, grpcPort: 4317 }).grpcPort).toBe(4317);
  expect(parseConfig({ port: 0, grpcPort: '0' }).grpcPort).toBe(0);
  expect(parseConfig({ grpcPort: 'auto' }).grpcPort).toBe('auto');
  expect(resolveConfig({ port: '0' }, { TAILRACE_GRPC_PORT: '5' }).grpcPort).toBe(5);
  const fault = '--grpc-port (TAILRACE_GRPC_PORT) must be a whole number from 0 to 65535, or auto';
  for (const wrong of ['any', 65_536, -1]) expect(() => parseConfig({ grpcPort: wrong })).toThrow(fault);
  // The command line hands the server what it has resolved.
  expect(parseConfig(parseConfig({ port: 0 })).grpcPort).toBe('auto');
});

const NODE = { cluster: 'nats://a', nodeUrl: 'http://10.0.0.7:4318' };

test.each([
  [{ cluster: 'nats://a' }, '--node-url'],
  [{ nodeUrl: 'http://a' }, '--cluster '],
  [{ ...NODE, cluster: 'http://a' }, '--cluster '],
  [{ ...NODE, cluster: 'nats://me:pa55word@a' }, '--cluster '],
  [{ ...NODE, cluster: ['nats://a', 'nats://a/b'] }, '--cluster '],
  [{ ...NODE, nodeUrl: 'http://a/b' }, '--node-url'],
  [{ ...NODE, nodeUrl: 'a:4318' }, '--node-url'],
  [{ ...NODE, clusterName: 'No' }, '--cluster-name'],
  [{ ...NODE, clusterName: 'a'.repeat(33) }, '--cluster-name'],
  [{ ...NODE, clusterReplicas: 2 }, '--cluster-replicas'],
  [{ ...NODE, clusterReplicas: 4 }, '--cluster-replicas'],
  [{ ...NODE, clusterPartitions: 0 }, '--cluster-partitions'],
  [{ ...NODE, clusterPartitions: 17 }, '--cluster-partitions'],
  [{ ...NODE, clusterPartitions: 1.5 }, '--cluster-partitions'],
  [{ ...NODE, clusterMonitor: 'a:8222' }, '--cluster-monitor'],
])('a setting of a cluster that is wrong is refused by its name, and shows no password: %j', (options, name) => {
  const refused = () => parseConfig(options);
  expect(refused).toThrow(name);
  expect(refused).not.toThrow('pa55word');
});

test('settings of a cluster are read from flags and variables, with ports where they have none', () => {
  const env = {
    TAILRACE_CLUSTER: 'nats://a, tls://b:4333',
    TAILRACE_NODE_URL: 'http://10.0.0.7:4318/',
    TAILRACE_CLUSTER_PARTITIONS: '16',
  };
  expect(resolveConfig({ clusterReplicas: '5', clusterName: `a${'-'.repeat(30)}a` }, env)).toMatchObject({
    cluster: ['nats://a:4222', 'tls://b:4333'],
    nodeUrl: 'http://10.0.0.7:4318',
    clusterReplicas: 5,
    clusterPartitions: 16,
  });
});

test.each([
  ['localhost', true],
  ['db.localhost', true],
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['[::1]', true],
  ['0.0.0.0', false],
  ['10.0.0.1', false],
  ['127.0.0.1.evil.com', false],
  ['localhost.evil.com', false],
])('%s is a loopback address: %s', (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});

test('--basin-host-suffix is read in lower case, without a dot before it, up to what leaves space for a basin', () => {
  for (const [given, read] of [
    ['B.Example.com', 'b.example.com'],
    ['.b.example.com', 'b.example.com'],
    [`${'a.'.repeat(101)}a`, `${'a.'.repeat(101)}a`],
  ]) {
    expect(parseConfig({ basinHostSuffix: given }).basinHostSuffix).toBe(read);
  }
});
