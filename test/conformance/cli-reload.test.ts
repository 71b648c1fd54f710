/** SIGHUP of a server: what it reads again, what it says about the rest, and that nothing is cut. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type PeerCertificate } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Certificate, HAS_OPENSSL, makeCertificate } from '../support/certificate.ts';
import { CLI_MAIN } from '../support/cli.ts';
import { connectHttp2 } from '../support/http2-call.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';
import { HAS_TERMINAL } from '../support/terminal.ts';

const withTls = HAS_OPENSSL ? test : test.skip;
const tlsName = (title: string): string => (HAS_OPENSSL ? title : `${title} (skipped: openssl is missing)`);
const atTerminal = HAS_TERMINAL ? test : test.skip;

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tailrace-reload-'));
});

afterAll(() => {
  rmSync(dir, { recursive: true });
});

/** Sends the signal, and waits for the line that a reload ends with. */
async function reload(server: TestServer, line: string): Promise<string> {
  const before = server.stderr().length;
  process.kill(server.pid, 'SIGHUP');
  const said = () => server.stderr().slice(before);
  while (!said().includes(line)) await new Promise((resolve) => setTimeout(resolve, 20));
  return said();
}

describe('the TLS certificate and the log level', () => {
  let server: TestServer;
  let first: Certificate;
  let second: Certificate;
  const file = () => join(dir, 'tls.yaml');
  const settings = (level: string, cert: string, key: string, more = ''): void =>
    writeFileSync(file(), `log_level: ${level}\ntls_cert: ${cert}\ntls_key: ${key}\n${more}`);
  const shown = (port = server.port): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, ca: [first.ca, second.ca] }, () => {
        const { subject } = socket.getPeerCertificate() as PeerCertificate;
        socket.destroy();
        resolve(String(subject.CN));
      });
      socket.on('error', reject);
    });

  beforeAll(async () => {
    if (!HAS_OPENSSL) return;
    first = makeCertificate(dir, 'first');
    second = makeCertificate(dir, 'second');
    settings('warn', first.cert, first.key);
    server = await startServer({ args: ['--config', file()] });
  });

  afterAll(async () => {
    if (!HAS_OPENSSL) return;
    expect(await server.stop()).toEqual({ code: 0, signal: null });
  });

  withTls(tlsName('are read again from the file, on both ports, and no connection is cut'), async () => {
    const running = await connectHttp2(server.url, { ca: first.ca });
    const headers = { authorization: `Bearer ${server.token}`, 's2-basin': 'telemetry' };
    const append = (body: string) =>
      running.call({
        path: '/v1/streams/kept/records',
        headers: { ...headers, 'content-type': 'application/json' },
        body,
      });
    expect((await append('{"records":[{"body":"before"}]}')).status).toBe(200);
    const reader = new Reader(`wss://127.0.0.1:${server.port}/v1/streams/kept/records?seq_num=0`, ['s2.json'], {
      ca: first.ca,
      headers,
    });
    expect(await reader.next()).toMatchObject({ type: 'hello' });
    // Negative control: the file alone changes nothing, and at the level warn no line says so.
    settings('info', second.cert, second.key);
    expect([await shown(), server.stderr()]).toEqual(['first', '']);

    const said = await reload(server, 'new connections get them');
    expect(said).toMatch(/"before":"warn","after":"info".*the log level is another one/);
    expect([await shown(), await shown(Number(new URL(server.grpcUrl ?? '').port))]).toEqual(['second', 'second']);
    expect((await append('{"records":[{"body":"after"}]}')).status).toBe(200);
    const bodies: string[] = [];
    while (bodies.length < 2) {
      const frame = (await reader.next()) as { records?: { body: string }[] };
      bodies.push(...(frame.records ?? []).map(({ body }) => body));
    }
    expect(bodies).toEqual(['before', 'after']);
    await reader.close();
    await running.close();
  });

  withTls(tlsName('stay as they are when they cannot be used, and the log says why'), async () => {
    settings('info', second.cert, first.key);
    expect(await reload(server, 'stay as they are')).toMatch(
      /"level":"warn".*--tls-key \(TAILRACE_TLS_KEY\) cannot be used/,
    );
    settings('info', join(dir, 'nowhere.pem'), first.key);
    expect(await reload(server, 'stay as they are')).toMatch(/no such file/);
    settings('louder', first.cert, first.key);
    const wrong = await reload(server, 'all stay as they are');
    expect(wrong).toMatch(/tls\.yaml:1:12: log_level must be one of fatal, error, warn/);
    expect(await shown()).toBe('second');
  });

  withTls(tlsName('change without the settings that count from the next start on, which are named'), async () => {
    settings('warn', first.cert, first.key, 'exchange_ttl: 10m\nwhen_full: drop-oldest\n');
    const said = await reload(server, 'from the next start on');
    expect(said).toMatch(/"settings":"(when-full,exchange-ttl|exchange-ttl,when-full)"/);
    expect(said).toMatch(/"before":"info","after":"warn"/);
    // What is said after that is said at the new level.
    expect(said).not.toContain('new connections get them');
    expect(await shown()).toBe('first');
  });
});

test('a variable wins over the file at a reload too, and a server without TLS goes on', async () => {
  const file = join(dir, 'plain.yaml');
  writeFileSync(file, 'log_level: warn\n');
  const server = await startServer({ args: ['--config', file], env: { TAILRACE_LOG_LEVEL: 'info' } });
  writeFileSync(file, 'log_level: error\n');
  expect(await reload(server, 'read the settings again')).toMatch(/"level":"info".*the log level is the same/);
  writeFileSync(file, 'tls_cert: a.pem\ntls_key: a.key\n');
  expect(await reload(server, 'from the next start on')).toContain('"settings":"tls-cert,tls-key"');
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  expect(await server.stop()).toEqual({ code: 0, signal: null });
});

/** Starts a server at a pty, asks it to reload, then closes the pty as a terminal that is closed does. */
const HANG_UP = `
import os, pty, signal, sys
signal.alarm(60)
pid, screen = pty.fork()
if pid == 0:
    os.dup2(os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY), 2)
    os.execvp(sys.argv[2], sys.argv[2:])
seen = b''
def until(text):
    global seen
    while text not in seen:
        seen += os.read(screen, 4096)
until(b'listening on')
os.kill(pid, signal.SIGHUP)
while 'read the settings again' not in open(sys.argv[1]).read(): pass
os.close(screen)
_, status = os.waitpid(pid, 0)
print(os.waitstatus_to_exitcode(status))
`;

atTerminal('a server whose terminal is closed stops in order, and one whose terminal is there reads again', () => {
  const log = join(dir, 'terminal.log');
  const args = [process.execPath, CLI_MAIN, 'serve', '--port', '0', '--data-dir', join(dir, 'terminal')];
  const { stdout, stderr } = spawnSync('python3', ['-c', HANG_UP, log, ...args], { encoding: 'utf8' });
  expect([stdout, stderr]).toEqual([`-${constants.signals.SIGHUP}\n`, '']);
  expect(readFileSync(log, 'utf8')).toMatch(/the log level is the same[\s\S]*"signal":"SIGHUP"[\s\S]*"msg":"stopped"/);
});
