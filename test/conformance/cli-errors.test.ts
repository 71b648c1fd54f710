/** The messages and exit codes of the command line when something is wrong; and its help. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CliResult, runCli } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
  await run('streams', 'create', 'near');
});

afterAll(async () => {
  await server.stop();
});

const run = (...args: string[]): Promise<CliResult> => runCli(args, { server });

describe('a wrong command', () => {
  test.each([
    [['basins', 'get', 'telemetri'], 4, '(there is s2://telemetry)'],
    [['streams', 'list', 's2://telemetri'], 4, '(there is s2://telemetry)'],
    [['streams', 'get', 's2://telemetri/near'], 4, '(there is s2://telemetry/near)'],
    [['streams', 'get', 'neaar'], 4, '(there is s2://telemetry/near'],
    [['streams', 'delete', 'neaar'], 4, '(there is s2://telemetry/near'],
    [['check-tail', 'neaar'], 4, '(there is s2://telemetry/near'],
    [['ls', 's2://telemetri'], 4, '(there is s2://telemetry)'],
    [['tail', 's2://telemetri/near'], 4, '(there is s2://telemetry/near)'],
    [['read', 'neaar', '-s', '0'], 4, '(there is s2://telemetry/near'],
    [['streams', 'create', 'near'], 5, 'already exists'],
    [['basins', 'create', 'telemetry'], 5, 'already exists'],
    [['basins', 'creat', 'x'], 2, 'Did you mean create?'],
    [['stream'], 2, 'here it is `tailrace streams`'],
    [['tokns'], 2, 'Did you mean tokens?'],
    [['create-basin', 'x'], 2, 'here it is `tailrace basins create`'],
    [['basins', 'create', 'x'], 2, 'basin name must be 8 to 48 bytes long'],
    [['basins', 'create', 's2://good-name/with-stream'], 2, 'write s2://good-name'],
    [['basins', 'reconfigure', 'telemetry'], 2, 'nothing to change'],
    [['streams', 'reconfigure', 'near'], 2, 'nothing to change'],
    [['streams', 'reconfigure', 'near', '--unset', 'colour'], 2, '"colour" is not one of storage-class'],
    [['streams', 'reconfigure', 'near', '--unset', 'stream-cipher'], 2, 'is not one of'],
    [['streams', 'reconfigure', 'near', '--retention-policy', '1d', '--unset', 'retention-policy'], 2, 'contradict'],
    [['streams', 'create', 'x', '--retention-policy', '0s'], 2, 'longer than 0 seconds'],
    [['streams', 'create', 'x', '--retention-policy', '1500ms'], 2, 'whole seconds'],
    [['streams', 'create', 'x', '--retention-bytes', '10X'], 2, '512MiB'],
    [['streams', 'create', 'x', '--storage-class', 'cold'], 2, 'standard, express'],
    [['streams', 'create', 'x', '--timestamping-uncapped', 'yes'], 2, 'true or false'],
    [['basins', 'create', 'good-name', '--stream-cipher', 'rot13'], 2, 'aes-256-gcm'],
  ])('%j exits with code %i', async (args, code, words) => {
    const result = await run(...args);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toContain(words);
  });

  test('on a basin that is being deleted exits with code 5', async () => {
    await run('basins', 'create', 'going-away');
    const deleted = await run('basins', 'delete', 'going-away');
    expect(deleted.code).toBe(0);
    const again = await run('streams', 'create', 's2://going-away/x');
    // It is either still being deleted, or already gone.
    expect([4, 5]).toContain(again.code);
  });

  test('on a server that is not running exits with code 75, and says where it connected', async () => {
    const result = await runCli(['basins', 'list'], { env: { TAILRACE_ENDPOINT: 'http://127.0.0.1:1' } });
    expect(result).toMatchObject({ code: 75, stdout: '' });
    expect(result.stderr).toContain('(from TAILRACE_ENDPOINT)');
  });

  test('with a wrong token exits with code 3, for each command', async () => {
    for (const args of [
      ['basins', 'list'],
      ['basins', 'create', 'good-name'],
      ['streams', 'get', 'near'],
    ]) {
      const result = await runCli(args, { server, env: { TAILRACE_TOKEN: 'trk_wrong' } });
      expect(result).toMatchObject({ code: 3, stdout: '' });
      expect(result.stderr).not.toContain('trk_wrong');
    }
  });
});

describe('help is printed', () => {
  test.each([
    [['--help'], ['basins', 'streams', 'append', 'check-tail', 'fence', 'trim', 'metrics', 'backup', 'verify']],
    [
      ['basins', '--help'],
      ['list', 'create', 'get', 'ensure', 'reconfigure', 'delete', 'Examples:'],
    ],
    [
      ['streams', 'create', '--help'],
      ['--retention-policy', '--delete-on-empty-min-age', '--endpoint'],
    ],
    [
      ['basins', 'reconfigure', '--help'],
      ['--unset', 'stream-cipher', '--no-create-stream-on-append'],
    ],
    [
      ['append', '--help'],
      ['--fencing-token', '--match-seq-num', '--linger', '--encryption-key-file', 'Examples:'],
    ],
    [
      ['metrics', '--help'],
      ['active-basins', 'append-throughput', '--start-ago', 'Examples:'],
    ],
  ])('for %j', async (args, words) => {
    const result = await run(...args);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    for (const word of words) expect(result.stdout).toContain(word);
  });
});
