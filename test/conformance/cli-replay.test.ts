/** `replay`: an endpoint gets what a stream holds, in order, whatever it answers and however often the replay is killed. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Signal } from '../../src/model/record.ts';
import { type CliResult, runCli, startCli } from '../support/cli.ts';
import { itemsOf } from '../support/otlp-items.ts';
import { jsonOf, send } from '../support/otlp-send.ts';
import { startServer, type TestServer } from '../support/server.ts';

interface Post {
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly texts: readonly string[];
}

/** What the endpoint answers; undefined is 200. */
type Answer =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  | undefined;

let server: TestServer;
let endpoint: Server;
let url: string;
let folder: string;
let taken: Post[] = [];
let refused: Post[] = [];
let answer: (post: Post) => Answer = () => undefined;
let onPost = () => {};

beforeAll(async () => {
  server = await startServer();
  folder = await mkdtemp(join(tmpdir(), 'tailrace-replay-'));
  endpoint = createServer(receive);
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}`;
});

afterEach(() => {
  [taken, refused] = [[], []];
  answer = () => undefined;
  onPost = () => {};
});

afterAll(async () => {
  endpoint.closeAllConnections();
  await new Promise((resolve) => endpoint.close(resolve));
  await server.stop();
  await rm(folder, { recursive: true });
});

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const sent = Buffer.concat(parts);
  const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent;
  const signal = /v1\/(\w+)/.exec(request.url ?? '')?.[1] as Signal;
  const items = JSON.stringify(itemsOf(signal, body, false));
  const texts = [...items.matchAll(/"(?:stringValue|name)":"(n-?\d+)"/g)].map(([, text]) => text ?? '');
  const post = { url: request.url ?? '', headers: request.headers, texts };
  const { status, headers = {}, body: text = '' } = answer(post) ?? { status: 200 };
  (status === 200 ? taken : refused).push(post);
  response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(text);
  onPost();
}

const names = (count: number, first = 0) => Array.from({ length: count }, (_, index) => `n${first + index}`);
const takenTexts = () => taken.flatMap(({ texts }) => texts);
const replay = (stream: string, ...args: string[]): Promise<CliResult> =>
  runCli(['replay', stream, '--to', url, ...args], { server, cwd: folder });
const add = (stream: string, texts: readonly string[], more = '') =>
  send(server, 'logs', jsonOf('logs', stream, ...texts.map((text) => `{"body":{"stringValue":"${text}"}${more}}`)));

/** Resolves when so many posts were answered. */
function posts(count: number): Promise<void> {
  return new Promise((resolve) => {
    onPost = () => {
      if (taken.length + refused.length >= count) resolve();
    };
    onPost();
  });
}

describe('what is posted', () => {
  test('all signals of a stream in their order, with the headers that were asked for, and compressed', async () => {
    await add('all', names(3));
    await send(
      server,
      'traces',
      jsonOf('traces', 'all', '{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"n3"}'),
    );
    await add('all', names(2, 4));
    await writeFile(join(folder, 'token'), 'secret-of-the-endpoint\n');
    const done = await replay(
      'all',
      '--header',
      'x-tenant=eu',
      '--to-token-file',
      'token',
      '--compress',
      'gzip',
      '--json',
    );
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(done.stdout)).toMatchObject({ records: 6, refused: 0, skipped: 0, left_out: 0, next_seq_num: 6 });
    expect(takenTexts()).toEqual(names(6));
    expect(taken.map((post) => post.url)).toEqual(['/v1/logs', '/v1/traces', '/v1/logs']);
    for (const { headers } of taken) {
      expect(headers).toMatchObject({ 'x-tenant': 'eu', authorization: 'Bearer secret-of-the-endpoint' });
      expect(headers).toMatchObject({ 'content-encoding': 'gzip', 'content-type': 'application/x-protobuf' });
    }
  });

  test('what is bounded by a sequence number, a time or a filter', async () => {
    await add('some', names(3), ',"severityNumber":9');
    await add('some', names(3, 3), ',"severityNumber":17');
    expect(await replay('some', '-s', '4')).toMatchObject({ code: 0, stdout: '2 records in 1 request\n' });
    expect(takenTexts()).toEqual(names(2, 4));
    expect(await replay('some', '--filter', 'level>=error', '--speed', '1000x')).toMatchObject({ code: 0 });
    expect(takenTexts()).toEqual([...names(2, 4), ...names(3, 3)]);
    expect(await replay('some', '--since', '2001-01-01', '--until', '2001-01-02')).toMatchObject({
      code: 0,
      stdout: '0 records in 0 requests\n',
    });
  });

  test('a replay of a stream to its own server ends at the tail that it had', async () => {
    await add('own', names(3));
    await writeFile(join(folder, 'root'), server.token);
    const args = ['--to-token-file', 'root', '--speed', 'original', '--json'];
    const done = await runCli(['replay', 'own', '--to', server.url, ...args], { server, cwd: folder });
    expect(done).toMatchObject({ code: 0 });
    expect(JSON.parse(done.stdout)).toMatchObject({ records: 3, next_seq_num: 3 });
  });

  test('a replay at the pace of the records posts all of them once', async () => {
    for (let i = 0; i < 5; i++) await add('paced', names(2, 2 * i));
    expect(await replay('paced', '--speed', 'original')).toMatchObject({ code: 0 });
    expect(takenTexts()).toEqual(names(10));
  });
});

describe('an endpoint that refuses', () => {
  test('until a date gets nothing before that date, as its own clock says it', async () => {
    await add('dated', ['n1']);
    // A clock that is a day behind: by ours, the date is long past.
    const dateAt = (ms: number) => new Date(ms - 86_400_000).toUTCString();
    let until: number | undefined;
    const early: number[] = [];
    answer = () => {
      until ??= Math.floor(Date.now() / 1_000) * 1_000 + 2_000;
      if (Date.now() >= until) return undefined;
      early.push(Date.now());
      return { status: 503, headers: { date: dateAt(Date.now()), 'retry-after': dateAt(until) } };
    };
    const replayed = await replay('dated');
    expect([replayed.code, takenTexts(), early.length]).toEqual([0, ['n1'], 1]);
  });

  test('for a while, gets the same again and in order', async () => {
    for (let i = 0; i < 4; i++) await add('busy', names(2, 2 * i));
    const statuses = [429, 503, 502, 504];
    answer = () => {
      const status = statuses.shift();
      return status === undefined ? undefined : { status, headers: status === 503 ? { 'retry-after': '1' } : {} };
    };
    const done = await replay('busy');
    expect(done).toMatchObject({ code: 0, stderr: expect.stringContaining('trying again') });
    expect(refused.map(({ texts }) => texts)).toEqual(Array(4).fill(taken[0]?.texts));
    expect(takenTexts()).toEqual(names(8));
  });

  test('the data, stops the replay with its words and the records, or leaves them out', async () => {
    await add('wrong', names(2));
    await send(
      server,
      'traces',
      jsonOf(
        'traces',
        'wrong',
        '{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"n2"}',
      ),
    );
    await add('wrong', names(1, 3));
    answer = ({ url: path }) => (path === '/v1/traces' ? { status: 400, body: 'no spans \u001b[31mhere' } : undefined);
    const stopped = await replay('wrong', '--position-file', 'wrong.position');
    expect(stopped).toMatchObject({ code: 1, stdout: '2 records in 1 request\n' });
    expect(stopped.stderr).toContain('records 2 to 2 of s2://telemetry/wrong');
    expect(stopped.stderr).toContain('no spans \\x1b[31mhere');
    expect(stopped.stderr).toContain('--skip-bad');
    const skipped = await replay('wrong', '--position-file', 'wrong.position', '--skip-bad');
    expect(skipped).toMatchObject({ code: 1, stdout: expect.stringContaining('1 left out that the endpoint refused') });
    expect(takenTexts()).toEqual([...names(2), 'n3']);
  });

  test('the token, is told with what to do, and not with the token of the stream', async () => {
    await add('closed', names(1));
    answer = () => ({ status: 401 });
    const done = await replay('closed');
    expect(done).toMatchObject({ code: 3, stderr: expect.stringContaining('--to-token-file') });
    expect(done.stderr).not.toContain(server.url);
    expect(refused[0]?.headers.authorization).toBe(undefined);
  });
});

describe('a replay that goes on', () => {
  test('killed several times while it follows, loses nothing and keeps the order', async () => {
    const count = 40;
    await add('long', names(1));
    const args = ['replay', 'long', '--to', url, '--follow', '--position-file', 'long.position'];
    let added = 1;
    for (let kills = 0; kills < 4; kills++) {
      const child = startCli(args, { server, cwd: folder });
      const before = taken.length;
      await posts(before + 1);
      for (const until = (count * (kills + 1)) / 4; added < until; added++) await add('long', names(1, added));
      if (kills === 3) {
        await new Promise<void>((resolve) => {
          onPost = () => {
            if (takenTexts().includes(`n${count - 1}`)) resolve();
          };
          onPost();
        });
        const ended = await child.stop('SIGINT');
        expect(ended).toMatchObject({ code: 130, stderr: expect.stringContaining('go on with the same command') });
        break;
      }
      await posts(before + 3);
      await child.stop('SIGKILL');
    }
    // Each run begins at or before the place where the last one was killed, and goes on from there in order.
    const seen = takenTexts().map((text) => Number(text.slice(1)));
    let reached = -1;
    for (const [index, number] of seen.entries()) {
      expect(number).toBeLessThanOrEqual(reached + 1);
      if (index > 0 && number <= reached)
        expect(number === (seen[index - 1] ?? 0) + 1 || (seen[index - 1] ?? 0) === reached).toBe(true);
      reached = Math.max(reached, number);
    }
    expect(new Set(seen)).toEqual(new Set(Array.from({ length: count }, (_, index) => index)));
    const position = JSON.parse(await readFile(join(folder, 'long.position'), 'utf8')) as object;
    expect(position).toMatchObject({ command: 'replay', stream: 's2://telemetry/long', next: count });
    expect(await replay('long', '--position-file', 'long.position')).toMatchObject({
      code: 0,
      stdout: '0 records in 0 requests\n',
    });
  });

  test('is refused where it would follow its own copies', async () => {
    await add('loop', names(1));
    const result = await runCli(['replay', 'loop', '--to', server.url, '--follow'], { server });
    expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining('its own copies') });
  });

  test.each([
    [['--speed', 'fast'], 2, 'original, max'],
    [['--to', 'http://127.0.0.1:1/v1/logs'], 2, '/v1/logs'],
    [['--header', 'x'], 2, 'name=value'],
    [['--seq-num', '1', '--since', '1h'], 2, 'only one'],
    [['--to', 'http://127.0.0.1:1'], 75, 'cannot reach'],
    [['--position-file', 'long.position'], 2, 'another run'],
  ])('exits with an error for %j: code %i', async (args, code, words) => {
    await add('flags', names(1));
    const result = await replay('flags', ...args);
    expect(result).toMatchObject({ code, stderr: expect.stringContaining(words) });
  });
});
