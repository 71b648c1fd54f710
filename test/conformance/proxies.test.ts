/**
 * The proxies of scripts/deploy/proxy in front of a server, each with the file that we give to users: real exporters,
 * readers and S2's SDK get through them as they get to the server itself, and the server knows who they are.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { get, request } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { EXPORTERS, makeItems, openExporter } from '../../scripts/torture/exporters/real-exporters.ts';
import { otlpBody } from '../support/access-rows.ts';
import { HAS_OPENSSL, makeCertificate } from '../support/certificate.ts';
import { call } from '../support/http-call.ts';
import { checkFile, findProxy, PROXIES, type ProxyKind, type RunningProxy, startProxy } from '../support/proxy.ts';
import { readStream } from '../support/read-back.ts';
import { RecordsClient, type SseEvent, type SseStream } from '../support/records-calls.ts';
import { sdkOf, TRANSPORTS, take, textBatch } from '../support/sdk.ts';
import { startSeamsServer } from '../support/seams.ts';
import { noticeHeaders } from '../support/secrets.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

const MiB = 1024 * 1024;
/** Needs both its slashes and its percent sign on the way. */
const ODD_NAME = 'shop/50% off';
const HOW = {
  nginx: 'apt-get install nginx, or set TAILRACE_NGINX',
  caddy: 'set TAILRACE_CADDY, as npm run interop -- proxies does',
  envoy: 'set TAILRACE_ENVOY, as npm run interop -- proxies does',
};

/** How long readers are idle by the clock: `npm run interop -- proxies` sets it to more than two minutes. */
const IDLE_SECONDS = Number(process.env.TAILRACE_IDLE_SECONDS ?? 0);

let server: TestServer;
let dir: string;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'tailrace-proxies-'));
  server = await startServer({ args: ['--trust-proxy', '127.0.0.1'] });
});

afterAll(async () => {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** The tests of one proxy; where it is not installed they are skipped, and a line says so. */
function describeBehind(kind: ProxyKind, tests: (program: string) => void): void {
  const program = findProxy(kind);
  if (program === undefined) process.stderr.write(`skipped "behind ${kind}": no ${kind} here (${HOW[kind]})\n`);
  (program === undefined ? describe.skip : describe)(`behind ${kind}`, () => tests(program ?? ''));
}

describe.each(PROXIES.map((kind) => [kind] as const))('with the file for %s', (kind) => {
  describeBehind(kind, (program) => {
    let proxy: RunningProxy;

    beforeAll(async () => {
      proxy = await startProxy(kind, { server, program });
    });

    afterAll(() => proxy.stop());

    sending(kind, () => proxy);
    reading(kind, () => proxy);
    sessions(kind, () => proxy);
    idling(kind, () => proxy);

    (HAS_OPENSSL ? test : test.skip)('the file is taken as it is', () => {
      const { code, said } = checkFile(kind, program, makeCertificate(dir, kind));
      expect([code, said]).toEqual([0, expect.any(String)]);
    });
  });
});

function sending(kind: ProxyKind, proxy: () => RunningProxy): void {
  test.each(EXPORTERS)('an exporter sends $signal over $protocol', async ({ signal, protocol }) => {
    const stream = `${kind}/${signal}/${protocol}`;
    const urls = { url: `http://127.0.0.1:${proxy().port}`, grpcUrl: `http://127.0.0.1:${proxy().h2Port}` };
    const exporter = openExporter(signal, protocol, { ...urls, token: server.token });
    const names = Array.from({ length: 20 }, (_, index) => `item-${index}`);
    expect(await exporter.export(await makeItems(signal, stream, { names }))).toMatchObject({ code: 0 });
    await exporter.close();
    expect(await readStream(server, stream)).toHaveLength(20);
  });

  test('the server knows the address of a sender, whatever that claims', async () => {
    const agent = `agent-of-${kind}`;
    const headers = {
      ...{ authorization: `Bearer ${server.token}`, 'user-agent': agent, 'content-type': 'application/json' },
      ...{ 'x-forwarded-for': '198.51.100.7', forwarded: 'for=198.51.100.8', 'x-forwarded-host': 'evil.example' },
    };
    noticeHeaders(headers);
    const body = JSON.stringify(otlpBody('logs', 'app'));
    const at = { port: proxy().port, host: '127.0.0.1', localAddress: '127.0.0.2', path: '/v1/logs', headers };
    await new Promise((resolve, reject) => {
      const sent = plainRequest({ ...at, method: 'POST', agent: false }, (got) => got.resume().on('end', resolve));
      sent.on('error', reject).end(body);
    });
    const { body: listed } = await call(server.port, { method: 'GET', path: '/v1/senders', headers: authorization() });
    const { senders } = JSON.parse(listed.toString()) as { senders: { address: string; user_agent: string }[] };
    expect(senders.filter(({ user_agent }) => user_agent === agent).map(({ address }) => address)).toEqual([
      '127.0.0.2',
    ]);
  });

  test('a large body is taken, and one that is too large is refused by the server itself', async () => {
    const send = (records: number) => {
      const logRecords = Array.from({ length: records }, () => ({ body: { stringValue: 'x'.repeat(MiB / 2) } }));
      const attributes = [{ key: 's2.stream', value: { stringValue: 'large' } }];
      const body = JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] });
      const headers = { ...authorization(), 'content-type': 'application/json' };
      return call(proxy().port, { path: '/v1/logs', headers, body });
    };
    expect((await send(24)).status).toBe(200);
    const refused = await send(32);
    expect([refused.status, refused.body.toString()]).toEqual([413, expect.stringContaining('--wire-bytes-max')]);
  });
}

