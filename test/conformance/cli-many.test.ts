/** `tail` and `read` over many streams: order, filters, context, who joins and leaves, and a server that restarts. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Client, createClient } from '../../src/client/client.ts';
import { type CliResult, type CliRun, runCli, runShell, startCli } from '../support/cli.ts';
import { freePort } from '../support/free-port.ts';
import { logs, post } from '../support/otlp-post.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let client: Client;
const runs: CliRun[] = [];

const T0 = Date.parse('2026-11-29T10:00:00Z');
const SEVERITIES = { debug: 5, info: 9, warn: 13, error: 17 } as const;

/** A log record of a service at a second, in the stream. */
async function log(
  stream: string,
  second: number,
  level: keyof typeof SEVERITIES,
  text: string,
  service = stream,
): Promise<void> {
  const record = {
    timeUnixNano: `${T0 + second * 1_000}000000`,
    severityNumber: SEVERITIES[level],
    body: { stringValue: text },
  };
  const answer = await post(server, '/v1/logs', logs({ 'service.name': service, 's2.stream': stream }, record));
  expect(answer.status).toBe(200);
}

beforeAll(async () => {
  server = await startServer();
  client = createClient({ endpoint: server.url, token: server.token, basin: 'telemetry' });
  await log('shop-eu', 0, 'info', 'order 1');
  await log('shop-eu', 3, 'warn', 'slow 2');
  await log('shop-us', 1, 'error', 'timeout 3');
  await log('shop-us', 2, 'info', 'order 4', 'cart');
  await log('shop-us', 5, 'debug', 'noise 5');
  await log('other', 4, 'error', 'timeout 6');
});

afterAll(async () => {
  for (const { stop } of runs) await stop('SIGKILL');
  await server.stop();
});

const run = (...args: string[]): Promise<CliResult> => runCli(args, { server });
const follow = (...args: string[]): CliRun => {
  const started = startCli(args, { server });
  runs.push(started);
  return started;
};
const FORMAT = ['--format', '{{stream}}@{{seq}} {{body}}'];
/** What a read printed in that format. */
const shown = async (...args: string[]): Promise<string[]> => {
  const { code, stdout, stderr } = await run(...args, ...FORMAT);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.split('\n').slice(0, -1);
};

describe('what is there already', () => {
  test('comes in order of time over all streams that match, by pattern, by prefix or by name', async () => {
    const all = [
      ...['shop-eu@0 order 1', 'shop-us@0 timeout 3', 'shop-us@1 order 4', 'shop-eu@1 slow 2', 'shop-us@2 noise 5'],
    ];
    const [glob, prefix, names, whole] = await Promise.all([
      shown('tail', 'shop-*', '--no-follow'),
      shown('read', '--prefix', 'shop-', '-s', '0', '--no-follow'),
      shown('read', 'shop-us', 's2://telemetry/shop-eu', '--since', '2020-01-01', '--no-follow'),
      shown('read', 's2://telemetry/*', '-s', '0', '--no-follow'),
    ]);
    expect(glob).toEqual(all);
    expect(prefix).toEqual(all);
    expect(names).toEqual(all);
    expect(whole).toEqual([...all.slice(0, 4), 'other@0 timeout 6', ...all.slice(4)]);
  });

  test('is the last lines over all, those of a filter, those before a time, or so many from the start', async () => {
    const [last, filtered, before, first, between, none] = await Promise.all([
      shown('tail', 'shop-*', '-n', '2', '--no-follow'),
      shown('tail', '*', '-n', '2', '--no-follow', '--level', 'error'),
      shown('tail', 'shop-*', '-n', '2', '--until', '2026-11-29T10:00:03Z'),
      shown('read', 'shop-*', '-s', '0', '-n', '3'),
      shown('read', 'shop-*', '--since', '2026-11-29T10:00:01Z', '--until', '2026-11-29T10:00:03Z'),
      shown('tail', 'shop-*', '-n', '0', '--no-follow'),
    ]);
    expect(last).toEqual(['shop-eu@1 slow 2', 'shop-us@2 noise 5']);
    expect(filtered).toEqual(['shop-us@0 timeout 3', 'other@0 timeout 6']);
    expect(before).toEqual(['shop-us@0 timeout 3', 'shop-us@1 order 4']);
    expect(first).toEqual(['shop-eu@0 order 1', 'shop-us@0 timeout 3', 'shop-us@1 order 4']);
    expect(between).toEqual(['shop-us@0 timeout 3', 'shop-us@1 order 4']);
    expect(none).toEqual([]);
  });

  test('begins where --resume says, and a stream that it does not name comes whole', async () => {
    const resume = ['--resume', '{"shop-eu":1,"shop-us":{"seq_num":3}}'];
    expect(await shown('read', '*', '--no-follow', ...resume)).toEqual(['shop-eu@1 slow 2', 'other@0 timeout 6']);
  });

  test('says whose it is in every format', async () => {
    const one = ['tail', 'shop-*', '-n', '1', '--no-follow'];
    const [text, json, logfmt, wide, raw] = await Promise.all([
      run(...one),
      runShell(`tailrace ${one.join(' ').replace('*', "'*'")} -o json | head -1`, { server }),
      run(...one, '-o', 'logfmt'),
      run(...one, '-o', 'wide'),
      run(...one, '--format', 'json'),
    ]);
    expect(text.stdout).toMatch(/^shop-us 2026-11-29T10:00:05\.000000000Z DEBUG shop-us noise 5 /);
    expect(json.code).toBe(0);
    expect(JSON.parse(json.stdout)).toMatchObject({
      basin: 'telemetry',
      stream: 'shop-us',
      seqNum: 2,
      body: 'noise 5',
    });
    expect(logfmt.stdout).toMatch(/^basin=telemetry stream=shop-us seqNum=2 /);
    expect(wide.stdout).toMatch(/^shop-us {9}2 {2}2026-11-29T10:00:05/);
    expect(JSON.parse(raw.stdout)).toMatchObject({ stream: 'shop-us', seq_num: 2 });
  });
});

