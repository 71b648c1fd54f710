/**
 * The proxies of scripts/deploy/proxy in front of a server: each runs the file that we give to users, in which only
 * addresses, certificates and, where a test says so, the time limits are others.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Certificate } from './certificate.ts';
import { freePort } from './free-port.ts';
import type { TestServer } from './server.ts';

export const PROXIES = ['nginx', 'caddy', 'envoy'] as const;
export type ProxyKind = (typeof PROXIES)[number];

export interface ProxySetup {
  readonly server: Pick<TestServer, 'port' | 'grpcUrl'>;
  /** The program; else the one on the path. */
  readonly program?: string;
  /** Serves TLS on a port of its own too; only nginx. */
  readonly certificate?: Certificate;
  /** The longest silence, in place of an hour. Caddy has no such limit. */
  readonly silence?: string;
  /** What else is written otherwise. */
  readonly instead?: readonly (readonly [text: string, by: string])[];
}

export interface RunningProxy {
  /** For HTTP/1.1, and for HTTP/2 with prior knowledge. */
  readonly port: number;
  readonly h2Port: number;
  readonly tlsPort: number | undefined;
  /** What it wrote. */
  output(): string;
  stop(): Promise<void>;
}

const FOLDER = fileURLToPath(new URL('../../scripts/deploy/proxy/', import.meta.url));
const FILES: Readonly<Record<ProxyKind, string>> = { nginx: 'nginx.conf', caddy: 'Caddyfile', envoy: 'envoy.yaml' };

/**
 * The program that the variable names, such as `TAILRACE_ENVOY`. Debian's nginx is found by itself; the others take too
 * long for every run of the tests, so that `npm run interop -- proxies` names them.
 */
export function findProxy(kind: ProxyKind): string | undefined {
  const named = process.env[`TAILRACE_${kind.toUpperCase()}`] ?? '';
  const places = kind === 'nginx' ? ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/local/bin/nginx'] : [];
  return [named, ...places].find((file) => file !== '' && existsSync(file));
}

/** Starts one, and waits until it takes connections. */
export async function startProxy(kind: ProxyKind, setup: ProxySetup): Promise<RunningProxy> {
  const dir = mkdtempSync(path.join(tmpdir(), `tailrace-${kind}-`));
  const port = await freePort();
  const ports = { port, h2Port: kind === 'nginx' ? await freePort() : port, tlsPort: await freePort() };
  const { command, args } = prepare(kind, setup, { dir, ...ports });
  const env = { ...process.env, XDG_CONFIG_HOME: dir, XDG_DATA_HOME: dir };
  const child = spawn(command, args, { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (text: Buffer) => {
      output += text.toString();
    });
  }
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  try {
    await reachable(child, port);
  } catch (error) {
    throw new Error(`${kind} did not start: ${error}\n${output}`);
  }
  return {
    ...ports,
    tlsPort: setup.certificate === undefined ? undefined : ports.tlsPort,
    output: () => output,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Lets the program check its file as it is but for the certificate. What it says; code 0 is good. */
export function checkFile(
  kind: ProxyKind,
  program: string,
  certificate: Certificate,
): { code: number | null; said: string } {
  const dir = mkdtempSync(path.join(tmpdir(), `tailrace-${kind}-`));
  const text = withCertificate(readFileSync(path.join(FOLDER, FILES[kind]), 'utf8'), kind, certificate);
  const file = path.join(dir, FILES[kind]);
  writeFileSync(file, kind === 'nginx' ? withinMain(text, dir) : text);
  const args = {
    nginx: ['-t', '-p', dir, '-c', file],
    caddy: ['adapt', '--adapter', 'caddyfile', '--validate', '--config', file],
    envoy: ['--mode', 'validate', '-c', file],
  }[kind];
  const env = { ...process.env, XDG_CONFIG_HOME: dir, XDG_DATA_HOME: dir };
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: dir, env, encoding: 'utf8' });
  rmSync(dir, { recursive: true, force: true });
  return { code: status, said: `${stdout}${stderr}` };
}

interface Place {
  readonly dir: string;
  readonly port: number;
  readonly h2Port: number;
  readonly tlsPort: number;
}

