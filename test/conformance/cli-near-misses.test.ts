/** Each thing that users of other tools type is taken, or the message names what it is called here; none is just refused. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type CliResult, runCli, runShell } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
  const lines = 'one\\ntwo\\nthree\\nfour\\nfive\\nsix\\n';
  expect((await runShell(`printf '${lines}' | tailrace append shop`, { server })).code).toBe(0);
});

afterAll(async () => {
  await server.stop();
});

/** The rows, a few at a time; one that hangs fails, since each ends by itself. */
async function each<Row extends readonly [typed: string, ...unknown[]]>(
  rows: readonly Row[],
  check: (row: Row, result: CliResult) => void,
): Promise<void> {
  const left = [...rows];
  const work = async (): Promise<void> => {
    for (let row = left.shift(); row !== undefined; row = left.shift()) {
      check(row, await runShell(`tailrace ${row[0]}`, { server }));
    }
  };
  await Promise.all([work(), work(), work()]);
}

const wordsIn = ({ stdout }: CliResult): string => (stdout.match(/\b(one|two|three|four|five|six)\b/g) ?? []).join(' ');
const LAST_TWO = 'five six';

test('what docker, kubectl, journalctl and S2 call something is taken', async () => {
  await each(
    [
      ['logs shop --tail 2', LAST_TWO],
      ['logs shop -n 2 --no-color', LAST_TWO],
      ['logs -f shop --tail 2 | head -2', LAST_TWO],
      ['tail -n2 shop --no-follow', LAST_TWO],
      ['tail -2 shop --no-follow', LAST_TWO],
      ['tail --lines=2 shop --follow=false', LAST_TWO],
      ['tail -F shop -n 2 | head -2', LAST_TWO],
      ['tail -fn 2 shop | head -2', LAST_TWO],
      ['tail -u shop -n 2 --no-follow', LAST_TWO],
      ['tail shop --tail 2 -o json --no-follow', LAST_TWO],
      ['tail shop --tail 2 -o=json --no-follow', LAST_TWO],
      ['tail shop --tail 2 -ologfmt --no-follow', LAST_TWO],
      ['--no-color tail shop -n 2 --no-follow', LAST_TWO],
      ['--color never logs shop --tail 2', LAST_TWO],
      ['read shop --since 1h -n 2', 'one two'],
      ['read shop --tail 2 --follow=false', LAST_TWO],
    ] as const,
    ([typed, words], result) => {
      expect({ typed, ...result, words: wordsIn(result) }).toMatchObject({ typed, stderr: '', words });
    },
  );
});

test('help and the version come wherever they are asked for', async () => {
  await each(
    [
      ['help tail', 'Usage: tailrace tail'],
      ['help streams list', 'Usage: tailrace streams list'],
      ['tail shop --lines 5 --help', 'Usage: tailrace tail'],
      ['logs --help', 'Usage: tailrace tail'],
      ['streams list -h', 'Usage: tailrace streams list'],
      ['run --help', 'Usage: tailrace run'],
      ['version', ''],
      ['-v', ''],
    ] as const,
    ([typed, words], result) => {
      expect({ typed, ...result }).toMatchObject({ typed, code: 0, stdout: expect.stringContaining(words) });
      if (words === '') expect(result.stdout).toMatch(/\d+\.\d+\.\d+/);
    },
  );
});

test('what is called otherwise here is refused with our name of it', async () => {
  await each(
    [
      ['log shop', '`tailrace tail <stream>`'],
      ['journalctl -u shop', '`tailrace tail <stream>`'],
      ['ps', '`tailrace streams list`'],
      ['inspect shop', '`tailrace streams get <stream>`'],
      ['exec node app.js', '`tailrace run -- <command>`'],
      ['tail shop --url http://127.0.0.1:1', '(here it is --endpoint <url>)'],
      ['read shop --api-key x', '(here it is --token-file <file> or TAILRACE_TOKEN)'],
      ['tail shop --namespace x', '(here it is s2://<basin>/<stream> as the name)'],
      ['tail shop --timestamps', '(here it is --time <style>)'],
      ['tail shop -o jsonl', 'text, wide, logfmt, json'],
      ['tail shop --since soon', '2026-01-31T12:00:00Z'],
      ['tail shop --lnes 5', 'Did you mean --lines?'],
      ['read shop --no-folow', 'Did you mean --no-follow?'],
      ['tial shop', 'Did you mean tail?'],
      ['streams lst', 'Did you mean list?'],
    ] as const,
    ([typed, ours], result) => {
      expect({ typed, ...result }).toMatchObject({ typed, code: 2, stdout: '', stderr: expect.stringContaining(ours) });
    },
  );
});

test('what is behind -- is not ours, nor a word that is only called like a command', async () => {
  const [run, logs] = await Promise.all([
    runCli(['run', '--no-tail', '--', 'echo', 'logs', '-5', '--no-color'], { server }),
    runCli(['ls', 's2://telemetry/logs'], { server }),
  ]);
  expect(run).toMatchObject({ code: 0, stdout: 'logs -5 --no-color\n' });
  expect(logs).toMatchObject({ code: 0, stderr: expect.stringContaining('no streams with the prefix logs') });
});
