/**
 * The dashboard and the alert rules of `scripts/deploy`: they ask for nothing that a server does not tell, and Prometheus
 * understands them.
 */

import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { call, connectRaw } from '../support/http-call.ts';
import { parsePrometheus, type Sample } from '../support/prometheus.ts';
import { promtool, startPrometheus, testWithPrometheus } from '../support/prometheus-tools.ts';
import { startServer, type TestServer } from '../support/server.ts';

// biome-ignore lint/suspicious/noTemplateCurlyInString: it is how Grafana writes a variable
const DATA_SOURCE = '${datasource}';
const DEPLOY = fileURLToPath(new URL('../../scripts/deploy/', import.meta.url));

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

let server: TestServer;
let folder: string;
let samples: readonly Sample[];
let types: ReadonlyMap<string, string>;
let dashboard: { readonly schemaVersion: number; readonly panels: readonly Panel[]; readonly templating: unknown };
let rules: readonly Rule[];

beforeAll(async () => {
  dashboard = JSON.parse(await readFile(`${DEPLOY}grafana.json`, 'utf8'));
  const file = parse(await readFile(`${DEPLOY}alerts.yaml`, 'utf8')) as { groups: { rules: readonly Rule[] }[] };
  rules = file.groups.flatMap((group) => group.rules);
  folder = await mkdtemp(join(tmpdir(), 'tailrace-watching-'));
  server = await startServer({ args: ['--store-bytes-max', '1GiB'] });
  await traffic();
  const text = (await send('GET', '/metrics')).body.toString();
  samples = parsePrometheus(text);
  types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]));
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

