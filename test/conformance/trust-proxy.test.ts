/** `--trust-proxy`: whom a server behind proxies sees in its logs, its audit, its senders and its memory. */

import { request } from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { otlpBody } from '../support/access-rows.ts';
import { EXPORT, encodeOtlp, GrpcClient } from '../support/grpc-call.ts';
import { call, connectRaw, type RawConnection } from '../support/http-call.ts';
import { connectHttp2 } from '../support/http2-call.ts';
import { noticeHeaders } from '../support/secrets.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Reader } from '../support/socket-reader.ts';

const MiB = 1024 * 1024;
const JSON_TYPE = 'application/json';
/** Claimed by a sender, and added by the proxy. */
const SPOOFED = '198.51.100.7, 203.0.113.9';
const SEEN = '203.0.113.9';

/** Trusts the address from which the tests connect. */
let server: TestServer;
/** Trusts none, as without the setting. */
let plain: TestServer;

beforeAll(async () => {
  server = await startServer({ args: ['--trust-proxy', '127.0.0.1', '--trust-proxy', '10.0.0.0/8'] });
  plain = await startServer();
});

afterAll(async () => {
  await server.stop();
  await plain.stop();
});

function auth({ token }: TestServer): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

/** Addresses of the senders with that User-Agent. */
async function sendersOf(at: TestServer, agent: string): Promise<readonly string[]> {
  const { body } = await call(at.port, { method: 'GET', path: '/v1/senders', headers: auth(at) });
  const { senders } = JSON.parse(body.toString()) as { senders: { address: string; user_agent: string }[] };
  return senders.filter(({ user_agent }) => user_agent?.startsWith(agent)).map(({ address }) => address);
}

const BODY = JSON.stringify(otlpBody('logs', 'app'));

function sendingHeaders(at: TestServer, agent: string, forwarded: string): Record<string, string> {
  return { ...auth(at), 'content-type': JSON_TYPE, 'user-agent': agent, 'x-forwarded-for': forwarded };
}

/** Lines of the audit log about this correlation id. */
async function auditedSenders(id: string): Promise<readonly unknown[]> {
  const lines = () =>
    server
      .stderr()
      .split('\n')
      .filter((line) => line.includes('"audit":true') && line.includes(id))
      .map((line) => (JSON.parse(line) as { sender: unknown }).sender);
  // The log goes out in its own time.
  while (lines().length === 0) await new Promise((resolve) => setImmediate(resolve));
  return lines();
}

test('a sender behind a trusted proxy is known by its own address, and not by what it claims', async () => {
  const headers = sendingHeaders(server, 'one', SPOOFED);
  expect((await call(server.port, { path: '/v1/logs', headers, body: BODY })).status).toBe(200);
  expect(await sendersOf(server, 'one')).toEqual([SEEN]);
});

test('a header of the same form on the connection of a stranger changes nothing', async () => {
  const headers = sendingHeaders(server, 'stranger', SPOOFED);
  noticeHeaders(headers);
  const status = await new Promise((resolve, reject) => {
    const target = { port: server.port, host: '127.0.0.1', localAddress: '127.0.0.2', path: '/v1/logs', headers };
    const sent = request({ ...target, method: 'POST', agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode));
    });
    sent.on('error', reject).end(BODY);
  });
  expect(status).toBe(200);
  expect(await sendersOf(server, 'stranger')).toEqual(['127.0.0.2']);
});

test('without the setting no header changes who a sender is', async () => {
  const headers = { ...sendingHeaders(plain, 'plain', SPOOFED), forwarded: 'for=203.0.113.8' };
  expect((await call(plain.port, { path: '/v1/logs', headers, body: BODY })).status).toBe(200);
  expect(await sendersOf(plain, 'plain')).toEqual(['127.0.0.1']);
});

