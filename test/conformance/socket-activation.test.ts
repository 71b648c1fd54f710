/** A server whose listening socket belongs to its supervisor, as with systemd: a restart refuses no client. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { RecordsClient } from '../support/records-calls.ts';
import { ROOT_TOKEN, rememberSecret } from '../support/secrets.ts';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** Holds the socket as descriptor 3, and runs a server for each line that it reads. */
const SUPERVISOR = `while read -r flags; do
  sh -c 'echo "pid $$"; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"' sh "$@" $flags
  echo "ended $?"
done`;
const REQUESTS = 20;

let dir: string;
let supervisors: Supervisor[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tailrace-socket-'));
});

afterEach(async () => {
  for (const supervisor of supervisors) supervisor.close();
  supervisors = [];
  await rm(dir, { recursive: true, force: true });
});

class Supervisor {
  readonly port: number;
  readonly #child: ChildProcess;
  #output = '';

  static async start(host: string): Promise<Supervisor> {
    const listening = net.createServer();
    await new Promise<void>((resolve) => listening.listen(0, host, resolve));
    const supervisor = new Supervisor(listening);
    supervisors.push(supervisor);
    // From here on only the supervisor has the socket.
    await new Promise((resolve) => listening.close(resolve));
    return supervisor;
  }

  private constructor(listening: net.Server) {
    this.port = (listening.address() as net.AddressInfo).port;
    const { fd } = (listening as unknown as { readonly _handle: { readonly fd: number } })._handle;
    const command = [
      process.execPath,
      MAIN,
      'serve',
      '--port',
      '1',
      '--grpc-port',
      '0',
      '--data-dir',
      join(dir, 'data'),
    ];
    this.#child = spawn('sh', ['-c', SUPERVISOR, 'sh', ...command], { stdio: ['pipe', 'pipe', 'pipe', fd] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (part) => {
        this.#output += part;
      });
    }
  }

  /** Runs the next server; resolves with what was printed until the text comes. */
  async run(flags: string, text: RegExp): Promise<string> {
    this.#output = '';
    this.#child.stdin?.write(`${flags}\n`);
    return this.until(text);
  }

  async until(text: RegExp): Promise<string> {
    while (!text.test(this.#output)) await new Promise((resolve) => setTimeout(resolve, 5));
    return this.#output;
  }

  close(): void {
    const pid = /pid (\d+)/.exec(this.#output)?.[1];
    if (pid !== undefined && !this.#output.includes('ended')) process.kill(Number(pid), 'SIGKILL');
    this.#child.stdin?.end();
  }
}

test('requests that come while the server is down wait for the next one', async () => {
  const supervisor = await Supervisor.start('127.0.0.1');
  const { port } = supervisor;
  const first = await supervisor.run('', /listening on/);
  expect(first).toContain(`http://127.0.0.1:${port}`);
  const token = (await readFile(join(dir, 'data', 'root-token'), 'utf8')).trim();
  rememberSecret(ROOT_TOKEN, token);
  const s2 = new RecordsClient({ port, token });
  await s2.texts('s', 'before');
  process.kill(pidIn(first), 'SIGTERM');
  await supervisor.until(/ended 0/);
  const bodies = Array.from({ length: REQUESTS }, (_, i) => `meanwhile ${i}`);
  const waiting = Promise.all(bodies.map((body) => s2.texts('s', body)));
  const second = await supervisor.run('', /listening on/);
  expect(pidIn(second)).not.toBe(pidIn(first));
  expect(await waiting).toHaveLength(REQUESTS);
  expect((await s2.bodies('s')).slice().sort()).toEqual(['before', ...bodies].sort());
  process.kill(pidIn(second), 'SIGTERM');
  await supervisor.until(/ended 0/);
});

test('a socket that other machines reach is refused without authentication', async () => {
  const supervisor = await Supervisor.start('0.0.0.0');
  const output = await supervisor.run('--no-auth', /ended/);
  expect(output).toMatch(/--no-auth works on loopback addresses only.*0\.0\.0\.0/);
  expect(output).not.toContain('listening on');
  expect(output).not.toContain('ended 0');
});

function pidIn(output: string): number {
  return Number(/pid (\d+)/.exec(output)?.[1]);
}
