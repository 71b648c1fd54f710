/** `top` on a real terminal: what shows, keys, a server that goes away; and that the terminal is given back on every way out. */

import { readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runCli } from '../support/cli.ts';
import { ControlClient } from '../support/control-calls.ts';
import { logs, post, spans } from '../support/otlp-post.ts';
import { parsePrometheus, sumOf } from '../support/prometheus.ts';
import { openScreen, type Screen, type ScreenSetup } from '../support/screen.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { HAS_TERMINAL } from '../support/terminal.ts';

const NOW = () => `${Date.now()}000000`;
/** A first look counts the errors from a minute ago on. On a busy machine a test may begin later than that: these stay. */
const LATER = `${Date.now() + 86_400_000}000000`;
const opened: Screen[] = [];
let server: TestServer;

beforeAll(async () => {
  server = await startServer();
  const resource = (stream: string) => ({ 'service.name': `${stream}-api`, 's2.stream': stream });
  for (const stream of ['shop', 'web']) {
    const body = { stream, config: { timestamping: { uncapped: true } } };
    expect((await new ControlClient(server).call('POST /streams', { basin: 'telemetry', body })).status).toBe(201);
  }
  const record = (text: string, severityNumber: number) => ({
    timeUnixNano: LATER,
    severityNumber,
    body: { stringValue: text },
  });
  await post(server, '/v1/logs', logs(resource('shop'), record('placed', 9), record('bad', 17), record('worse', 21)));
  const span = { startTimeUnixNano: LATER, endTimeUnixNano: LATER, status: { code: 2 } };
  await post(server, '/v1/traces', spans(resource('web'), span));
  await post(server, '/v1/logs', logs(resource('quiet\u001b[2J'), record('x', 9)));
});

afterAll(async () => {
  for (const screen of opened) screen.type('q');
  await server.stop();
});

const open = (args: readonly string[] = [], setup: Partial<ScreenSetup> = {}): Screen => {
  const { env = {}, ...rest } = setup;
  const target = { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: server.token, NO_COLOR: '1' };
  const all = ['top', '--interval', '200ms', ...args];
  const screen = openScreen(all, { columns: 110, rows: 16, ...rest, env: { ...target, ...env } });
  opened.push(screen);
  return screen;
};

