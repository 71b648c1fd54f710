/**
 * `tailrace append` against a server that refuses: what is retried, and what is printed about the records that went in.
 */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type CliResult, runShell } from '../support/cli.ts';

interface Answer {
  readonly status: number;
  readonly json?: unknown;
}

let server: Server;
let answers: Answer[];
let bodies: string[];

beforeEach(async () => {
  bodies = [];
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { records } = JSON.parse(body) as { records: { body: string }[] };
    bodies.push(records.map((record) => Buffer.from(record.body, 'base64').toString()).join(','));
    const answer = answers.shift();
    if (answer === undefined || answer.status === 0) request.socket.destroy();
    else response.writeHead(answer.status).end(JSON.stringify(answer.json ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function append(lines: string): Promise<CliResult> {
  const { port } = server.address() as AddressInfo;
  const env = { TAILRACE_ENDPOINT: `http://127.0.0.1:${port}`, TAILRACE_TOKEN: 'x' };
  return runShell(`${lines} | tailrace append s --linger 1s`, { env });
}

const refusal = (status: number, code: string): Answer => ({ status, json: { code, message: 'not now' } });
const at = (seq: number) => ({ seq_num: seq, timestamp: 1 });
const ack = (from: number, to: number): Answer => ({
  status: 200,
  json: { start: at(from), end: at(to), tail: at(to) },
});

test('an append that certainly had no effect is retried, and reported once', async () => {
  answers = [refusal(429, 'rate_limited'), refusal(502, 'hot_server'), refusal(503, 'server_draining'), ack(0, 2)];
  const result = await append('seq 2');
  expect(result).toMatchObject({ code: 0 });
  expect(bodies).toEqual(['1,2', '1,2', '1,2', '1,2']);
  expect(result.stderr.match(/trying again/g)).toHaveLength(1);
});

test.each([
  [refusal(500, 'storage'), 75],
  [refusal(503, 'unavailable'), 75],
  [refusal(408, 'request_timeout'), 75],
  [{ status: 0 }, 75],
])('an append that may have had an effect is never repeated: %j', async (answer, code) => {
  answers = [ack(0, 1_000), answer];
  const result = await append('seq 1010');
  expect(result.code).toBe(code);
  expect(bodies).toHaveLength(2);
  expect(result.stderr).toContain('the first 1000 records of the input went in');
  expect(result.stderr).toContain('whether the next 10 records went in is not known');
});

test.each([
  [refusal(403, 'permission_denied'), 3],
  [refusal(422, 'invalid'), 1],
  [{ status: 412, json: { fencing_token_mismatch: 'other' } }, 5],
  [refusal(409, 'stream_deletion_pending'), 5],
])('a plain refusal is only reported: %j', async (answer, code) => {
  answers = [answer];
  const result = await append('seq 3');
  expect(result.code).toBe(code);
  expect(bodies).toHaveLength(1);
  expect(result.stderr).not.toContain('not known');
});
