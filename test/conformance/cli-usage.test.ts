/** The command line without a server: help, wrong use, and servers that are not running. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { runCli } from '../support/cli.ts';

describe('help', () => {
  test.each([
    ['--help'],
    ['serve', '--help'],
    ['tail', '--help'],
    ['read', '--help'],
    ['ls', '--help'],
    ['send', '--help'],
    ['send', 'log', '--help'],
    ['send', 'span', '--help'],
    ['send', 'metric', '--help'],
  ])('has examples for %s %s', async (...args) => {
    const result = await runCli(args);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).toContain('Examples:');
  });

  test('shows the version', async () => {
    expect((await runCli(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('wrong use exits with code 2 and a hint:', () => {
  test.each([
    [['tial'], 'Did you mean tail?'],
    [['tail'], 'name a stream, such as my-app'],
    [['tail', 'x', '--lnes', '5'], 'Did you mean --lines?'],
    [['tail', 'x', '-n', 'ten'], 'whole number'],
    [['tail', 's2://telemetry'], 'the stream name is missing'],
    [['read', 'x', '-s', '1', '--ago', '1h'], 'only one of'],
    [['tail', 'x', '--view', 'text', '--format', 'json'], '--format is for raw records'],
    [['send', 'log', '--attr', 'x'], 'key=value'],
    [['ls', '--endpoint', 'ftp://x'], 'is not an http'],
    [['ls', '--token-file', '/nowhere/token'], 'cannot read the token file'],
    [['serve', '--port', '99999'], '--port'],
    [['serve', '--host', '0.0.0.0', '--no-auth'], 'loopback'],
  ])('%j', async (args, hint) => {
    const result = await runCli(args);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain(hint);
  });
});

describe('a server that does not respond as it should', () => {
  test('is code 75 when it is not running', async () => {
    for (const args of [['tail', 'x'], ['ls'], ['send', 'log']]) {
      const result = await runCli(args, { env: { TAILRACE_ENDPOINT: 'http://127.0.0.1:9' } });
      expect(result).toMatchObject({ code: 75, stdout: '' });
      expect(result.stderr).toContain('cannot reach http://127.0.0.1:9');
    }
  });

  test('makes send tell a partial success, a warning and a refusal apart', async () => {
    const answers = [
      { status: 200, body: '{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"no \\u001b[31mspace"}}' },
      { status: 200, body: '{"partialSuccess":{"errorMessage":"was cut"}}' },
      { status: 429, body: '{"code":14,"message":"slow down"}' },
    ];
    const receiver = createServer((request, response) => {
      request.resume().on('end', () => {
        const { status, body } = answers.shift() ?? { status: 500, body: '' };
        response.writeHead(status, { 'content-type': 'application/json' }).end(body);
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
    const send = () => runCli(['send', 'log', '--encoding', 'json', '--endpoint', endpoint]);
    try {
      const partial = await send();
      expect(partial.code).toBe(1);
      expect(partial.stdout).toContain('200 0 of 1 logs accepted');
      expect(partial.stderr).toContain('no \\x1b[31mspace');
      const warning = await send();
      expect(warning).toMatchObject({ code: 0 });
      expect(warning.stderr).toContain('was cut');
      const refused = await send();
      expect(refused).toMatchObject({ code: 75, stdout: '' });
      expect(refused.stderr).toContain('429: slow down');
    } finally {
      receiver.close();
    }
  });
});
