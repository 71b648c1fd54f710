/**
 * A full store takes what frees space or protects it, over the API and by the command line: fences, trims, settings,
 * deletions. Then service resumes by itself.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CliResult, runCli } from '../support/cli.ts';
import { append, appendUntilTaken, command, FILLED, fill, names } from '../support/filling.ts';
import { codeOf, RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';

/** The reserve is a quarter of it. */
const CAP_BYTES = 24 * 1024 * 1024;

let server: TestServer;
let client: RecordsClient;

beforeAll(async () => {
  server = await startServer({ args: ['--store-bytes-max', String(CAP_BYTES)] });
  client = new RecordsClient(server);
  await client.texts('other', 'one', 'two');
});

afterAll(() => server.stop());

const run = (...args: string[]): Promise<CliResult> => runCli(args, { server });
const commands = (stream: string, ...records: readonly object[]) =>
  client.append(stream, { records }, { 's2-format': 'base64' });
const tail = async (stream: string): Promise<number> =>
  ((await client.tail(stream))[1] as { tail: { seq_num: number } }).tail.seq_num;

describe('a full store', () => {
  test('takes fences, trims and settings, refuses all else, and keeps every position right', async () => {
    const { acked } = await fill(server);
    expect(acked.length).toBeGreaterThan(20);
    const before = await tail('other');
    expect(await commands('other', command({ fence: 'mine' }))).toMatchObject([200, { start: { seq_num: before } }]);
    expect(await run('fence', 'other', 'theirs', '-f', 'mine')).toMatchObject({ code: 0, stderr: '' });
    expect((await run('fence', 'other', 'again', '-f', 'mine')).code).toBe(5);
    expect(await commands('other', command({ trim: 1 }))).toMatchObject([200, { start: { seq_num: before + 2 } }]);
    expect(await run('trim', 'other', '2')).toMatchObject({ code: 0, stderr: '' });
    const both = [command({ fence: '' }), command({ trim: 3 })];
    expect(await commands('other', ...both)).toMatchObject([200, { end: { seq_num: before + 6 } }]);

    expect(codeOf(await commands('other', { body: 'data' }))).toEqual([500, 'storage']);
    expect(codeOf(await commands('other', command({ fence: 'x' }), { body: 'data' }))).toEqual([500, 'storage']);
    expect(codeOf(await commands('created-by-it', command({ fence: 'x' })))).toEqual([500, 'storage']);
    expect(await tail('other')).toBe(before + 6);

    const year = { retention_policy: { age: 31_536_000 } };
    expect((await client.control('PATCH', '/v1/streams/other', year))[0]).toBe(200);
    expect((await client.control('PUT', '/v1/streams/other', { retention_bytes: 1_000_000 }))[0]).toBe(200);
    expect((await run('streams', 'reconfigure', 'other', '--retention-policy', '2y')).code).toBe(0);
    const stream = { default_stream_config: { retention_policy: { age: 86_400 } } };
    expect((await client.control('PATCH', '/v1/basins/telemetry', stream))[0]).toBe(200);
    expect((await client.control('PUT', '/v1/streams/one-more', {}))[0]).toBe(500);
    expect((await client.control('PUT', '/v1/basins/one-more-basin', {}))[0]).toBe(500);
    expect((await append(server, 'still-full')).status).toBe(503);
    expect(await names(server)).toEqual(acked);
  }, 60_000);

  test.each<readonly [string, () => Promise<unknown>, unknown]>([
    ['a trim', async () => (await commands(FILLED, command({ trim: await tail(FILLED) })))[0], 200],
    ['`trim`', async () => (await run('trim', FILLED, String(await tail(FILLED)))).code, 0],
    [
      'a lower bound',
      async () => (await client.control('PATCH', `/v1/streams/${FILLED}`, { retention_bytes: 2_000_000 }))[0],
      200,
    ],
    ['`streams delete`', async () => (await run('streams', 'delete', FILLED)).code, 0],
  ])(
    'frees space by %s, and service resumes by itself',
    async (_, free, wanted) => {
      await untilFull();
      expect(await free()).toBe(wanted);
      const stream = await appendUntilTaken(server, 'back-again').then(() => names(server));
      expect(stream.at(-1)).toBe('back-again');
    },
    60_000,
  );
});

/** What the test before left may be full already. */
async function untilFull(): Promise<void> {
  await client.control('PATCH', `/v1/streams/${FILLED}`, { retention_bytes: null });
  while ((await fill(server)).refused.status !== 503);
}
