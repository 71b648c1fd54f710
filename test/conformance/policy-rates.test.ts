/** Rates and limits of whole requests that a basin or a token asks for, over real sockets and by the real clock. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runCli } from '../support/cli.ts';
import { ControlClient } from '../support/control-calls.ts';
import { makeOtlpBasin, makeSenderToken } from '../support/otlp-basin.ts';
import { OtlpSender, storedItems } from '../support/otlp-sender.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let s2: ControlClient;
let made = 0;

beforeAll(async () => {
  server = await startServer();
  s2 = new ControlClient(server);
});

afterAll(async () => {
  await server.stop();
});

const basinWith = (config: object): Promise<string> => makeOtlpBasin(s2, config);

async function senderTo(basin: string, fields: object = {}): Promise<OtlpSender> {
  const { token } = await makeSenderToken(s2, fields);
  return new OtlpSender({ port: server.port, token }, basin);
}

const said = (bytes: number) => [{ body: { stringValue: 'x'.repeat(bytes) } }];

/** Sends until it is taken, as an exporter does: it waits as it is told. */
async function untilTaken(send: () => Promise<{ status: number; retryAfter: number | undefined }>): Promise<number> {
  for (let tries = 1; tries <= 5; tries++) {
    const { status, retryAfter = 0 } = await send();
    if (status === 200) return tries;
    expect(status).toBe(429);
    await new Promise((resolve) => setTimeout(resolve, retryAfter * 1_000));
  }
  throw new Error('it was never taken');
}

describe('the byte rate of a basin', () => {
  const slow = { bytes_per_second: 100, burst_bytes: 1_000 };

  test('takes a request that is larger than the burst, then refuses with 429 and stores nothing', async () => {
    const basin = await basinWith({ otlp_rates: slow });
    const sender = await senderTo(basin);
    expect(await sender.logs([{}], said(50_000))).toMatchObject({ status: 200, rejected: 0 });
    const refused = await sender.logs([{}], said(1));
    expect(refused).toMatchObject({ status: 429, retryAfter: 5 });
    expect(refused.message).toContain(`basin \`${basin}\` may take 100 bytes a second, and has taken more`);
    expect(await storedItems(s2, basin, 'all')).toHaveLength(1);
  });

  test('does not stop another sender that sends little, and of that one only what exceeds its share', async () => {
    const basin = await basinWith({ otlp_rates: slow });
    const [large, small] = [await senderTo(basin), await senderTo(basin)];
    await large.logs([{}], said(50_000));
    expect((await large.logs([{}])).status).toBe(429);
    expect((await small.logs([{}])).status).toBe(200);
    expect((await small.logs([{}])).status).toBe(429);
    expect((await large.logs([{}])).status).toBe(429);
  });

  test('counts what is decompressed, and each stream has its own', async () => {
    const basin = await basinWith({ otlp_rates: { stream_bytes_per_second: 100, stream_burst_bytes: 100 } });
    const sender = await senderTo(basin);
    expect((await sender.logs([{ 's2.stream': 'one' }], said(9_000))).status).toBe(200);
    const refused = await sender.logs([{ 's2.stream': 'two' }, { 's2.stream': 'one' }]);
    expect(refused).toMatchObject({ status: 429, retryAfter: 5 });
    expect(refused.message).toContain('stream `one` may take 100 bytes a second');
    expect(await storedItems(s2, basin, 'two')).toEqual([]);
    expect((await sender.logs([{ 's2.stream': 'two' }])).status).toBe(200);
  });

  test('changes as soon as the policy does', async () => {
    const basin = await basinWith({ otlp_rates: slow });
    const sender = await senderTo(basin);
    await sender.logs([{}], said(50_000));
    expect((await sender.logs([{}])).status).toBe(429);
    await s2.call(`PATCH /basins/${basin}`, { body: { otlp_rates: null } });
    expect((await sender.logs([{}])).status).toBe(200);
  });
});

describe('spans per minute', () => {
  test('of a profile take 1,001 at once, and what comes next is taken when the client waits as told', async () => {
    const basin = await basinWith({ otlp_limits: { profile: 'frametail-standard' } });
    const sender = await senderTo(basin);
    expect((await sender.spans(1_001)).status).toBe(200);
    // 16 spans come back each second.
    expect(await untilTaken(() => sender.spans(1_001))).toBeLessThanOrEqual(3);
    const refused = await sender.spans(1);
    expect(refused).toMatchObject({ status: 429, retryAfter: 5 });
    expect(refused.message).toContain(`basin \`${basin}\` may send 1000 spans a minute`);
    expect((await sender.logs([{}])).status).toBe(200);
  });

  test('of a token count in all basins', async () => {
    const [one, two] = [await basinWith({}), await basinWith({})];
    const { body } = await s2.call('POST /access-tokens', {
      body: {
        id: `rated-${made++}`,
        scope: { basins: { prefix: '' }, streams: { prefix: '' }, op_groups: { stream: { write: true } } },
        limits: { profile: 'frametail-pro', spans_per_minute: 60 },
      },
    });
    const token = (body as { access_token: string }).access_token;
    expect((await new OtlpSender({ port: server.port, token }, one).spans(400)).status).toBe(200);
    expect(await new OtlpSender({ port: server.port, token }, two).spans(1)).toMatchObject({
      status: 429,
      retryAfter: 5,
    });
  });
});