function prepare(kind: ProxyKind, setup: ProxySetup, place: Place): { command: string; args: readonly string[] } {
  const { server, silence, instead = [] } = setup;
  const own: (readonly [string, string])[] = [
    ...SERVER_ADDRESSES[kind](server.port, new URL(server.grpcUrl ?? 'http://x:1').port),
    ...(silence === undefined
      ? []
      : SILENCES[kind].map((text): [string, string] => [text, text.replace(/\d+\w$/, silence)])),
    ...instead,
  ];
  let text = readFileSync(path.join(FOLDER, FILES[kind]), 'utf8');
  for (const [from, to] of own) text = replaced(text, from, to);
  const file = path.join(place.dir, FILES[kind]);
  writeFileSync(file, LISTENING[kind](text, place, setup.certificate));
  const command = setup.program ?? findProxy(kind) ?? kind;
  const args = {
    nginx: ['-p', place.dir, '-c', file],
    caddy: ['run', '--adapter', 'caddyfile', '--config', file],
    envoy: ['--disable-hot-restart', '--concurrency', '1', '-l', 'warn', '-c', file],
  }[kind];
  return { command, args };
}

type Addresses = (port: number, grpcPort: string) => readonly (readonly [string, string])[];

const dotted: Addresses = (port, grpcPort) => [
  ['127.0.0.1:4318', `127.0.0.1:${port}`],
  ['127.0.0.1:4317', `127.0.0.1:${grpcPort}`],
];
const SERVER_ADDRESSES: Readonly<Record<ProxyKind, Addresses>> = {
  nginx: dotted,
  caddy: dotted,
  envoy: (port, grpcPort) => [
    ['port_value: 4318', `port_value: ${port}`],
    ['port_value: 4317', `port_value: ${grpcPort}`],
  ],
};
const SILENCES: Readonly<Record<ProxyKind, readonly string[]>> = {
  nginx: ['proxy_read_timeout 1h', 'proxy_send_timeout 1h', 'grpc_read_timeout 1h', 'grpc_send_timeout 1h'],
  caddy: [],
  envoy: ['stream_idle_timeout: 3600s'],
};

/** Where it listens: without TLS, which clients of tests cannot be told to trust; of nginx with it too. */
const LISTENING: Readonly<Record<ProxyKind, (text: string, place: Place, certificate?: Certificate) => string>> = {
  nginx: (text, { dir, port, h2Port, tlsPort }, certificate) => {
    const plain = `listen 127.0.0.1:${port}; listen 127.0.0.1:${h2Port} http2;`;
    if (certificate === undefined) {
      const bare = replaced(text, 'listen 443 ssl http2;', plain);
      return withinMain(bare.replace(/^ *ssl_certificate\w* .*$/gm, ''), dir);
    }
    const both = replaced(text, 'listen 443 ssl', `${plain} listen 127.0.0.1:${tlsPort} ssl`);
    return withinMain(withCertificate(both, 'nginx', certificate), dir);
  },
  caddy: (text, { port }) =>
    `{\n\tadmin off\n\tauto_https off\n\tservers {\n\t\tprotocols h1 h2c\n\t}\n}\n${replaced(text, '\nlogs.example {', `\nhttp://127.0.0.1:${port} {`)}`,
  envoy: (text, { port }) => {
    const at = replaced(text, 'address: 0.0.0.0, port_value: 443', `address: 127.0.0.1, port_value: ${port}`);
    const [before, rest = ''] = at.split('        - transport_socket:\n');
    return `${before}        - filters:\n${rest.split('          filters:\n').slice(1).join('')}`;
  },
};

/** What surrounds a file in conf.d, with everything that nginx writes in one folder. */
function withinMain(text: string, dir: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${dir}/${name};`,
  );
  return [
    `daemon off; master_process off; pid ${dir}/pid; error_log stderr error;`,
    'events { worker_connections 512; }',
    `http { access_log off; ${temporary.join(' ')}`,
    text,
    '}',
  ].join('\n');
}

function withCertificate(text: string, kind: ProxyKind, { cert, key }: Certificate): string {
  if (kind === 'caddy') return text;
  return replaced(replaced(text, `/etc/${kind}/tailrace.pem`, cert), `/etc/${kind}/tailrace.key`, key);
}

/** @throws Error when it is not there: then the file is another one than the test knows */
function replaced(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`the file of the proxy has no ${JSON.stringify(from)}`);
  return text.replaceAll(from, to);
}

/** @throws Error when it ends before */
async function reachable(child: ChildProcess, port: number): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`it ended with code ${child.exitCode}`);
    const isOpen = await new Promise<boolean>((resolve) => {
      const probe = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      probe.on('connect', () => probe.destroy());
    });
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