function reading(kind: ProxyKind, proxy: () => RunningProxy): void {
  test('a WebSocket tail gets what is there and what comes, of a stream whose name has a slash and a percent sign', async () => {
    const records = new RecordsClient(server);
    const stream = `${ODD_NAME} ${kind}`;
    await records.texts(stream, 'first');
    const url = `ws://127.0.0.1:${proxy().port}${records.path(stream, '?seq_num=0')}`;
    // As the page of the server does, through the proxy.
    const origin = `http://127.0.0.1:${proxy().port}`;
    const reader = new Reader(url, ['s2.json', `bearer.${server.token}`], { origin });
    expect(await reader.until('batch')).toMatchObject({ records: [{ body: 'first' }] });
    await records.texts(stream, 'second');
    expect(await reader.until('batch')).toMatchObject({ records: [{ body: 'second' }] });
    await reader.close();
  });

  test('server-sent events come one by one, not when the response ends', async () => {
    const stream = `events-${kind}`;
    const direct = new RecordsClient(server);
    const events = await direct
      .texts(stream, 'first')
      .then(() => new RecordsClient({ ...server, port: proxy().port }).sse(stream, '?seq_num=0'));
    expect(events.status).toBe(200);
    expect((await events.next())?.data).toContain('"first"');
    await direct.texts(stream, 'second');
    expect((await afterPings(events)).data).toContain('"second"');
    events.destroy();
  });
}

function idling(kind: ProxyKind, proxy: () => RunningProxy): void {
  const idle = async (): Promise<void> => {
    const direct = new RecordsClient(server);
    await direct.texts(`idle-${kind}`, 'first');
    const { port } = proxy();
    const url = `ws://127.0.0.1:${port}${direct.path(`idle-${kind}`)}`;
    const reader = new Reader(url, ['s2.json', `bearer.${server.token}`]);
    const events = await new RecordsClient({ ...server, port }).sse(`idle-${kind}`);
    await reader.until('hello');
    await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1_000));
    await direct.texts(`idle-${kind}`, 'second');
    expect(await reader.until('batch')).toMatchObject({ records: [{ body: 'second' }] });
    expect((await afterPings(events)).data).toContain('"second"');
    events.destroy();
    await reader.close();
  };
  const title = 'readers that get nothing for minutes get what comes then';
  (IDLE_SECONDS > 0 ? test : test.skip)(title, idle, (IDLE_SECONDS + 60) * 1_000);
}

function sessions(kind: ProxyKind, proxy: () => RunningProxy): void {
  test.each(TRANSPORTS)("sessions of S2's SDK over %s append and read at the same time", async (forceTransport) => {
    const port = forceTransport === 's2s' ? proxy().h2Port : proxy().port;
    const s2 = sdkOf({ port, token: server.token });
    const basin = `basin-of-${kind}`;
    await sdkOf({ port: proxy().port, token: server.token }).basins.ensure({ basin });
    const name = `${ODD_NAME} ${forceTransport}`;
    await sdkOf({ port: proxy().port, token: server.token }).basin(basin).streams.create({ stream: name });
    const stream = s2.basin(basin).stream(name, { forceTransport });
    const session = await stream.appendSession({ maxInflightBatches: 20 });
    // Acknowledged while the session is open: nothing on the way keeps a body until its end.
    await (await session.submit(textBatch(['0']))).ack();
    const reading = await stream.readSession({ start: { from: { seqNum: 0 } } });
    expect((await take(reading, 1)).map(({ body }) => body)).toEqual(['0']);
    const tickets = [];
    for (let i = 1; i <= 30; i++) tickets.push(await session.submit(textBatch([String(i)])));
    expect((await take(reading, 30)).map(({ body }) => body)).toEqual(Array.from({ length: 30 }, (_, i) => `${i + 1}`));
    expect((await tickets.at(-1)?.ack())?.end.seqNum).toBe(31);
    await reading.cancel();
    await session.close();
    await stream.close();
  });
}

