/**
 * Every example of every help runs against a real server and succeeds. They are found in the help of all commands: a new
 * command needs an example, and one that cannot run as it is needs a row in `test/support/example-rows.ts`.
 */

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Command } from 'commander';
import { addCommands } from '../../cli/all-commands.ts';
import { runShell } from '../support/cli.ts';
import { EXAMPLE_ROWS } from '../support/example-rows.ts';
import { startServer, type TestServer } from '../support/server.ts';

interface Help {
  readonly path: string;
  readonly examples: readonly string[];
}

/** A command that does not end is told like any other failure. */
const PRELUDE = `tailrace() { timeout 60 "$NODE" "$MAIN" "$@"; };
served() {
  rm -f out
  "$NODE" "$MAIN" serve "$@" > out & pid=$!
  until grep -qs listening out; do kill -0 $pid || return 1; sleep 0.1; done
  kill $pid; wait $pid
};`;

let server: TestServer;
let folder: string;
let helps: readonly Help[];

beforeAll(async () => {
  server = await startServer();
  folder = await mkdtemp(join(tmpdir(), 'tailrace-help-'));
  helps = await allHelps();
  const lines = Array.from({ length: 7 }, (_, i) => `{"body":"${i}"}`).join('\\n');
  const append = (stream: string) => `printf '${lines}\\n' | tailrace append ${stream} --format json`;
  const made = await runShell(`${append('my-app')} && ${append('copy')}`, { server });
  expect(made).toMatchObject({ code: 0 });
  for (const stream of ['shop', 'shop-eu', 'shop-us']) await sendTrace(stream);
});

/** Spans of one trace, a log of it among them being an error. */
async function sendTrace(stream: string): Promise<void> {
  const resource = { attributes: [{ key: 's2.stream', value: { stringValue: stream } }] };
  const ids = { traceId: '5b8aa5a2'.padEnd(32, '7') };
  const spans = Array.from({ length: 12 }, (_, i) => ({
    ...ids,
    spanId: String(i + 1).padStart(16, '0'),
    parentSpanId: i === 0 ? '' : '1'.padStart(16, '0'),
    name: `step ${i}`,
    startTimeUnixNano: `${Date.now() - 1_000}000000`,
    endTimeUnixNano: `${Date.now()}000000`,
  }));
  const log = { ...ids, severityNumber: 17, body: { stringValue: 'charge failed: timeout' } };
  const bodies = {
    traces: { resourceSpans: [{ resource, scopeSpans: [{ spans }] }] },
    logs: { resourceLogs: [{ resource, scopeLogs: [{ logRecords: [log] }] }] },
  };
  for (const [signal, body] of Object.entries(bodies)) {
    const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
    const url = `${server.url}/v1/${signal}`;
    expect(await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).toMatchObject({ status: 200 });
  }
}

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function allHelps(): Promise<readonly Help[]> {
  const program = new Command('tailrace');
  await addCommands(program, ['help', 'serve']);
  return program.commands
    .flatMap((command) => [command, ...command.createHelp().visibleCommands(command)])
    .filter((command) => command.name() !== 'help')
    .map((command) => ({ path: pathOf(command), examples: examplesIn(helpOf(command)) }));
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

function helpOf(command: Command): string {
  let text = '';
  const writeOut = (part: string): void => {
    text += part;
  };
  command.configureOutput({ writeOut, getOutHelpWidth: () => 200 }).outputHelp();
  return text;
}

/** The lines below "Examples:", without what is said about each, which stands behind two spaces. */
function examplesIn(help: string): readonly string[] {
  const lines = help
    .slice(help.search(/^Examples?:\n/m))
    .split('\n')
    .slice(1);
  const end = lines.indexOf('');
  const text = (/^Examples?:\n/m.test(help) ? lines.slice(0, end < 0 ? undefined : end) : []).join('\n');
  return text
    .replace(/ \\\n +/g, ' ')
    .split('\n')
    .map((line) => line.trim().replace(/(\S) {2,}\S.*$/, '$1'))
    .filter((line) => line !== '');
}

/** What is run for an example; undefined for one that is left out. */
function scriptOf(example: string, prepared: Set<string>): string | undefined {
  const rows = EXAMPLE_ROWS.filter(({ of }) => of.test(example));
  if (rows.some(({ leftOut }) => leftOut === true)) return undefined;
  const changes = rows.flatMap(({ instead = [] }) => instead);
  const line = changes.reduce((text, [part, by]) => text.replace(part, by), example);
  const before = rows.flatMap((row) => {
    if (row.before === undefined || (prepared.has(row.before) && row.isAlways !== true)) return [];
    prepared.add(row.before);
    return [row.before];
  });
  return [...before.map((text) => `{ ${text}; } > before.log 2>&1`), line].join(' && ');
}

test('every command and each of its verbs has an example', () => {
  const without = helps.filter(({ examples }) => examples.length === 0).map(({ path }) => path);
  expect({ without, how: 'addHelpText with lines below "Examples:"' }).toMatchObject({ without: [] });
});

test('every example runs and succeeds', async () => {
  const groups = groupedBy(
    new Set(helps.flatMap(({ examples }) => examples)),
    (example) => /tailrace (\S+)/.exec(example)?.[1] ?? '',
  );
  const left = [...groups];
  const failed: object[] = [];
  const work = async (): Promise<void> => {
    for (let group = left.shift(); group !== undefined; group = left.shift()) {
      const cwd = join(folder, group[0]);
      const prepared = new Set<string>();
      await mkdir(cwd);
      for (const example of group[1]) {
        const script = scriptOf(example, prepared);
        if (script === undefined) continue;
        const env = { XDG_CONFIG_HOME: cwd };
        const { code, stderr } = await runShell(`${PRELUDE} ${script}`, { server, cwd, env });
        if (code !== 0) failed.push({ example, script, code, stderr, how: 'a row in test/support/example-rows.ts' });
      }
    }
  };
  await Promise.all([work(), work(), work()]);
  expect(failed).toEqual([]);
}, 180_000);

test('every row about examples is needed', () => {
  const examples = helps.flatMap((help) => help.examples);
  const stale = EXAMPLE_ROWS.filter(({ of }) => !examples.some((example) => of.test(example)));
  expect(stale.map(({ of, reason }) => `${of}: ${reason}`)).toEqual([]);
});

function groupedBy(texts: Iterable<string>, nameOf: (text: string) => string): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  for (const text of texts) groups.set(nameOf(text), [...(groups.get(nameOf(text)) ?? []), text]);
  return groups;
}
