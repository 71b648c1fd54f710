/** The files for a cluster of three nodes fit each other, and the settings in them are accepted. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { VERSION } from '../../src/model/version.ts';
import { resolveConfig } from '../../src/settings/resolve-config.ts';

const DEPLOY = path.join(import.meta.dirname, '../../scripts/deploy/cluster');
const NODES = ['1', '2', '3'];

type Env = Readonly<Record<string, string>>;

interface Service {
  readonly image: string;
  readonly environment: Env;
  readonly volumes: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: readonly string[];
}

describe('compose.yaml', () => {
  const { services, volumes } = parse(read('compose.yaml'), { merge: true }) as {
    readonly services: Readonly<Record<string, Service>>;
    readonly volumes: Readonly<Record<string, null>>;
  };
  const service = (name: string): Service => services[name] ?? fail(`there is no ${name}`);

  test('has three servers of NATS, each with its name, its data and the same configuration', () => {
    for (const n of NODES) {
      const { environment, volumes: mounted, image } = service(`nats-${n}`);
      expect(environment).toEqual({ NATS_NAME: `nats-${n}`, NATS_STORE: '/data' });
      expect(mounted).toEqual([`nats-${n}:/data`, './nats.conf:/etc/nats/nats.conf:ro']);
      expect(image).toMatch(/^nats:2\.(1[5-9]|[2-9]\d)/);
    }
  });

  test('has three nodes that the server accepts as such, each with its own URL, ports and data', () => {
    const ports = NODES.flatMap((n) => service(`tailrace-${n}`).ports ?? []);
    expect(new Set(ports).size).toBe(6);
    for (const n of NODES) {
      const { environment, volumes: mounted, image, depends_on: before } = service(`tailrace-${n}`);
      const config = resolveConfig({}, environment);
      expect(config.nodeUrl).toBe(`http://tailrace-${n}:4318`);
      expect(config.cluster).toEqual(NODES.map((other) => `nats://nats-${other}:4222`));
      expect(config.clusterUnsafeSync).toBe(false);
      expect(mounted).toEqual([`data-${n}:/data`]);
      expect(image).toBe(`tailrace:${VERSION}`);
      expect(before).toEqual(NODES.map((other) => `nats-${other}`));
    }
    const named = Object.values(services).flatMap((one) => one.volumes.map((text) => text.split(':')[0] ?? ''));
    expect(named.filter((name) => !name.startsWith('.')).sort()).toEqual(Object.keys(volumes).sort());
  });
});

describe('nats.conf', () => {
  test.each([
    'listen: "0.0.0.0:4222"',
    'http: "0.0.0.0:8222"',
    'sync_interval: always',
    'routes: ["nats://nats-1:6222", "nats://nats-2:6222", "nats://nats-3:6222"]',
  ])('says %s, which the nodes and the other servers need', (line) => {
    expect(read('nats.conf')).toContain(`${line}\n`);
  });
});

describe('kubernetes.yaml', () => {
  const objects = parseAllDocuments(read('kubernetes.yaml')).map((document) => document.toJSON());
  const find = (kind: string, name: string) =>
    objects.find((one) => one.kind === kind && one.metadata.name === name) ?? fail(`there is no ${kind} ${name}`);
  const containerOf = (name: string) => find('StatefulSet', name).spec.template.spec.containers[0];

  test('has three of each, on machines of their own, of which one at a time may stop', () => {
    for (const name of ['tailrace', 'tailrace-nats']) {
      const { replicas, serviceName, template, podManagementPolicy } = find('StatefulSet', name).spec;
      expect([replicas, podManagementPolicy]).toEqual([3, 'Parallel']);
      expect(find('Service', serviceName).spec).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true });
      expect(template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution).toHaveLength(1);
      expect(find('PodDisruptionBudget', name).spec.maxUnavailable).toBe(1);
    }
  });

  test('a question mark is in quotes, without which the parser of kubectl takes no more of the file', () => {
    const plain = /[{,] [a-zA-Z]+: [^"'\s{,}]*\?/;
    expect('{ path: /healthz?js, port: x }').toMatch(plain);
    expect(read('kubernetes.yaml')).not.toMatch(plain);
  });

  test('a node gets settings that the server accepts, with the names of its Service and of those of NATS', () => {
    const { env, image } = containerOf('tailrace');
    const { serviceName } = find('StatefulSet', 'tailrace').spec;
    const values = Object.fromEntries(
      env.map(({ name, value = '' }: Env) => [name, value.replace('$(POD_NAME)', 'tailrace-0')]),
    );
    const config = resolveConfig({}, values);
    expect(config.nodeUrl).toBe(`http://tailrace-0.${serviceName}:4318`);
    const natsService = find('StatefulSet', 'tailrace-nats').spec.serviceName;
    expect(config.cluster).toEqual([0, 1, 2].map((n) => `nats://tailrace-nats-${n}.${natsService}:4222`));
    expect(image).toBe(`tailrace:${VERSION}`);
  });

  test('NATS gets a configuration as that of nats.conf, but for its routes', () => {
    const settingsOf = (text: string) =>
      text
        .replace(/#.*$/gm, '')
        .replace(/routes: \[[^\]]*\]/, '')
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== '');
    const { data } = find('ConfigMap', 'tailrace-nats');
    expect(settingsOf(data['nats.conf'])).toEqual(settingsOf(read('nats.conf')));
    expect(data['nats.conf'].match(/tailrace-nats-\d\.tailrace-nats:6222/g)).toHaveLength(3);
  });
});

function read(name: string): string {
  return readFileSync(path.join(DEPLOY, name), 'utf8');
}

function fail(why: string): never {
  throw new Error(why);
}