test('senders that a proxy sends over one connection stay apart, over HTTP/1.1, HTTP/2 and gRPC', async () => {
  const raw = await connectRaw(server.port);
  for (const [nth, address] of ['203.0.113.1', '203.0.113.2', '203.0.113.1'].entries()) {
    const lines = Object.entries({ ...sendingHeaders(server, 'kept', address), host: 'x' });
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    raw.send(`POST /v1/logs HTTP/1.1\r\n${head}content-length: ${BODY.length}\r\n\r\n${BODY}`);
    await raw.until(new RegExp(`^(HTTP/1.1 200[^]*){${nth + 1}}$`));
  }
  raw.destroy();
  const h2 = await connectHttp2(server.url);
  for (const address of ['203.0.113.3', '203.0.113.4']) {
    const headers = sendingHeaders(server, 'h2', address);
    expect((await h2.call({ method: 'POST', path: '/v1/logs', headers, body: BODY })).status).toBe(200);
  }
  await h2.close();
  const grpc = new GrpcClient(server);
  for (const address of ['203.0.113.5', '203.0.113.6']) {
    const message = encodeOtlp('logs', otlpBody('logs', 'app'));
    expect((await grpc.call(EXPORT.logs, message, { 'x-forwarded-for': address })).code).toBe(0);
  }
  grpc.close();
  expect((await sendersOf(server, 'kept')).toSorted()).toEqual(['203.0.113.1', '203.0.113.2']);
  expect((await sendersOf(server, 'h2')).toSorted()).toEqual(['203.0.113.3', '203.0.113.4']);
  expect((await sendersOf(server, 'grpc')).toSorted()).toEqual(['203.0.113.5', '203.0.113.6']);
});

test('the audit log names the sender behind the proxy, of calls and of WebSockets', async () => {
  const refused = { 'x-forwarded-for': SPOOFED, 'x-correlation-id': 'audited-call' };
  expect((await call(server.port, { method: 'GET', path: '/v1/basins', headers: refused })).status).toBe(401);
  expect(await auditedSenders('audited-call')).toEqual([SEEN]);
  const headers = { 'x-forwarded-for': '203.0.113.9, 10.0.0.7', 'x-correlation-id': 'audited-reader' };
  const reader = new Reader(`${server.url.replace('http', 'ws')}/v1/streams/app/records`, [], { headers });
  expect((await reader.refused).status).toBe(401);
  expect(await auditedSenders('audited-reader')).toEqual([SEEN]);
});

test('who sends to a wrong path is told the address of the proxy, as the sender knows it', async () => {
  const advice = async (at: TestServer): Promise<string> => {
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'logs.example', 'content-type': JSON_TYPE };
    return (await call(at.port, { path: '/logs', headers, body: '{}' })).body.toString();
  };
  expect(await advice(server)).toContain('OTEL_EXPORTER_OTLP_ENDPOINT set https://logs.example without');
  expect(await advice(plain)).toContain(`OTEL_EXPORTER_OTLP_ENDPOINT set http://127.0.0.1:${plain.port} without`);
});

test('one sender behind a proxy cannot take the memory of the others', async () => {
  const open = await startServer({ args: ['--no-auth', '--trust-proxy', '1', '--memory-limit', '32MiB'] });
  const uploads: RawConnection[] = [];
  try {
    for (let i = 0; i < 32; i++) {
      const upload = await connectRaw(open.port);
      uploads.push(upload);
      const from = `x-forwarded-for: 203.0.113.1\r\ncontent-type: ${JSON_TYPE}`;
      upload.send(`POST /v1/logs HTTP/1.1\r\nhost: localhost\r\n${from}\r\ncontent-length: ${MiB}\r\n\r\n`);
      upload.send(Buffer.alloc(MiB - 1, ' '));
    }
    const statusFrom = async (address: string): Promise<number> => {
      const headers = { 'x-forwarded-for': `198.51.100.7, ${address}`, 'content-type': JSON_TYPE };
      return (await call(open.port, { path: '/v1/logs', headers, body: BODY.padEnd(MiB) })).status;
    };
    // Until what was sent has come.
    while ((await statusFrom('203.0.113.1')) !== 503) await new Promise((resolve) => setImmediate(resolve));
    expect(await statusFrom('203.0.113.2')).toBe(200);
  } finally {
    for (const upload of uploads) upload.destroy();
    await open.stop();
  }
});