describe('the byte rate of a token', () => {
  test('is set on the command line, shown, and counts', async () => {
    const basin = await basinWith({});
    const args = [
      ...['tokens', 'issue', 'byte-rated', '--basins-prefix', '', '--streams-prefix', '', '--ops', 'append'],
      ...['--bytes-per-second', '1kB', '--burst-bytes', '1kB', '--json'],
    ];
    const { code, stdout } = await runCli(args, { server });
    expect(code).toBe(0);
    const { access_token: token } = JSON.parse(stdout) as { access_token: string };
    expect((await s2.call('GET /access-tokens/byte-rated')).body).toMatchObject({
      limits: { profile: null, spans_per_minute: null, bytes_per_second: 1_000, burst_bytes: 1_000 },
    });
    const sender = new OtlpSender({ port: server.port, token }, basin);
    const shown = await runCli(['tokens', 'get', 'byte-rated'], { server });
    expect(shown.stdout).toMatch(/bytes-per-second +1000\b[\s\S]*burst-bytes +1000\b/);
    expect((await sender.logs([{}], said(20_000))).status).toBe(200);
    expect(await sender.logs([{}])).toMatchObject({ status: 429, retryAfter: 5 });
  });

  test('cannot be widened by a token that it issues', async () => {
    const scope = { streams: { prefix: '' }, access_tokens: { prefix: '' }, ops: ['append', 'issue-access-token'] };
    const parent = { id: `rated-${made++}`, scope, limits: { bytes_per_second: 1_000 } };
    const { body } = await s2.call('POST /access-tokens', { body: parent });
    const issuer = new ControlClient({ url: server.url, token: (body as { access_token: string }).access_token });
    const child = (limits: object) => ({
      body: { id: `rated-${made++}`, scope: { ...scope, ops: ['append'] }, limits },
    });
    expect(await issuer.refusal('POST /access-tokens', child({ bytes_per_second: 1_001 }))).toMatch(/^403/);
    expect(await issuer.refusal('POST /access-tokens', child({ burst_bytes: 2_001 }))).toMatch(/^403/);
    const narrow = child({ bytes_per_second: 10 });
    expect((await issuer.call('POST /access-tokens', narrow)).status).toBe(201);
    expect((await s2.call(`GET /access-tokens/${narrow.body.id}`)).body).toMatchObject({
      limits: { bytes_per_second: 10, burst_bytes: 2_000 },
    });
  });
});

describe('the streams of a basin', () => {
  test('are at most so many: data for another one is rejected, and is taken when one is gone', async () => {
    const basin = await basinWith({ otlp_limits: { streams_max: 3 } });
    const sender = await senderTo(basin);
    const into = (...names: readonly string[]) => sender.logs(names.map((name) => ({ 's2.stream': name })));
    expect(await into('a', 'b')).toMatchObject({ status: 200, rejected: 0 });
    const over = await into('a', 'c', 'd', 'e', 'b');
    expect(over).toMatchObject({ status: 200, rejected: 2 });
    expect(over.message).toContain('the basin has its 3 streams (otlp_limits.streams_max)');
    expect((await into('d')).rejected).toBe(1);
    expect(await into('a', 'b', 'c')).toMatchObject({ status: 200, rejected: 0 });
    await s2.call('DELETE /streams/a', { basin });
    await s2.untilGone('GET /streams/a', { basin });
    let taken = await into('d');
    while (taken.rejected === 1) taken = await into('d');
    expect(await storedItems(s2, basin, 'd')).toHaveLength(1);
    expect((await into('e')).rejected).toBe(1);
    // S2's calls make streams all the same, which then count.
    expect((await s2.call('PUT /streams/by-hand', { basin })).status).toBe(201);
    const append = { basin, body: { records: [{ body: 'x' }] } };
    expect((await s2.call('POST /streams/by-append/records', append)).status).toBe(200);
    expect((await into('e', 'by-hand')).rejected).toBe(1);
  });
});

describe('the largest request of a basin', () => {
  test('has exactly so many bytes on the wire, and one more is 413 that names the limit', async () => {
    const basin = await basinWith({ otlp_limits: { wire_bytes_max: 2_000 } });
    const sender = await senderTo(basin);
    const empty = JSON.stringify({ resourceLogs: [] });
    const padded = (bytes: number) => ({ resourceLogs: [], later: 'x'.repeat(bytes - empty.length - 11) });
    expect(JSON.stringify(padded(2_000))).toHaveLength(2_000);
    expect((await sender.post('logs', padded(2_000))).status).toBe(200);
    const refused = await sender.post('logs', padded(2_001));
    expect(refused.status).toBe(413);
    expect(refused.message).toContain('otlp_limits.wire_bytes_max');
    expect((await (await senderTo(await basinWith({}))).post('logs', padded(2_001))).status).toBe(200);
  });
});
