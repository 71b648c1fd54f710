/** `tailrace bench` against a real server, and against one that loses, doubles, reorders and changes records. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Client, createClient } from '../../src/client/client.ts';
import { type Alteration, type AlteredRecord, startAlteringProxy } from '../support/altering-proxy.ts';
import { type CliResult, runCli, runShell, startCli } from '../support/cli.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { HAS_TERMINAL, runAtTerminal } from '../support/terminal.ts';

let server: TestServer;
let client: Client;

beforeAll(async () => {
  server = await startServer();
  client = createClient({ endpoint: server.url, token: server.token, basin: 'telemetry' });
});

afterAll(async () => {
  await server.stop();
});

/** Short, and little enough that a busy machine writes it in time. */
const SHORT = ['--duration', '300ms', '--rate', '0.5', '--record-size', '200'];
const bench = (...args: string[]): Promise<CliResult> => runCli(['bench', ...args], { server });
const report = ({ stdout }: CliResult) => JSON.parse(stdout) as Record<string, unknown>;

interface FaultJson {
  readonly kind: string;
  readonly count: number;
  readonly examples: readonly string[];
}

async function streams(): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { name, deletedAt } of client.listStreams()) if (deletedAt === undefined) names.push(name);
  return names;
}

describe('a server that does as it should', () => {
  test('is measured and verified, in a table, and the stream is gone afterwards', async () => {
    const result = await bench(...SHORT);
    expect(result).toMatchObject({ code: 0, stderr: expect.stringMatching(/^s2:\/\/telemetry\/bench-[0-9a-f]{12}: /) });
    expect(result.stdout.replace(/[\d.,]+/g, '#')).toMatch(
      /^ +MiB\/s +records\/s +records +p# +p# +p# +max\nappend( +#){3}( +# m?s){4}\ntail( +#){3}( +# m?s){4}\ncatch-up( +#){3}\n/,
    );
    expect(result.stdout).toContain(
      'verified: every record once, in order and unchanged, by the tail and the catch-up read',
    );
    expect(result.stdout).not.toContain('\x1b');
    expect(await streams()).toEqual([]);
  });

  test('is measured over several connections in OTLP requests, with the figures in JSON', async () => {
    const result = await bench(...SHORT, '--mode', 'otlp,tail,catchup', '--connections', '3', '--json');
    expect(result.code).toBe(0);
    const found = report(result);
    const figures = { records: expect.any(Number), bytes: expect.any(Number), seconds: expect.any(Number) };
    const rates = { mib_per_s: expect.any(Number), records_per_s: expect.any(Number) };
    const number = expect.any(Number);
    const latency = { latency_ms: { p50: number, p90: number, p99: number, max: number } };
    expect(found).toEqual({
      endpoint: server.url,
      basin: 'telemetry',
      stream: expect.stringMatching(/^bench-[0-9a-f]{12}$/),
      kept: false,
      protocol: 'otlp',
      duration_s: 0.3,
      record_bytes: 200,
      batch_records: expect.any(Number),
      connections: 3,
      rate_mib_per_s: 0.5,
      append: { ...figures, ...rates, ...latency },
      tail: { ...figures, ...rates, ...latency },
      catchup: { ...figures, ...rates },
      verified: true,
      interrupted: false,
      faults: [],
      client_cores: expect.any(Number),
      client_is_limit: expect.any(Boolean),
    });
    const { append, tail, catchup } = found as Record<'append' | 'tail' | 'catchup', { records: number }>;
    expect(append.records).toBeGreaterThan(0);
    expect([tail.records, catchup.records]).toEqual([append.records, append.records]);
  });

  test('keeps the stream with --keep, whose records are texts that a reader shows', async () => {
    const result = await bench('s2://telemetry/kept', ...SHORT, '--keep', '--mode', 'append', '--batch', '2', '--json');
    expect(report(result)).toMatchObject({ kept: true, batch_records: 2, tail: null, catchup: null, verified: false });
    const read = await runCli(['read', 'kept', '-s', '0', '-n', '1', '--format', 'text'], { server });
    expect(read.stdout.trim()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{12}-0000-0{12}-[\w-]+$/);
    const again = await bench('kept', ...SHORT);
    expect(again).toMatchObject({
      code: 5,
      stdout: '',
      stderr: expect.stringContaining('name one that does not exist'),
    });
    expect(await streams()).toEqual(['kept']);
    await client.deleteStream('kept');
  });
});

describe('the stream of a benchmark', () => {
  test('goes also after Ctrl-C, with the figures until then', async () => {
    const run = startCli(['bench', 's2://telemetry/cut', '--duration', '1h', '--rate', '1'], { server });
    await hasRecords('cut');
    const { code, stdout } = await run.stop('SIGINT');
    expect(code).toBe(130);
    expect(stdout).toMatch(/^append +\d/m);
    expect(stdout).toContain('interrupted: not verified to the end');
    expect(await streams()).toEqual([]);
  });

  test('goes also when the table has no reader', async () => {
    const { code } = await runShell(`tailrace bench ${SHORT.join(' ')} | true`, { server });
    expect(code).toBe(0);
    expect(await streams()).toEqual([]);
  });
});