const openReaders = async (): Promise<number> => {
  const response = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${server.token}` } });
  return sumOf(parsePrometheus(await response.text()), 'tailrace_open_readers');
};

/** The terminal as it was, and the code. */
const expectGivenBack = async (screen: Screen, code: number): Promise<void> => {
  expect(await screen.done).toEqual({ code, echoes: true });
  expect(screen.modes()).toEqual({ isAlternate: false, hasCursor: true });
};

const atTerminal = HAS_TERMINAL ? describe : describe.skip;

atTerminal('on a terminal', () => {
  test('it shows the server and its streams with their errors, and q gives the screen back', async () => {
    const screen = open();
    const lines = await screen.saw(
      /rec\/s [\s\S]*s2:\/\/telemetry\/shop +\S+ +\S+ \S+ +2 .*\n[\s\S]*web +\S+ +\S+ \S+ +1 [\s\S]*q quit/,
    );
    expect(lines[0]).toMatch(
      new RegExp(`^${server.url} \\d+\\.\\d+\\.\\d+  up \\d.*  [\\d.]+ rec/s  .*/s  ack .*  0 readers  store .* KiB`),
    );
    expect(lines).toContainEqual('3 streams · by rate');
    expect(lines).toContainEqual(expect.stringMatching(/^> s2:/));
    expect(lines.join('')).toContain('quiet\\x1b[2J');
    expect(lines).toHaveLength(16);
    expect(lines.at(-1)).toContain('q quit');
    expect(screen.modes()).toEqual({ isAlternate: true, hasCursor: false });
    screen.type('q');
    await expectGivenBack(screen, 0);
  });

  test('keys sort, filter, choose and pause', async () => {
    const screen = open();
    await screen.saw(/3 streams/);
    screen.type('n');
    await screen.saw(/by name\n.*\n> .*quiet/);
    screen.type('j\u001b[B');
    await screen.saw(/> s2:\/\/telemetry\/web/);
    screen.type('k');
    await screen.saw(/> s2:\/\/telemetry\/shop/);
    screen.type('/WEBX\u007f');
    await screen.saw(/1 of 3 streams · by name · \/WEB_\n.*\n> s2:\/\/telemetry\/web/);
    screen.type('\r\u001b');
    await screen.saw(/3 streams · by name$/m);
    screen.type('p');
    await screen.saw(/PAUSED/);
    screen.type('?');
    await screen.saw(/any key goes back/);
    screen.type('xp');
    await screen.saw(/3 streams · by name$/m);
    screen.type('q');
    await expectGivenBack(screen, 0);
  });

  test('s shows who sends, e sorts by errors, and a narrow terminal keeps what matters', async () => {
    const screen = open(['--sort', 'name']);
    await screen.saw(/3 streams/);
    screen.type('s');
    await screen.saw(/senders · by name\n.*SERVICE +SDK +ADDRESS +REC\/S[\s\S]*shop-api .*127\.0\.0\.1/);
    screen.type('se');
    await screen.saw(/by errors\n.*\n> .*shop.*\n.*web/);
    screen.resize(40, 10);
    const narrow = await screen.saw(/STREAM +REC\/S {2}ERR\/MIN\n/);
    expect(Math.max(...narrow.map((line) => line.length))).toBeLessThanOrEqual(40);
    screen.type('\u0003');
    await expectGivenBack(screen, 130);
  });
});

atTerminal('Enter', () => {
  test('opens tail of the chosen stream or sender on the ordinary screen, and q and Ctrl-C come back', async () => {
    const screen = open(['--sort', 'name']);
    await screen.saw(/by name/);
    screen.type('j\r');
    await screen.saw(/tail s2:\/\/telemetry\/shop {3}\(q goes back\)\n[\s\S]*worse/);
    expect(screen.modes().isAlternate).toBe(false);
    screen.type('q');
    await screen.saw(/by name[\s\S]*> s2:\/\/telemetry\/shop/);
    screen.type('s\u001b[4~\r');
    await screen.saw(/tail s2:\/\/telemetry\/web --filter service=web-api/);
    screen.type('\u0003');
    await screen.saw(/senders · by name/);
    screen.type('q');
    await expectGivenBack(screen, 0);
  });

  test('opens all streams of a sender', async () => {
    for (const stream of ['shop', 'web']) {
      await post(server, '/v1/logs', logs({ 'service.name': 'both', 's2.stream': stream }, { severityNumber: 9 }));
    }
    const screen = open(['--sort', 'name']);
    await screen.saw(/by name/);
    screen.type('s');
    await screen.saw(/senders · by name\n.*\n> both/);
    screen.type('\r');
    await screen.saw(
      /tail s2:\/\/telemetry\/(shop|web) s2:\/\/telemetry\/(web|shop) --filter service=both +\(q goes back\)/,
    );
    screen.type('q');
    await screen.saw(/senders · by name/);
    screen.type('q');
    await expectGivenBack(screen, 0);
  });
});

atTerminal('whatever happens', () => {
  test('the terminal is given back after signals, and after a fault of ours', async () => {
    const crash = 'process.on("SIGUSR2", () => { throw new Error("made to fail"); })';
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(crash)}` };
    const ends = [
      ['SIGTERM', 130],
      ['SIGINT', 130],
      ['SIGHUP', 130],
      ['SIGUSR2', 1],
    ] as const;
    const screens = await Promise.all(
      ends.map(async ([signal, code]) => {
        const screen = open([], { env });
        await screen.saw(/3 streams/);
        process.kill(await screen.pid, signal);
        await expectGivenBack(screen, code);
        return screen;
      }),
    );
    expect(screens.at(-1)?.lines().join('\n')).toContain('made to fail');
  });

  test('Ctrl-Z gives the terminal back, and with SIGCONT it goes on', async () => {
    const screen = open();
    await screen.saw(/3 streams/);
    screen.type('\u001a');
    const pid = await screen.pid;
    await screen.saw(/^$/);
    while (!/^State:\tT/m.test(await readFile(`/proc/${pid}/status`, 'utf8'))) await setImmediate();
    expect(screen.modes()).toEqual({ isAlternate: false, hasCursor: true });
    process.kill(pid, 'SIGCONT');
    await screen.saw(/3 streams/);
    screen.type('q');
    await expectGivenBack(screen, 0);
  });

  test('it says that the server is away, and goes on when it is there again', async () => {
    const own = await startServer({ args: ['--no-auth'] });
    const screen = open([], { env: { TAILRACE_ENDPOINT: own.url, TAILRACE_TOKEN: '' } });
    await screen.saw(/0 streams/);
    await own.stop();
    await screen.saw(/^reconnecting: cannot reach/m);
    const again = await startServer({ args: ['--no-auth', '--port', String(own.port)] });
    await screen.saw(/0 streams/);
    screen.type('q');
    await expectGivenBack(screen, 0);
    await again.stop();
  });

  test('a frame is written only where something changed', async () => {
    const screen = open(['--sort', 'name']);
    // The last line of the first frame, or it would count as a change.
    await screen.saw(/3 streams[\s\S]*q quit/);
    const before = screen.raw().length;
    screen.type('j');
    await screen.saw(/> s2:\/\/telemetry\/shop/);
    const written = screen.raw().slice(before);
    expect(written).not.toContain('\u001b[2J');
    expect(written).not.toContain('q quit');
    screen.type('q');
    await expectGivenBack(screen, 0);
  });
});