function send(method: string, path: string, body?: unknown) {
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
  return call(server.port, {
    method,
    path,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** One of each: what is stored, rejected, read although OTLP does not allow it, refused, and read back. */
async function traffic(): Promise<void> {
  const logs = (stream: string, key: string) => ({
    resourceLogs: [
      {
        resource: { attributes: [{ key: 's2.stream', value: { stringValue: stream } }] },
        scopeLogs: [{ [key]: [{ timeUnixNano: '1700000000123456789', body: { stringValue: 'x' } }] }],
      },
    ],
  });
  expect((await send('POST', '/v1/logs', logs('app', 'logRecords'))).status).toBe(200);
  expect((await send('POST', '/v1/logs', logs('..', 'logRecords'))).status).toBe(200);
  expect((await send('POST', '/v1/logs', logs('app', 'log_records'))).status).toBe(200);
  expect((await send('POST', '/v1/logs', 'no object')).status).toBe(400);
  expect((await send('GET', '/v1/streams/app/records?seq_num=0')).status).toBe(200);
}

const expressions = (): readonly string[] => [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...rules.map(({ expr }) => expr),
];

/** Selectors of an expression: the name, and what its labels are compared with. */
function selectorsOf(expression: string): readonly { readonly name: string; readonly matchers: string }[] {
  const plain = expression.replaceAll(/\b(?:by|on|group_left|group_right|ignoring|without) ?\([^)]*\)/g, ' ');
  const found = plain.matchAll(/\b([a-z][a-z0-9]*_[a-z0-9_]+|up)\b(?! ?\()(?:\{([^}]*)\})?/g);
  return [...found].map(([, name = '', matchers = '']) => ({ name, matchers })).filter(({ name }) => !/^__/.test(name));
}

/** What an expression asks for that no server tells. */
function unknownIn(expression: string): readonly string[] {
  return selectorsOf(expression.replaceAll('[$__rate_interval]', '[5m]')).flatMap(({ name, matchers }) => {
    // Prometheus makes it itself.
    if (name === 'up') return [];
    const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    const isPart = family !== name;
    if (!types.has(family) || isPart !== (types.get(family) === 'histogram')) return [name];
    const pairs = [...matchers.matchAll(/(\w+)(!?=~?)"([^"]*)"/g)];
    return pairs
      .filter(([, label = '', , value = '']) => !isTold(name, label, value))
      .map(([pair]) => `${name} ${pair}`);
  });
}

function isTold(name: string, label: string, value: string): boolean {
  if (label === 'job' || label === 'instance') return true;
  const pattern = new RegExp(`^(?:${value})$`);
  return samples.some((sample) => sample.name === name && pattern.test(sample.labels[label] ?? ''));
}

describe('what the dashboard and the alerts ask for', () => {
  test('is told by a server: every metric, every label, and every value that is compared with one', () => {
    expect(expressions().length).toBeGreaterThan(40);
    for (const expression of expressions()) expect(selectorsOf(expression)).not.toEqual([]);
    expect(expressions().flatMap(unknownIn)).toEqual([]);
  });

  test.each([
    ['sum by (job) (rate(tailrace_wrong_total{job=~"$job"}[$__rate_interval]))', ['tailrace_wrong_total']],
    ['up == 0 and tailrace_store_state{state="broken"} == 1', ['tailrace_store_state state="broken"']],
    ['tailrace_recent_senders{how="refused"}', ['tailrace_recent_senders how="refused"']],
    // A histogram has no series of its own name, and a gauge has no buckets.
    ['rate(tailrace_commit_latency_seconds[5m])', ['tailrace_commit_latency_seconds']],
    ['tailrace_open_streams_count', ['tailrace_open_streams_count']],
  ])('would not be taken if it were: %s', (expression, unknown) => {
    expect(unknownIn(expression)).toEqual(unknown);
  });
});

describe('the dashboard', () => {
  test('is of a version that Grafana 11 and 12 read, and takes its data source from a variable', () => {
    expect(dashboard.schemaVersion).toBe(39);
    expect(dashboard.templating).toMatchObject({
      list: [
        { name: 'datasource', type: 'datasource', query: 'prometheus' },
        { name: 'job', query: { query: 'label_values(tailrace_build_info, job)' } },
        { name: 'instance', query: { query: 'label_values(tailrace_build_info{job=~"$job"}, instance)' } },
      ],
    });
    const targets = dashboard.panels.flatMap((panel) => panel.targets ?? []);
    expect(new Set(targets.map(({ datasource }) => datasource.uid))).toEqual(new Set([DATA_SOURCE]));
    for (const { expr } of targets) expect(expr).toContain('{job=~"$job",instance=~"$instance"');
  });

  test('has a row for ingest, durability, readers and resources, and no panel covers another', () => {
    const { panels } = dashboard;
    expect(panels.filter(({ type }) => type === 'row').map(({ title }) => title)).toEqual([
      'Ingest',
      'Durability',
      'Readers',
      'Resources',
    ]);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    for (const panel of panels.filter(({ type }) => type !== 'row')) expect(panel.description).toMatch(/\.$/);
  });
});

test('each alert says what is wrong, how bad that is, and what to do', () => {
  for (const { labels, annotations } of rules) {
    expect(labels.severity).toMatch(/^(critical|warning|info)$/);
    expect(annotations.summary).toMatch(/\w/);
    expect(annotations.description).toMatch(/\.$/);
  }
});

testWithPrometheus('promtool takes the alert rules, and their tests pass', async () => {
  const checked = promtool(['check', 'rules', 'alerts.yaml'], DEPLOY);
  expect(checked).toEqual({ ok: true, output: expect.stringContaining(`${rules.length} rules found`) });
  expect(promtool(['test', 'rules', 'alerts.test.yaml'], DEPLOY)).toMatchObject({ ok: true });
});

testWithPrometheus('the tests of the alert rules fail without one of them', async () => {
  const copy = join(folder, 'rules');
  await cp(DEPLOY, copy, { recursive: true });
  const text = await readFile(join(copy, 'alerts.yaml'), 'utf8');
  await writeFile(join(copy, 'alerts.yaml'), text.replace('alert: TailraceFilesShort', 'alert: Other'));
  expect(promtool(['test', 'rules', 'alerts.test.yaml'], copy)).toMatchObject({ ok: false });
});

testWithPrometheus(
  'Prometheus evaluates every expression, and every panel shows something of a real server',
  async () => {
    const reader = await connectRaw(server.port);
    const head = ['GET /v1/streams/app/records?seq_num=0 HTTP/1.1', 'Host: 127.0.0.1', 'Accept: text/event-stream'];
    reader.send(`${[...head, `Authorization: Bearer ${server.token}`].join('\r\n')}\r\n\r\n`);
    const prometheus = await startPrometheus(folder, server);
    try {
      // A rate needs two scrapes, and something that happens between them.
      do await traffic();
      while ((await prometheus.query('rate(tailrace_transaction_entries_count[1m]) > 0')).length === 0);
      for (const { title, targets = [] } of dashboard.panels) {
        for (const { expr } of targets) {
          const asked = expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$(?:job|instance)/g, '.*');
          expect([title, expr, (await prometheus.query(asked)).length]).not.toEqual([title, expr, 0]);
        }
      }
      for (const { expr } of rules) await prometheus.query(expr);
      await expect(prometheus.query('tailrace_build_info{')).rejects.toThrow('parse error');
    } finally {
      await prometheus.stop();
      reader.destroy();
    }
  },
);
