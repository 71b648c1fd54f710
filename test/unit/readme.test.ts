/** The READMEs say what the code says: settings, defaults, exit codes, close codes and exports. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { EXIT } from '../../cli/exit.ts';
import { shownDefault } from '../../cli/flags/settings.ts';
import { bannerText } from '../../cli/print/banner.ts';
import { SETTINGS } from '../../src/config.ts';
import {
  AUDIT_REFUSALS_PER_SECOND_MAX,
  CONNECTIONS_MAX,
  OTLP_LIMITS,
  SENDERS_MAX,
  STRANGERS_REMEMBERED_MAX,
  TOKENS_MAX,
} from '../../src/model/limits.ts';
import { ClusterMetrics } from '../../src/observe/cluster-metrics.ts';
import { Metrics } from '../../src/observe/metrics.ts';
import { SelfCounts } from '../../src/observe/self/self-telemetry.ts';
import { SUBPROTOCOLS } from '../../src/readers/encoders.ts';
import { CLOSE_CODES, CLOSE_DONE, CLOSE_NOT_ALLOWED } from '../../src/socket/close-codes.ts';
import { ClusterInMemory } from '../support/cluster-view.ts';
import { IDLE_SOURCES } from '../support/idle-sources.ts';

describe('src/settings/README.md', () => {
  const readme = read('src/settings/README.md');

  test.each(SETTINGS.map((setting) => [setting.env, setting] as const))('has the row of %s', (env, setting) => {
    const flag = setting.flag === undefined ? '–' : `\`--${setting.flag}\``;
    const standard = shownDefault(setting);
    const shown = standard === undefined ? '–' : `\`${standard}\``;
    expect(readme).toContain(`| ${flag} | \`${env}\` | ${shown} | ${setting.description} |`);
  });
});

describe('src/model/limits/README.md', () => {
  const readme = read('src/model/limits/README.md');

  test('shows limits as they are', () => {
    const MiB = 1024 * 1024;
    expect(readme).toContain(`| ${OTLP_LIMITS.wireBytesMax / MiB} MiB | \`--wire-bytes-max\` | 413 |`);
    expect(readme).toContain(`| ${OTLP_LIMITS.bodyBytesMax / MiB} MiB | \`--body-bytes-max\` | 413 |`);
    expect(readme).toContain(`| ${thousands(OTLP_LIMITS.requestRecordsMax)} | \`--request-records-max\` | 413 |`);
    expect(readme).toContain(`| connections | ${thousands(CONNECTIONS_MAX)} on each port |`);
    expect(readme).toContain(`| access tokens | ${thousands(TOKENS_MAX)} |`);
    expect(readme).toContain(`token | ${thousands(SENDERS_MAX)}; and ${STRANGERS_REMEMBERED_MAX} of their own |`);
    expect(readme).toContain(`| refusals in the audit log | ${AUDIT_REFUSALS_PER_SECOND_MAX} a second |`);
  });
});

test('src/observe/README.md names every metric', async () => {
  const metrics = new Metrics();
  metrics.watch(IDLE_SOURCES);
  metrics.add(new SelfCounts().metrics());
  const cluster = new ClusterInMemory(1);
  metrics.add(new ClusterMetrics({ state: () => cluster.state(), leaderChanges: () => 0, passedOver: () => 0 }).all);
  const names = [...(await metrics.text(() => true)).matchAll(/^# TYPE ((?:s2|tailrace)_\w+) /gm)].map(
    (line) => line[1],
  );
  const section = read('src/observe/README.md').split('\n## Metrics\n')[1]?.split('\n## ')[0] ?? '';
  const shown = [...section.matchAll(/`((?:s2|tailrace)_\w+)(?:\{[\w,]+\})?`/g)].map((code) => code[1]);
  expect([...shown].sort()).toEqual([...names].sort());
});

describe('cli/README.md', () => {
  const readme = read('cli/README.md');

  test('has every exit code', () => {
    for (const code of Object.values(EXIT)) expect(readme).toMatch(new RegExp(`^\\| ${code} \\| `, 'm'));
  });

  test('has no exit code that is not there', () => {
    const section = /\n## Exit codes\n([\s\S]*?)\n## /.exec(readme)?.[1] ?? '';
    const codes = [...section.matchAll(/^\| (\d+) \| /gm)].map((row) => Number(row[1]));
    expect(codes).toEqual([...new Set<number>(Object.values(EXIT))].sort((a, b) => a - b));
  });
});

describe('src/socket/README.md', () => {
  const readme = read('src/socket/README.md');

  test('has each close code with the errors that lead to it', () => {
    const section = readme.slice(readme.indexOf('\n## Close codes\n'));
    const rows = [...section.matchAll(/^\| (\d{4}) \| (.*?) \| /gm)];
    const shown = rows.map(([, code, errors = '']) => [
      Number(code),
      [...errors.matchAll(/`(\w+)`/g)].map((m) => m[1]),
    ]);
    const byCode = new Map<number, string[]>([
      [CLOSE_DONE, []],
      // For a reader that is connected; one that never was allowed has the code of its error.
      [CLOSE_NOT_ALLOWED, ['authn']],
    ]);
    for (const [error, code] of Object.entries(CLOSE_CODES)) byCode.set(code, [...(byCode.get(code) ?? []), error]);
    expect(shown).toEqual([...byCode].sort(([a], [b]) => a - b));
  });

  test('has each subprotocol', () => {
    const shown = [...readme.matchAll(/^\| `((?:s2|otlp|view)\.\w+)`/gm)].map((row) => row[1]);
    expect(shown).toEqual([...SUBPROTOCOLS.keys()]);
  });
});

test('README.md exports what the banner of the server exports', () => {
  const banner = bannerText({
    url: 'http://127.0.0.1:4318',
    grpcUrl: 'http://127.0.0.1:4317',
    dataDir: 'data',
    isNew: false,
    streams: 0,
    bytes: 0,
    auth: { type: 'file', file: 'data/root-token' },
    isDefault: true,
  });
  const exports = banner.split('\n').filter((line) => line.startsWith('export '));
  expect(exports).toHaveLength(5);
  expect(read('README.md')).toContain(`\`\`\`sh\n${exports.join('\n')}\n\`\`\``);
});

function read(file: string): string {
  return readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
}

function thousands(value: number): string {
  return value.toLocaleString('en-US');
}
