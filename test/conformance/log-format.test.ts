/** The form of log lines on stderr, by flag, variable and configuration file. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { call } from '../support/http-call.ts';
import { parseLogfmt } from '../support/logfmt.ts';
import { failToStart, type ServerSetup, startServer } from '../support/server.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-log-format-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** The lines of a run in which a sender without a token is refused. */
async function linesOf(setup: ServerSetup): Promise<readonly string[]> {
  const server = await startServer({ dataDir: join(folder, 'store'), ...setup });
  expect((await call(server.port, { method: 'POST', path: '/v1/logs' })).status).toBe(401);
  await server.stop();
  const text = server.stderr();
  expect(text.endsWith('\n')).toBe(true);
  return text.slice(0, -1).split('\n');
}

test('lines are logfmt with --log-format logfmt, those of the audit log and of the end too', async () => {
  const lines = (await linesOf({ args: ['--log-format', 'logfmt'] })).map(parseLogfmt);
  for (const line of lines) expect([...line.keys()].slice(0, 3)).toEqual(['time', 'level', 'msg']);
  const refused = lines.filter((line) => line.get('audit') === 'true' && line.get('outcome') === 'refused');
  expect(refused.map((line) => [line.get('level'), line.get('action'), line.get('error')])).toEqual([
    ['warn', 'append', 'authn'],
  ]);
  expect(lines.at(-1)?.get('msg')).toBe('stopped');
});

test('lines are for people with TAILRACE_LOG_FORMAT=text, also without a terminal', async () => {
  const lines = await linesOf({ env: { TAILRACE_LOG_FORMAT: 'text' } });
  expect(lines.at(-1)).toMatch(/^\d\d:\d\d:\d\d INFO {2}stopped$/);
});

test('lines are JSON without a word about it, whatever the configuration file says of the default', async () => {
  const config = join(folder, 'tailrace.yaml');
  await writeFile(config, 'log_format: auto\n');
  for (const line of await linesOf({ args: ['--config', config] }))
    expect(JSON.parse(line)).toMatchObject({ level: expect.any(String) });
});

test('a form that does not exist is refused with those that do', async () => {
  const failed = await failToStart({ dataDir: join(folder, 'other'), args: ['--log-format', 'xml'] });
  expect(failed.code).toBe(2);
  expect(failed.stderr).toMatch(/--log-format .*"auto"\|"json"\|"logfmt"\|"text"/);
});
