/**
 * A server that restarts under appends of a client built on hyper-h2, as the Python SDK and httpx are: it drops a
 * connection at any GOAWAY, with the acknowledgements behind it, and sends again what was not acknowledged.
 */

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from '@jest/globals';
import { RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { shareOf } from '../support/share-of.ts';

const CLIENT = fileURLToPath(new URL('../support/h2-append-client.py', import.meta.url));
const HYPER_H2 = ['h2==4.4.1', 'hpack==4.2.0', 'hyperframe==6.1.0'];
const RESTARTS = shareOf(20);
/** What is acknowledged between two restarts. */
const ACKS = 50;
const TEST_MS = 180_000;

const dir = mkdtempSync(join(tmpdir(), 'tailrace-h2-'));
const missing = installed();
const report = missing === undefined ? test : test.skip;

let server: TestServer | undefined;

afterAll(async () => {
  await server?.kill();
  rmSync(dir, { recursive: true, force: true });
});

report(
  `no acknowledgement is lost over ${RESTARTS} restarts, so nothing is stored twice${missing ?? ''}`,
  async () => {
    const dataDir = join(dir, 'store');
    server = await startServer({ dataDir });
    const { port, token } = server;
    const env = { ...process.env, PYTHONPATH: join(dir, 'packages'), PYTHONDONTWRITEBYTECODE: '1' };
    const client = spawn('python3', [CLIENT, String(port), token], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    let restarts = 0;
    let acks = 0;
    let last = '';
    for await (const line of createInterface({ input: client.stdout })) {
      last = line;
      acks++;
      if (restarts === RESTARTS || acks < ACKS) continue;
      acks = 0;
      restarts++;
      expect(await server.stop()).toEqual({ code: 0, signal: null });
      server = await startServer({ dataDir, args: ['--port', String(port)] });
      if (restarts === RESTARTS) client.stdin.end();
    }
    const { acked, refused, connections } = JSON.parse(last);
    expect(refused).toEqual([]);
    expect(connections).toBeGreaterThan(RESTARTS);
    expect(acked.one).toEqual(acked.one.map((_: string, i: number) => `one ${i}`));
    const s2 = new RecordsClient(server);
    expect(await bodiesOf(s2, 'one')).toEqual(acked.one);
    expect((await bodiesOf(s2, 'many')).sort()).toEqual([...acked.many].sort());
  },
  TEST_MS,
);

async function bodiesOf(s2: RecordsClient, stream: string): Promise<string[]> {
  const bodies: string[] = [];
  for (;;) {
    const { records, tail } = await s2.batch(stream, `?seq_num=${bodies.length}`);
    bodies.push(...records.map(({ body }) => String(body)));
    if (bodies.length === tail?.seq_num) return bodies;
  }
}

/** Installs hyper-h2 for this test; returns why that did not work. */
function installed(): string | undefined {
  const args = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', '--retries', '0'];
  try {
    execFileSync('python3', [...args, '--target', join(dir, 'packages'), ...HYPER_H2], { stdio: 'ignore' });
    return undefined;
  } catch {
    return ' (left out: python3 with pip, and the package h2, are needed)';
  }
}