describe('a terminal', () => {
  (HAS_TERMINAL ? test : test.skip)('shows its figures while it runs, on a terminal only', async () => {
    const { screen, code } = await runAtTerminal(['bench', ...SHORT], {
      prompt: 'never',
      typed: '',
      columns: 100,
      env: { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: server.token },
    });
    expect(code).toBe(0);
    expect(screen).toContain('\x1b[K');
    // What was shown is erased, then comes the table at the end.
    expect(screen.slice(screen.lastIndexOf('\x1b[J'))).toContain('verified: ');
  });
});

describe('a server that does not is told, with exit code 1:', () => {
  /** What becomes of a record, by its sequence number. */
  const alterations: Readonly<Record<number, (record: AlteredRecord) => readonly AlteredRecord[]>> = {
    2: () => [],
    12: (record) => [record, record],
    22: ({ seqNum, body }) => [{ seqNum, body: flipped(body) }],
    32: ({ seqNum, body }) => [{ seqNum, body: body.subarray(0, -1) }],
    42: ({ seqNum }) => [{ seqNum, body: Buffer.from('hello') }],
    52: ({ body }) => [{ seqNum: 57, body }],
  };
  /** All of them, and 62 comes behind 63. */
  const alterAll: Alteration = (records) => {
    const altered = records.flatMap((record) => alterations[record.seqNum]?.(record) ?? [record]);
    const at = altered.findIndex(({ seqNum }) => seqNum === 62);
    return at < 0
      ? altered
      : [...altered.slice(0, at), ...altered.slice(at, at + 2).reverse(), ...altered.slice(at + 2)];
  };

  /** Batches of a hundred, so that the first holds all records that are altered. */
  async function benchThrough(alter: Alteration, mode: string): Promise<CliResult> {
    const proxy = await startAlteringProxy(server.port, alter);
    const args = ['bench', ...SHORT, '--mode', mode, '--batch', '100', '--json'];
    const result = await runCli(args, { server, env: { TAILRACE_ENDPOINT: `http://127.0.0.1:${proxy.port}` } });
    proxy.close();
    return result;
  }

  test('records that are lost, doubled, reordered, changed, foreign and misnumbered, where they are', async () => {
    const result = await benchThrough(alterAll, 'append,tail,catchup');
    expect(result.code).toBe(1);
    const { verified, faults } = report(result);
    expect(verified).toBe(false);
    const examples = Object.fromEntries((faults as FaultJson[]).map((fault) => [fault.kind, fault.examples[0]]));
    expect(examples).toEqual({
      lost: 'tail: record 2 of writer 0',
      doubled: 'tail: record 12 of writer 0 came again at 12, after record 12',
      changed: 'tail: the record at 22 is not what was appended',
      foreign: 'tail: the record at 42 holds none of ours',
      misnumbered: 'tail: sequence number 57 came where 52 was due',
      reordered: 'tail: record 62 of writer 0 came at 62, after record 63',
    });
    const counts = Object.fromEntries((faults as FaultJson[]).map(({ kind, count }) => [kind, count]));
    // Of each reader: the one that is foreign is lost too, and after a wrong number or order the right one is unexpected.
    expect(counts).toEqual({ lost: 4, doubled: 2, changed: 4, foreign: 2, misnumbered: 6, reordered: 2 });
    expect(result.stderr).toMatch(/^tailrace: 4 lost \(acknowledged and not there\): tail: record 2 of writer 0/m);
    expect(await streams()).toEqual([]);
  });

  test('all records from one on that are lost', async () => {
    const result = await benchThrough((records) => records.filter(({ seqNum }) => seqNum < 9), 'append,catchup');
    expect(result).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/lost .*: catch-up: \d+ of records 9 to \d+/),
    });
  });
});

test('a server that is gone ends the benchmark with code 75, and the stream that is left is named', async () => {
  const proxy = await startAlteringProxy(server.port, (records) => records);
  const args = ['bench', 's2://telemetry/left', '--duration', '1h', '--rate', '1'];
  const run = startCli(args, { server, env: { TAILRACE_ENDPOINT: `http://127.0.0.1:${proxy.port}` } });
  await hasRecords('left');
  proxy.close();
  const { code, stderr } = await run.done;
  expect(code).toBe(75);
  expect(stderr).toContain('s2://telemetry/left is still there');
  await client.deleteStream('left');
});

test('a basin that does not exist is said, with one that does', async () => {
  const result = await bench('s2://telemetri', ...SHORT);
  expect(result).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining('there is s2://telemetry') });
});

/** Resolves when the stream has records. */
async function hasRecords(stream: string): Promise<void> {
  for (;;) {
    const tail = await client.checkTail(stream).catch(() => undefined);
    if (tail !== undefined && tail.seqNum > 0) return;
  }
}

function flipped(body: Buffer): Buffer {
  const changed = Buffer.from(body);
  changed.writeUInt8(changed.readUInt8(changed.length - 1) ^ 1, changed.length - 1);
  return changed;
}
