/** TLS on the port: both protocols by ALPN, WebSockets, and certificates that change while the server runs. */

import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parseConfig } from '../../src/config.ts';
import { Tls } from '../../src/http/connection/tls.ts';
import { SILENT } from '../../src/observe/logger.ts';
import { type Certificate, HAS_OPENSSL, makeCertificate } from '../support/certificate.ts';
import { connectRaw } from '../support/http-call.ts';
import { connectHttp2 } from '../support/http2-call.ts';
import { failToStart, startServer, type TestServer } from '../support/server.ts';
import { ManualClock } from '../support/socket-clock.ts';
import { Reader } from '../support/socket-reader.ts';

// Certificates are made by openssl: without it, tests that need one are skipped, and their names say so.
const needed = HAS_OPENSSL ? test : test.skip;
const name = (title: string): string => (HAS_OPENSSL ? title : `${title} (skipped: openssl is missing)`);

let dir: string;
let first: Certificate;
let second: Certificate;
/** Where the server looks. */
let files: { cert: string; key: string };
let server: TestServer;

beforeAll(async () => {
  if (!HAS_OPENSSL) return;
  dir = mkdtempSync(join(tmpdir(), 'tailrace-tls-'));
  first = makeCertificate(dir, 'first');
  second = makeCertificate(dir, 'second');
  files = { cert: join(dir, 'live.cert.pem'), key: join(dir, 'live.key.pem') };
  install(first);
  server = await startServer({ args: ['--tls-cert', files.cert, '--tls-key', files.key] });
});

afterAll(async () => {
  if (!HAS_OPENSSL) return;
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

function install({ cert, key }: Certificate): void {
  copyFileSync(cert, files.cert);
  copyFileSync(key, files.key);
}

/** The name on the certificate that a new connection gets. */
async function shown(
  options: { ALPNProtocols?: string[] } = {},
): Promise<{ name: string; protocol: string | false | null }> {
  const socket = await secure(options);
  const { subject } = socket.getPeerCertificate() as PeerCertificate;
  socket.destroy();
  return { name: String(subject.CN), protocol: socket.alpnProtocol };
}

function secure(options: { ALPNProtocols?: string[] } = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const ca = [first.ca, second.ca];
    const socket = connect({ host: '127.0.0.1', port: server.port, ca, ...options }, () => resolve(socket));
    socket.on('error', reject);
  });
}

needed(name('the server prints the https URL that it listens on'), () => {
  expect(server.url).toBe(`https://127.0.0.1:${server.port}`);
  expect(server.stdout()).toContain(`OTEL_EXPORTER_OTLP_ENDPOINT=https://127.0.0.1:${server.port}`);
});

needed(name('HTTP/1.1 works with and without ALPN'), async () => {
  for (const options of [{}, { ALPNProtocols: ['http/1.1'] }]) {
    const socket = await secure(options);
    socket.write('GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    let text = '';
    for await (const bytes of socket) text += bytes;
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nOK$/s);
  }
});

needed(name('HTTP/2 is chosen by ALPN, and wins when both are offered'), async () => {
  expect((await shown({ ALPNProtocols: ['http/1.1', 'h2'] })).protocol).toBe('h2');
  const connection = await connectHttp2(server.url, { ca: first.ca });
  expect(connection.session.alpnProtocol).toBe('h2');
  const headers = {
    authorization: `Bearer ${server.token}`,
    'content-type': 'application/json',
    's2-basin': 'telemetry',
  };
  const path = '/v1/streams/tls/records';
  expect((await connection.call({ path, headers, body: '{"records":[{"body":"a"}]}' })).status).toBe(200);
  const wrong = await connection.call({ path: '/v1/lgos', headers, body: '{}' });
  expect([wrong.status, String(wrong.body)]).toEqual([404, expect.stringContaining('https://')]);
  await connection.close();
});

needed(name('WebSockets work over TLS'), async () => {
  const options = { ca: first.ca, headers: { authorization: `Bearer ${server.token}`, 's2-basin': 'telemetry' } };
  const reader = new Reader(`wss://127.0.0.1:${server.port}/v1/streams/tls/records?seq_num=0`, ['s2.json'], options);
  expect(await reader.next()).toMatchObject({ type: 'hello', stream: 'tls' });
  await reader.close();
});

needed(name('a connection without TLS is cut, and others are not affected'), async () => {
  const connection = await connectRaw(server.port);
  connection.send('GET /health HTTP/1.1\r\nhost: x\r\n\r\n');
  await connection.closed;
  expect(connection.received()).not.toContain('HTTP/1.1 200');
  expect((await shown()).name).toBe('first');
});

needed(name('a changed certificate is loaded, and a broken one is not'), async () => {
  const running = await connectHttp2(server.url, { ca: first.ca });
  writeFileSync(files.cert, 'this is not a certificate');
  await logged(/the old one stays/);
  expect((await shown()).name).toBe('first');
  install(second);
  await logged(/took over the new TLS certificate/);
  expect((await shown()).name).toBe('second');
  // Existing connections continue.
  expect((await running.call({ method: 'GET', path: '/health' })).status).toBe(200);
  await running.close();
});

async function logged(pattern: RegExp): Promise<void> {
  while (!pattern.test(server.stderr())) await new Promise((resolve) => setTimeout(resolve, 20));
}

needed(name('unusable certificate files stop the start'), async () => {
  const { code, stderr } = await failToStart({
    dataDir: join(dir, 'data'),
    args: ['--tls-cert', first.cert, '--tls-key', join(dir, 'no')],
  });
  expect(code).toBe(2);
  expect(stderr).toMatch(/--tls-cert .* cannot be used: .*no such file/);
  const deps = { clock: new ManualClock(), logger: SILENT };
  const load = (key: string) => () => new Tls({ cert: first.cert, key }, deps, () => {}).close();
  expect(load(second.key)).toThrow(expect.objectContaining({ code: 'config' }));
  expect(load(first.cert)).toThrow(expect.objectContaining({ code: 'config' }));
  expect(load(first.key)).not.toThrow();
});

test.each([
  [{ tlsCert: 'a' }, '--tls-key (TAILRACE_TLS_KEY) is missing'],
  [{ tlsKey: 'a' }, '--tls-cert (TAILRACE_TLS_CERT) is missing'],
])('one file without the other is refused: %j', (options, message) => {
  expect(() => parseConfig(options)).toThrow(message);
});

needed(name('listening on all addresses logs a warning without TLS, and none with TLS'), async () => {
  const allAddresses = ['--host', '0.0.0.0'];
  const secure = ['--tls-cert', first.cert, '--tls-key', first.key];
  const [plain, safe] = await Promise.all([
    startServer({ args: allAddresses }),
    startServer({ args: [...allAddresses, ...secure] }),
  ]);
  const connection = await connectHttp2(safe.url.replace('0.0.0.0', '127.0.0.1'), { ca: first.ca });
  const exits = await Promise.all([plain.stop(), safe.stop(), connection.closed]);
  expect(exits.slice(0, 2)).toEqual([
    { code: 0, signal: null },
    { code: 0, signal: null },
  ]);
  expect(connection.goaways).toContain(0);
  expect(plain.stderr()).toMatch(/"level":"warn".*in the clear.*--tls-cert/);
  expect(safe.stderr()).not.toMatch(/in the clear/);
});