function authorization(): { authorization: string } {
  return { authorization: `Bearer ${server.token}` };
}

describe.each([['nginx'], ['envoy']] as const)('an idle reader through %s', (kind) => {
  /** Less than the time between two heartbeats, and more than that of a server whose time runs 20 times as fast. */
  const SILENCE = '2s';
  /** At least 0.25 s apart, so together they take longer than that. */
  const HEARTBEATS = 9;

  describeBehind(kind, (program) => {
    let hasty: TestServer;
    let proxies: readonly RunningProxy[];

    beforeAll(async () => {
      hasty = await startSeamsServer({ haste: 20 });
      const setups = [server, hasty].map((at) => ({ server: at, program, silence: SILENCE }));
      proxies = await Promise.all(setups.map((setup) => startProxy(kind, setup)));
    });

    afterAll(async () => {
      for (const proxy of proxies) await proxy.stop();
      await hasty.stop();
    });

    const follow = async (at: TestServer, proxy: RunningProxy | undefined) => {
      const port = proxy?.port ?? 0;
      const records = new RecordsClient(at);
      await records.texts('idle', 'first');
      const reader = new Reader(`ws://127.0.0.1:${port}${records.path('idle')}`, ['s2.json', `bearer.${at.token}`]);
      const events = await new RecordsClient({ ...at, port }).sse('idle');
      return { records, reader, events };
    };

    test('is cut where the limit of the proxy is below the time between two heartbeats', async () => {
      const { reader, events } = await follow(server, proxies[0]);
      expect((await reader.ended).code).toBe(1006);
      await expect(events.rest()).rejects.toThrow();
    });

    test('is kept by heartbeats for longer than the limit of the proxy, and gets what comes then', async () => {
      const { records, reader, events } = await follow(hasty, proxies[1]);
      for (let i = 0; i < HEARTBEATS; i++) {
        await reader.until('heartbeat');
        expect((await events.next())?.event).toBe('ping');
      }
      await records.texts('idle', 'second');
      expect(await reader.until('batch')).toMatchObject({ records: [{ body: 'second' }] });
      expect((await afterPings(events)).data).toContain('"second"');
      events.destroy();
      await reader.close();
    });
  });
});

async function afterPings(events: SseStream): Promise<SseEvent> {
  for (;;) {
    const event = await events.next();
    if (event === undefined) throw new Error('the events have ended');
    if (event.event !== 'ping') return event;
  }
}

describeBehind('nginx', (program) => {
  (HAS_OPENSSL ? test : test.skip)('TLS ends at nginx, for HTTP/1.1 and HTTP/2 on one port', async () => {
    const certificate = makeCertificate(dir, 'tls');
    const proxy = await startProxy('nginx', { server, program, certificate });
    try {
      const { ca } = certificate;
      const url = `https://127.0.0.1:${proxy.tlsPort}`;
      const health = await new Promise((resolve, reject) => {
        get(`${url}/health`, { ca }, (got) => resolve([got.resume().httpVersion, got.statusCode])).on('error', reject);
      });
      expect(health).toEqual(['1.1', 200]);
      const session = connectHttp2(url, { ca });
      const stream = session.request({ ':path': '/health' });
      const status = await new Promise((resolve, reject) => {
        stream.on('response', ({ ':status': got }) => resolve(got)).on('error', reject);
      });
      expect(status).toBe(200);
      session.destroy();
      // Errors show the address that the sender used.
      const advice = await new Promise<string>((resolve, reject) => {
        const sent = request(`${url}/logs`, { ca, method: 'POST', headers: { 'content-type': 'application/json' } });
        sent.on('response', (got) => {
          let text = '';
          got.on('data', (part: Buffer) => {
            text += part.toString();
          });
          got.on('end', () => resolve(text));
        });
        sent.on('error', reject).end('{}');
      });
      expect(advice).toContain(`set ${url} without a path`);
    } finally {
      await proxy.stop();
    }
  });

  test('without the line for sessions, and with the usual buffers, nothing of a session comes through', async () => {
    const instead = [
      ['grpc_pass grpc://tailrace_h2;', ''],
      ['proxy_request_buffering off;', ''],
      // Then it waits no longer for the end of the session.
      ['client_body_timeout 1h;', 'client_body_timeout 1s;'],
    ] as const;
    const proxy = await startProxy('nginx', { server, program, instead });
    try {
      const s2 = sdkOf({ port: proxy.h2Port, token: server.token });
      const stream = s2.basin('telemetry').stream('held', { forceTransport: 's2s' });
      const session = await stream.appendSession();
      const ticket = await session.submit(textBatch(['held']));
      await expect(ticket.ack()).rejects.toThrow();
      await stream.close();
      expect((await new RecordsClient(server).tail('held'))[0]).toBe(404);
    } finally {
      await proxy.stop();
    }
  });
});