describe('flags of filters', () => {
  test('are met together, of one stream as of many', async () => {
    const read = ['read', '*', '-s', '0', '--no-follow'];
    const [level, only, services, grep, regexp, all, one] = await Promise.all([
      shown(...read, '--level', 'warn'),
      shown(...read, '--level', 'debug,warn'),
      shown(...read, '--service', 'cart,other'),
      shown(...read, '--grep', 'timeout'),
      shown(...read, '--regexp', 'order [14]$'),
      shown(...read, '--grep', '/TIME/i', '--level', 'error', '--service', 'other', '--where', 'signal=logs'),
      shown('tail', 'shop-us', '--no-follow', '--service', 'cart', '--since', '2026-11-29T10:00:00Z'),
    ]);
    expect(level).toEqual(['shop-us@0 timeout 3', 'shop-eu@1 slow 2', 'other@0 timeout 6']);
    expect(only).toEqual(['shop-eu@1 slow 2', 'shop-us@2 noise 5']);
    expect(services).toEqual(['shop-us@1 order 4', 'other@0 timeout 6']);
    expect(grep).toEqual(['shop-us@0 timeout 3', 'other@0 timeout 6']);
    expect(regexp).toEqual(['shop-eu@0 order 1', 'shop-us@1 order 4']);
    expect(all).toEqual(['other@0 timeout 6']);
    expect(one).toEqual(['shop-us@1 order 4']);
  });

  test('with context show what stands around, and a line between groups', async () => {
    const texts = Array.from({ length: 14 }, (_, i) => ({ body: i % 6 === 3 ? `hit ${i}` : `line ${i}` }));
    await client.append('context', texts);
    const read = ['read', 'context', '-s', '0', '--no-follow', '--grep', 'hit'];
    const bodies = async (...args: string[]) => {
      const { code, stdout } = await run(...args);
      expect(code).toBe(0);
      return stdout
        .replace(/^.*?((hit|line) \d+|--)$/gm, '$1')
        .split('\n')
        .slice(0, -1);
    };
    const [wide, apart, json, many] = await Promise.all([
      bodies(...read, '-C', '3'),
      bodies(...read, '-A', '1'),
      run(...read, '-B', '1', '-o', 'json'),
      bodies('tail', 'contex*', '--no-follow', '--grep', 'hit', '-C', '1', '-n', '1'),
    ]);
    expect(wide).toEqual(texts.slice(0, 13).map(({ body }) => body));
    expect(apart).toEqual(['hit 3', 'line 4', '--', 'hit 9', 'line 10']);
    expect(many).toEqual(['line 8', 'hit 9', 'line 10']);
    const rows = json.stdout.split('\n').slice(0, -1);
    expect(rows.map((row) => JSON.parse(row) as unknown)).toMatchObject([
      { context: true, body: 'line 2' },
      { body: 'hit 3' },
      { context: true, body: 'line 8' },
      { body: 'hit 9' },
    ]);
    expect(rows[1]).not.toContain('"context"');
  });

  test('with context show what comes after a record that was wanted, as it comes', async () => {
    const tail = follow('tail', 'later', '--grep', 'hit', '-A', '2', '--format', '{{body}};');
    await tail.saw('waiting for s2://telemetry/later');
    for (const body of ['a', 'hit', 'b', 'c', 'd', 'hit again', 'e']) await client.append('later', [{ body }]);
    await tail.saw('e;');
    expect(tail.stdout()).toBe('hit;\nb;\nc;\n--\nhit again;\ne;\n');
  });

  test.each([
    [['tail', 'a', '--level', 'wran'], 2, 'did you mean warn?'],
    [['tail', 'a', '--format', '{{servise}}'], 2, 'did you mean {{service}}'],
    [['tail', 'a', '--format', 'jsno'], 2, 'did you mean json?'],
    [['tail', 'a', '-C', '501', '--grep', 'x'], 2, '500 at most'],
    [['tail', 'a', '-C', '1'], 2, 'say which'],
    [['tail', 'shop-us', '-C', '500', '--where', 'levle=error', '--no-follow'], 2, 'level perhaps'],
    [['read', 'shop-us', 'shop-eu', '-s', '1'], 2, '--since or --resume'],
    [['read', 'shop-*', '-b', '10'], 2, '--count'],
    [['read', 'shop-us', '--resume', '{}'], 2, 'use -s'],
    [['tail', 'shup-*', '--no-follow'], 4, 'there is s2://telemetry/shop-'],
    [
      ['read', 'shop-u', 'sop-us', '--no-follow'],
      4,
      'there is no stream s2://telemetry/shop-u (there is s2://telemetry/shop-',
    ],
    [['read', 's2://telemetri/x*', '-s', '0'], 4, 'there is s2://telemetry'],
  ])('%j is refused with code %d and says %s', async (args, code, words) => {
    expect(await run(...args)).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(words) });
  });
});