describe('elsewhere', () => {
  // Readers that the tests before ended are gone when the server has learnt of it.
  beforeAll(async () => {
    while ((await openReaders()) > 0) await setImmediate();
  });

  test('--once and a pipe print one table, and --json all of it', async () => {
    // Errors count for a minute.
    const error = { timeUnixNano: NOW(), severityNumber: 17 };
    await post(server, '/v1/logs', logs({ 'service.name': 'shop-api', 's2.stream': 'till' }, error, error));
    const [once, piped] = await Promise.all([
      runCli(['top', '--once', '-n', '2'], { server }),
      runCli(['top', 's2://telemetry/till'], { server }),
    ]);
    // Not beside the others: what they count errors with are readers too.
    const json = await runCli(['top', '--json'], { server });
    expect(once).toMatchObject({ code: 0, stderr: expect.stringContaining('2 more streams') });
    expect(piped.stdout).toMatch(/\nSTREAM +REC\/S +BYTES\/S +ERR\/MIN .*\ns2:\/\/telemetry\/till .* 2 .*\n\nSERVICE/);
    expect(piped.stdout).not.toContain('telemetry/web');
    const { server: about, streams, senders, not_allowed } = JSON.parse(json.stdout) as Record<string, unknown>;
    expect(about).toMatchObject({ endpoint: server.url, readers: 0, ack_p99_ms: expect.any(Number) });
    expect(streams).toContainEqual(
      expect.objectContaining({ stream: 'till', next_seq_num: 2, errors_last_minute: 2, readers: 0 }),
    );
    expect(senders).toContainEqual(expect.objectContaining({ service: 'shop-api', accepted: 5 }));
    expect(not_allowed).toEqual([]);
  });

  test('what a token may not see is left out, and named', async () => {
    const issued = await runCli(
      [
        'tokens',
        'issue',
        'lister',
        '--ops',
        'list-streams,check-tail',
        '--basins-exact',
        'telemetry',
        '--streams-prefix',
        '',
      ],
      {
        server,
      },
    );
    const env = { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: issued.stdout.trim() };
    const { stdout, stderr, code } = await runCli(['top'], { env });
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/s2:\/\/telemetry\/shop +\S+ +\S+ \S+ +- /),
    });
    for (const what of ['figures of the server', 'senders', 'errors']) expect(stderr).toContain(`may not see: ${what}`);
  });

  test('wrong flags and names are refused', async () => {
    for (const [args, code, words] of [
      [['--interval', '50ms'], 2, '100ms or more'],
      [['--sort', 'size'], 2, 'Allowed choices are rate, bytes, errors, name'],
      [['s2://telemetri'], 4, 'there is s2://telemetry'],
    ] as const) {
      expect(await runCli(['top', ...args], { server })).toMatchObject({
        code,
        stderr: expect.stringContaining(words),
      });
    }
  });
});
