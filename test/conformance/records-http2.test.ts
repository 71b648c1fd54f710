/** Records over HTTP/2 without TLS, as the Rust SDK and the S2 CLI use it: many calls on one connection. */

import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type JsonAck, type JsonBatch, RecordsClient } from '../support/records-calls.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let s2: RecordsClient;
let session: ClientHttp2Session;

beforeAll(async () => {
  server = await startServer();
  s2 = new RecordsClient(server);
  session = connect(server.url);
});

afterAll(async () => {
  session.destroy();
  await server.stop();
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function open(method: string, path: string, headers: Record<string, string> = {}) {
  return session.request({ ':method': method, ':path': path, ...s2.headers(headers) });
}

function call(method: string, path: string, headers: Record<string, string> = {}, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = open(method, path, headers);
    let text = '';
    let status = 0;
    let answered: IncomingHttpHeaders = {};
    stream.setEncoding('utf8');
    stream.on('response', (head) => {
      status = head[':status'] ?? 0;
      answered = head;
    });
    stream.on('data', (chunk: string) => {
      text += chunk;
    });
    stream.on('error', reject);
    stream.on('end', () => resolve({ status, headers: answered, body: text }));
    stream.end(body);
  });
}

const JSON_TYPE = { 'content-type': 'application/json' };

function append(stream: string, ...bodies: readonly string[]): Promise<Answer> {
  const body = JSON.stringify({ records: bodies.map((text) => ({ body: text })) });
  return call('POST', s2.path(stream), JSON_TYPE, body);
}

describe('unary calls over HTTP/2', () => {
  test('append, read and check the tail', async () => {
    const appended = await append('one', 'a', 'b');
    expect([appended.status, appended.headers['content-type']]).toEqual([200, 'application/json']);
    const ack = JSON.parse(appended.body) as JsonAck;
    const read = await call('GET', s2.path('one', '?seq_num=0'));
    expect((JSON.parse(read.body) as JsonBatch).records.map(({ body }) => body)).toEqual(['a', 'b']);
    const tail = await call('GET', `${s2.path('one')}/tail`);
    expect(JSON.parse(tail.body)).toEqual({ tail: ack.tail });
  });

  test('run a hundred appends and reads at once', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => append('crowd', String(i))));
    const starts = answers.map(({ body }) => (JSON.parse(body) as JsonAck).start.seq_num);
    expect(starts.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    const reads = await Promise.all(starts.map((seq) => call('GET', s2.path('crowd', `?seq_num=${seq}&count=1`))));
    const bodies = reads.map(({ body }) => (JSON.parse(body) as JsonBatch).records[0]?.body);
    expect(new Set(bodies).size).toBe(100);
  });

  test('have the status and the JSON of their refusal', async () => {
    const one = '{"records":[{}],"match_seq_num":5}';
    const mismatch = await call('POST', s2.path('refused'), JSON_TYPE, one);
    expect([mismatch.status, mismatch.body]).toEqual([412, '{"seq_num_mismatch":0}']);
    const bad = await call('POST', s2.path('refused'), JSON_TYPE, '{');
    expect([bad.status, JSON.parse(bad.body)]).toMatchObject([400, { code: 'bad_json' }]);
    const long = await call('POST', s2.path('refused'), JSON_TYPE, ' '.repeat(9 * 1_048_576));
    expect([long.status, JSON.parse(long.body)]).toMatchObject([400, { code: 'bad_json' }]);
    const beyond = await call('GET', s2.path('crowd', '?seq_num=100'));
    expect([beyond.status, JSON.parse(beyond.body)]).toMatchObject([416, { tail: { seq_num: 100 } }]);
  });

  test('carry a large batch in one piece, both ways', async () => {
    const body = 'x'.repeat(1_048_568);
    expect((await append('large', body)).status).toBe(200);
    const read = await call('GET', s2.path('large', '?seq_num=0'));
    expect((JSON.parse(read.body) as JsonBatch).records[0]?.body).toBe(body);
  });
});

describe('server-sent events over HTTP/2', () => {
  const SSE = { accept: 'text/event-stream' };

  test('end cleanly when the read is bounded', async () => {
    await append('events', 'a', 'b', 'c');
    const { status, headers, body } = await call('GET', s2.path('events', '?seq_num=1&count=2'), SSE);
    expect([status, headers['content-type']]).toEqual([200, 'text/event-stream']);
    expect(body).toMatch(/^event: batch\nid: 2,2,18\ndata: \{.*\}\n\ndata: \[DONE\]\n\n$/);
  });

  test('share a connection with appends, and a reset of one stream does not affect the others', async () => {
    await append('live', 'first');
    const follow = () => {
      const stream = open('GET', s2.path('live', '?count=1&wait=60'), SSE);
      stream.setEncoding('utf8');
      let text = '';
      let check = (): void => {};
      stream.on('data', (chunk: string) => {
        text += chunk;
        check();
      });
      const until = (pattern: RegExp) =>
        new Promise<string>((resolve) => {
          check = () => {
            if (pattern.test(text)) resolve(text);
          };
          check();
        });
      return { stream, until, text: () => text };
    };
    const followers = [follow(), follow(), follow()] as const;
    await Promise.all(followers.map(({ until }) => until(/event: ping\n.*\n\n/)));
    followers[0].stream.close();
    await append('live', 'second');
    for (const { until } of followers.slice(1)) {
      expect(await until(/\[DONE\]\n\n$/)).toContain('"body":"second"');
    }
    expect(followers[0].text()).not.toContain('second');
    expect((await append('live', 'third')).status).toBe(200);
  });
});
