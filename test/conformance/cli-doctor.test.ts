/** Each thing that `tailrace doctor` finds: the message, the advice, and the exit code. */

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { examine } from '../../cli/doctor.ts';
import { createClient } from '../../src/client/client.ts';
import { type CliResult, runCli } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let folder: string;

beforeAll(async () => {
  server = await startServer();
  folder = await mkdtemp(join(tmpdir(), 'tailrace-doctor-'));
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

const doctor = (endpoint: string, token?: string, ...args: string[]): Promise<CliResult> =>
  runCli(['doctor', '--endpoint', endpoint, ...args], {
    env: token === undefined ? {} : { TAILRACE_TOKEN: token },
    cwd: folder,
  });

/** A server that responds in place of a Tailrace server. */
async function instead(listener: RequestListener, action: (url: string) => Promise<void>): Promise<void> {
  const fake: Server = createServer(listener);
  await new Promise<void>((resolve) => fake.listen(0, '127.0.0.1', resolve));
  try {
    await action(`http://127.0.0.1:${(fake.address() as AddressInfo).port}`);
  } finally {
    fake.closeAllConnections();
    await new Promise((resolve) => fake.close(resolve));
  }
}

/** Responses of a ready Tailrace server, with another state or time. */
function posing(readiness: object, date = new Date()): RequestListener {
  return ({ url }, response) => {
    response.setHeader('date', date.toUTCString());
    response.end(JSON.stringify(url === '/readyz' ? readiness : { id: 'root', root: true }));
  };
}

const READY = { status: 'ready', writes: 'ok' };

test('the exit code is that of the first fault', async () => {
  const unknown: RequestListener = (request, response) => {
    response.statusCode = request.url === '/readyz' ? 200 : 401;
    posing(READY, new Date(0))(request, response);
  };
  await instead(unknown, async (url) => {
    const found = await doctor(url);
    expect(found.code).toBe(1);
    expect(found.stdout).toMatch(/^fault {4}clock [\s\S]*^fault {4}token /m);
  });
});

test('a healthy setup has no faults', async () => {
  const found = await doctor(server.url, server.token);
  expect(found).toMatchObject({ code: 0, stderr: '' });
  expect(found.stdout.split('\n')).toEqual([
    `ok       server  ${server.url} (from --endpoint) answers and takes writes`,
    expect.stringMatching(/^ok {7}clock {3}the clocks agree within \d+ s$/),
    'ok       token   token from TAILRACE_TOKEN: the root token',
    'ok       basin   s2://telemetry (the default basin) takes data for any stream; without s2.stream it goes to {service.name}',
    expect.stringMatching(/^warning {2}data {4}nothing since the server started \d+ s ago$/),
    expect.stringMatching(/^ {17}fix: set OTEL_EXPORTER_OTLP_ENDPOINT to this server; /),
    '',
  ]);
});

describe('doctor finds that the server', () => {
  test('is not running, when no other was named', async () => {
    const endpoint = { value: 'http://127.0.0.1:9', from: 'the default' };
    const findings = [];
    // In this process: what listens on the usual port of this machine is not under the control of the test.
    for await (const finding of examine(
      { client: createClient({ endpoint: endpoint.value }), endpoint, token: undefined },
      Date.now,
    )) {
      findings.push(finding);
    }
    expect(findings[0]).toEqual({
      check: 'server',
      level: 'fault',
      text: expect.stringMatching(/^cannot reach http:\/\/127\.0\.0\.1:9: .* \(from the default\)$/s),
      fix: 'start it with `tailrace serve`, or name another with --endpoint',
      code: 75,
    });
  });

  test('is not running', async () => {
    const found = await doctor('http://127.0.0.1:9');
    expect(found).toMatchObject({ code: 75, stderr: '' });
    expect(found.stdout).toContain('fault    server  cannot reach http://127.0.0.1:9: ');
    expect(found.stdout).toContain('fix: check that it runs there, that host and port are right');
  });

  test('is not a Tailrace server', async () => {
    await instead(
      (_request, response) => response.end('<html>'),
      async (url) => {
        const found = await doctor(url);
        expect(found.code).toBe(1);
        expect(found.stdout).toBe(
          `fault    server  ${url} (from --endpoint) answers 200, but is not a Tailrace server\n` +
            '                 fix: name a Tailrace server with --endpoint, or find out what else uses its port\n',
        );
      },
    );
  });

  test('is stopping', async () => {
    await instead(posing({ status: 'draining', writes: 'ok' }), async (url) => {
      const found = await doctor(url);
      expect(found.code).toBe(75);
      expect(found.stdout).toContain(`fault    server  ${url} (from --endpoint) is stopping\n`);
      expect(found.stdout).toContain('fix: wait until it is back');
    });
  });

  test('refuses writes', async () => {
    await instead(posing({ status: 'ready', writes: 'full' }), async (url) => {
      const found = await doctor(url);
      expect(found.code).toBe(75);
      expect(found.stdout).toContain('takes no writes: full\n                 fix: free space on its disk');
    });
  });
});

describe('doctor finds that the port', () => {
  test('is the port of gRPC', async () => {
    // No server listens at this address of the loopback network, whatever runs on this machine.
    const found = await doctor('http://127.66.77.88:4317');
    expect(found.code).toBe(75);
    expect(found.stdout).toContain(
      'fault    port    port 4317 is for senders of OTLP over gRPC; commands and OTLP over HTTP go to 4318',
    );
    expect(found.stdout).toContain('fix: try --endpoint http://127.66.77.88:4318\n');
  });

  test('speaks HTTP where HTTPS was requested', async () => {
    const found = await doctor(server.url.replace('http:', 'https:'), server.token);
    expect(found.code).toBe(75);
    expect(found.stdout).toContain(`fault    port    there is a Tailrace on ${server.url}\n`);
    expect(found.stdout).toContain(`fix: use --endpoint ${server.url}\n`);
  });
});

describe('doctor finds another port', () => {
  // A free address of the loopback network; some systems lack it, and another process may hold the port on every
  // address.
  const HOST = '127.66.77.89';
  const fake = createServer(posing(READY));
  let isThere: boolean;

  beforeAll(async () => {
    isThere = await new Promise<boolean>((resolve) => {
      fake.once('error', () => resolve(false)).listen(4318, HOST, () => resolve(true));
    });
    if (!isThere) process.stderr.write(`skipped: ${HOST}:4318 cannot be listened to here\n`);
  });

  afterAll(() => {
    fake.closeAllConnections();
    fake.close();
  });

  test('that is the usual one of the same host (skipped where its address is not available)', async () => {
    const found = await doctor(`http://${HOST}:9`);
    expect(found.code).toBe(75);
    if (!isThere) return;
    expect(found.stdout).toContain(`fault    port    there is a Tailrace on http://${HOST}:4318\n`);
    expect(found.stdout).toContain(`fix: use --endpoint http://${HOST}:4318\n`);
  });
});

describe('doctor finds that the token', () => {
  test('is valid', async () => {
    const issued = await runCli(['tokens', 'issue', 'lasting', '--ops', 'read', '--expires-in', '8d'], { server });
    const found = await doctor(server.url, issued.stdout.trim());
    expect(found.code).toBe(0);
    expect(found.stdout).toContain('ok       token   token from TAILRACE_TOKEN: lasting\n');
  });

  test('is missing', async () => {
    const found = await doctor(server.url);
    expect(found.code).toBe(3);
    expect(found.stdout).toContain('fault    token   no token: ');
    expect(found.stdout).toContain('fix: set TAILRACE_TOKEN or --token-file, or keep one with `tailrace context add`');
  });

  test('is unknown', async () => {
    const found = await doctor(server.url, 'trk_unknown');
    expect(found.code).toBe(3);
    expect(found.stdout).toContain('fault    token   token from TAILRACE_TOKEN: ');
    expect(found.stdout).toContain("fix: it is another server's, or was revoked, rotated or expired");
    expect(found.stdout).not.toContain('trk_unknown');
  });

  test('expires soon', async () => {
    const issued = await runCli(['tokens', 'issue', 'brief', '--ops', 'read', '--expires-in', '1d'], { server });
    const found = await doctor(server.url, issued.stdout.trim());
    expect(found.code).toBe(0);
    expect(found.stdout).toMatch(/^warning {2}token {3}token from TAILRACE_TOKEN: brief ends \d{4}-/m);
    expect(found.stdout).toContain('fix: issue one that expires later, in time');
  });

  test('is not needed', async () => {
    const open = await startServer({ args: ['--no-auth'] });
    const found = await doctor(open.url);
    await open.stop();
    expect(found.code).toBe(0);
    expect(found.stdout).toContain('ok       token   no token: this server needs no token');
  });
});

describe('doctor finds that the default basin', () => {
  const reconfigure = (...flags: string[]): Promise<CliResult> =>
    runCli(['basins', 'reconfigure', 'telemetry', ...flags], { server });

  test('creates no streams and has no template, and the two commands that it names repair that', async () => {
    await runCli(['basins', 'ensure', 'telemetry', '--otlp-default-stream', ''], { server });
    const found = await doctor(server.url, server.token);
    expect(found.code).toBe(0);
    expect(found.stdout).toContain(
      'warning  basin   s2://telemetry (the default basin) refuses data for a stream that',
    );
    expect(found.stdout).toContain(
      'warning  basin   s2://telemetry (the default basin) refuses OTLP data without s2.stream',
    );
    expect(found.stdout).toContain('fix: `tailrace basins reconfigure telemetry --create-stream-on-append`\n');
    expect(found.stdout).toContain('--otlp-default-stream "{service.name}"`\n');
    await reconfigure('--create-stream-on-append', '--otlp-default-stream', '{service.name}');
    expect((await doctor(server.url, server.token)).stdout).toContain('ok       basin   s2://telemetry');
  });

  test('is another one for a token with only one basin, which does not exist', async () => {
    const args = ['tokens', 'issue', 'elsewhere', '--basins-exact', 'gone-away', '--op-groups', 'basin=r'];
    const issued = await runCli(args, { server });
    const found = await doctor(server.url, issued.stdout.trim());
    expect(found.code).toBe(4);
    expect(found.stdout).toContain('fault    basin   s2://gone-away (the only basin of this token) does not exist');
    expect(found.stdout).toContain('fix: `tailrace basins create gone-away --create-stream-on-append');
  });

  test('cannot be looked at by a token that only sends, which is no fault', async () => {
    const args = ['tokens', 'issue', 'sender', '--basins-exact', 'telemetry', '--ops', 'append'];
    const issued = await runCli(args, { server });
    const found = await doctor(server.url, issued.stdout.trim());
    expect(found.code).toBe(0);
    expect(found.stdout).toContain('ok       basin   s2://telemetry (the default basin): this token may not see');
  });

  test('is not known to a server of an older version, and then nothing is said about it', async () => {
    await instead(posing(READY), async (url) => {
      const found = await doctor(url);
      expect(found.code).toBe(0);
      expect(found.stdout).not.toContain('basin');
    });
  });
});

describe('doctor finds that the clock of the server', () => {
  test('is not in the response', async () => {
    await instead(
      (request, response) => {
        response.sendDate = false;
        response.end(JSON.stringify(request.url === '/readyz' ? READY : { id: 'root', root: true }));
      },
      async (url) => {
        const found = await doctor(url);
        expect(found.code).toBe(0);
        expect(found.stdout).toContain('ok       clock   the server does not say what time it has\n');
      },
    );
  });

  test.each([
    ['ahead of', 3_600_000],
    ['behind', -3_600_000],
  ])('is %s ours', async (words, offMs) => {
    await instead(posing(READY, new Date(Date.now() + offMs)), async (url) => {
      const found = await doctor(url, undefined, '--json');
      expect(found.code).toBe(1);
      const [, clock] = found.stdout.split('\n').map((line) => (line === '' ? {} : (JSON.parse(line) as unknown)));
      expect(clock).toEqual({
        check: 'clock',
        level: 'fault',
        text: expect.stringMatching(new RegExp(`^the clock of the server is 3\\d\\d\\d s ${words} this machine's$`)),
        fix: expect.stringContaining('`tailrace clock confirm`'),
      });
    });
  });
});