describe('what comes', () => {
  test('is printed as it comes, and streams join and leave', async () => {
    const tail = follow('tail', 'live-*', ...FORMAT);
    await tail.saw('waiting for streams that match s2://telemetry/live-*');
    await client.append('live-a', [{ body: 'one' }, { body: 'two' }]);
    await tail.saw('live-a@1 two');
    await client.append('live-b', [{ body: 'three' }]);
    await tail.saw('live-b@0 three');
    await client.deleteStream('live-a');
    await tail.saw('- s2://telemetry/live-a deleted');
    await client.append('live-b', [{ body: 'four' }]);
    await tail.saw('live-b@1 four');
    const { code, stdout, stderr } = await tail.stop('SIGINT');
    expect(code).toBe(130);
    expect(stdout).toBe('live-a@0 one\nlive-a@1 two\nlive-b@0 three\nlive-b@1 four\n');
    expect(stderr.split('\n')).toEqual([
      'waiting for streams that match s2://telemetry/live-*',
      '+ s2://telemetry/live-a joined',
      '+ s2://telemetry/live-b joined',
      '- s2://telemetry/live-a deleted',
      '',
    ]);
  });

  test('of a stream that was named and is not there is waited for, or it is said that there is none', async () => {
    const tail = follow('tail', 'shop-us', 'shop-uk', '-n', '0', ...FORMAT);
    await tail.saw('waiting for s2://telemetry/shop-uk (there is s2://telemetry/shop-us');
    const read = await run('read', 'other', 'othr', '-s', '0', '--no-follow', ...FORMAT);
    expect(read).toMatchObject({ code: 0, stdout: 'other@0 timeout 6\n' });
    expect(read.stderr).toContain('there is no stream s2://telemetry/othr (there is s2://telemetry/other');
  });

  test('is neither lost nor repeated when the server restarts', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tailrace-many-'));
    const args = ['--port', String(await freePort())];
    let own = await startServer({ dataDir, args });
    const writer = createClient({ endpoint: own.url, token: own.token, basin: 'telemetry' });
    const write = (stream: string, ...bodies: string[]) =>
      writer.append(
        stream,
        bodies.map((body) => ({ body })),
      );
    await write('cut-a', 'even 0', 'odd 1');
    const env = { TAILRACE_ENDPOINT: own.url, TAILRACE_TOKEN: own.token };
    const tail = startCli(
      ['tail', '--prefix', 'cut-', '--grep', 'even', '-B', '1', '--format', '{{stream}} {{body}};'],
      {
        env,
      },
    );
    runs.push(tail);
    await tail.saw('even 0;');
    await write('cut-b', 'odd 0', 'even 1', 'odd 2');
    await tail.saw('even 1;');
    await own.stop('SIGTERM');
    await tail.saw('connection lost, trying again');
    own = await startServer({ dataDir, args });
    await write('cut-a', 'even 2', 'even 3', 'odd 4');
    await write('cut-c', 'even 0');
    await tail.saw('cut-c even 0;');
    await tail.saw('even 3;');
    expect(tail.stdout().split('\n').slice(0, -1).sort()).toEqual(
      [
        ...['cut-a even 0;', 'cut-a odd 1;', 'cut-a even 2;', 'cut-a even 3;'],
        ...['cut-b odd 0;', 'cut-b even 1;', 'cut-c even 0;', '--', '--', '--'],
      ].sort(),
    );
    await tail.stop('SIGINT');
    await own.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
});
