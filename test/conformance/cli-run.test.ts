/** `run`: a program that starts a real SDK sends here without other settings, and its stdio, signals and code stay its own. */

import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CliSetup, runCli, startCli } from '../support/cli.ts';
import { openScreen } from '../support/screen.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { HAS_TERMINAL } from '../support/terminal.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** Sends two log records by an SDK, prints on both outputs, and ends with 7. */
const APP = `
const { logs } = require('@opentelemetry/api-logs');
const { NodeSDK } = require('@opentelemetry/sdk-node');
const sdk = new NodeSDK();
sdk.start();
const logger = logs.getLogger('app');
logger.emit({ severityNumber: 9, body: 'hello from the child' });
logger.emit({ severityNumber: 17, body: 'and an error' });
console.log('to stdout', process.argv.slice(2).join(' '));
console.error('to stderr');
sdk.shutdown().then(() => process.exit(7));
`;

let server: TestServer;
let folder: string;

beforeAll(async () => {
  server = await startServer();
  folder = await mkdtemp(path.join(tmpdir(), 'tailrace-run-test-'));
  await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  await writeFile(path.join(folder, 'app.cjs'), APP);
  await writeFile(path.join(folder, 'package.json'), '{"name":"@shop/checkout"}');
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const setup = (env: Readonly<Record<string, string>> = {}): CliSetup => ({ server, cwd: folder, env });
const run = (args: readonly string[], env?: Readonly<Record<string, string>>) => runCli(['run', ...args], setup(env));
/** Prints its variables of OpenTelemetry. */
const SHOW = ['node', '-e', 'console.log(JSON.stringify(process.env))'];

describe('the program', () => {
  test('sends by its SDK to the stream of its package; records show on stderr, and stdout and code are its own', async () => {
    const { code, stdout, stderr } = await run(['--', 'node', 'app.cjs', '--port', '1']);
    expect({ code, stdout }).toEqual({ code: 7, stdout: 'to stdout --port 1\n' });
    expect(stderr).toContain('tailrace tail s2://telemetry/checkout');
    expect(stderr).toMatch(/\n│ [\d:.]+ INFO {2}checkout hello from the child\n│ [\d:.]+ ERROR checkout and an error/);
    const stored = await runCli(['read', 'checkout', '-s', '0', '--no-follow', '-o', 'logfmt'], setup());
    expect(stored.stdout).toContain('serviceName=checkout');
    const again = await run(['--quiet', '--', 'node', 'app.cjs']);
    expect(again).toEqual({ code: 7, stdout: 'to stdout \n', stderr: 'to stderr\n' });
  });

  test('gets endpoint, token, service and stream, and keeps what its environment says', async () => {
    const [plain, given, flags] = await Promise.all([
      run(['--no-tail', '--', ...SHOW]),
      run(['--no-tail', '--', ...SHOW], {
        OTEL_SERVICE_NAME: 'mine',
        OTEL_RESOURCE_ATTRIBUTES: 's2.stream=theirs,team=a%20b',
        OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=1,authorization=Bearer%20old',
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://elsewhere:1/v1/traces',
        OTEL_BSP_SCHEDULE_DELAY: '7',
      }),
      run(['--no-tail', '--stream', 'own', '--service', 'till', '--protocol', 'http/json', '--', ...SHOW]),
    ]);
    const env = (result: { readonly stdout: string }) => JSON.parse(result.stdout) as Record<string, string>;
    expect(env(plain)).toMatchObject({
      OTEL_EXPORTER_OTLP_ENDPOINT: server.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_HEADERS: `Authorization=Bearer%20${encodeURIComponent(server.token)}`,
      OTEL_SERVICE_NAME: 'checkout',
      OTEL_RESOURCE_ATTRIBUTES: 's2.stream=checkout',
      OTEL_LOGS_EXPORTER: 'otlp',
    });
    expect(env(given)).toMatchObject({
      OTEL_EXPORTER_OTLP_HEADERS: `x-tenant=1,Authorization=Bearer%20${encodeURIComponent(server.token)}`,
      OTEL_SERVICE_NAME: 'mine',
      OTEL_RESOURCE_ATTRIBUTES: 's2.stream=theirs,team=a%20b',
      OTEL_BSP_SCHEDULE_DELAY: '7',
    });
    expect(env(given)).not.toHaveProperty('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT');
    expect(env(flags)).toMatchObject({
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_SERVICE_NAME: 'till',
      OTEL_RESOURCE_ATTRIBUTES: 's2.stream=own',
    });
  });

  test('over gRPC it gets the address that is named, and is not started where none is known', async () => {
    const grpc = ['--no-tail', '--grpc'];
    const named = await run([...grpc, '--otlp-endpoint', server.grpcUrl ?? '', '--', 'node', 'app.cjs']);
    expect(named).toMatchObject({ code: 7, stdout: 'to stdout \n' });
    expect(await run([...grpc, '--', 'node', 'app.cjs'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('name it with --otlp-endpoint'),
    });
  });
});

describe('its end', () => {
  test('is that of the command, which gets signals: 143 after SIGTERM, 130 after SIGINT, or what it says', async () => {
    const waits = 'setInterval(() => {}, 1e3); console.log("up");';
    const ends = [
      ['SIGTERM', waits, 143],
      ['SIGINT', waits, 130],
      ['SIGTERM', `process.on("SIGTERM", () => process.exit(9)); ${waits}`, 9],
    ] as const;
    await Promise.all(
      ends.map(async ([signal, script, code]) => {
        const started = startCli(['run', '--', 'node', '-e', script], setup());
        await started.saw('up');
        expect(await started.stop(signal)).toMatchObject({ code });
      }),
    );
  });

  test('says what to add when nothing arrived, and a command that is not there ends with 127', async () => {
    const [silent, other, missing] = await Promise.all([
      run(['--stream', 'silent', '--', 'node', '-e', '0']),
      run(['--stream', 'silent', '--', 'true']),
      run(['--', 'no-such-program']),
    ]);
    expect(silent).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('nothing arrived in s2://telemetry/silent'),
    });
    expect(silent.stderr).toContain('node --require @opentelemetry/auto-instrumentations-node/register -e 0');
    expect(other.stderr).toContain('does the program start an SDK');
    expect(missing).toMatchObject({ code: 127, stderr: expect.stringContaining('no-such-program: there is no such') });
  });
});

describe('without', () => {
  test('a server it starts nothing and says how to get one, and --serve has one for the time of the run', async () => {
    const away = { TAILRACE_ENDPOINT: 'http://127.0.0.1:9', TAILRACE_TOKEN: '' };
    const [refused, served] = await Promise.all([
      run(['--', 'node', '-e', 'console.log("ran")'], away),
      run(['--serve', '--', 'node', 'app.cjs'], away),
    ]);
    expect(refused).toMatchObject({ code: 75, stdout: '' });
    expect(refused.stderr).toContain('start one with `tailrace serve`, or let this run have its own: --serve');
    expect(served).toMatchObject({ code: 7, stdout: 'to stdout \n', stderr: expect.stringContaining('│ ') });
    expect(served.stderr).toContain('hello from the child');
  });

  test('-- options of the program are refused with the right form, and misspelt ones of run with the nearest', async () => {
    for (const [args, words] of [
      [['node', '-e', '0'], 'tailrace run -- node -e 0'],
      [['--strem', 'x', '--', 'true'], 'Did you mean --stream?'],
      [[], "missing required argument 'command'"],
    ] as const) {
      expect(await run(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(words) });
    }
    expect(await run(['--no-tail', 'echo', 'hi'])).toMatchObject({ code: 0, stdout: 'hi\n' });
  });
});

(HAS_TERMINAL ? test : test.skip)(
  'at a terminal Ctrl-C reaches the program once, and its last records still show',
  async () => {
    const app = APP.replace(
      'sdk.shutdown()',
      "let n = 0; setInterval(() => {}, 1e3); process.on('SIGINT', () => { n += 1; console.log('interrupted', n); logger.emit({ body: 'last words' }); sdk.shutdown().then(() => process.exit(3)); }); 0 && sdk.shutdown()",
    );
    await writeFile(path.join(folder, 'waits.cjs'), app);
    const env = { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: server.token, NO_COLOR: '1' };
    const screen = openScreen(['run', '--stream', 'tty', '--', 'node', 'waits.cjs'], {
      columns: 100,
      rows: 24,
      cwd: folder,
      env,
    });
    await screen.saw(/to stderr[\s\S]*│ .* and an error/);
    screen.type('\u0003');
    expect(await screen.done).toMatchObject({ code: 3 });
    expect(screen.lines().join('\n')).toMatch(/interrupted 1\n[\s\S]*│ .*last words/);
    expect(screen.lines().join('\n')).not.toContain('interrupted 2');
  },
);
