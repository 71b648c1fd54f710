/** The snippets of the page's Connect are the tested examples, names from a URL cannot harm a shell, and arrivals are told in words. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { ageText, arrivalsOf, baselineOf } from '../../src/page/connect/arrivals.ts';
import {
  claudeCodeVariables,
  collectorConfiguration,
  curlCommand,
  lambdaCollector,
  lambdaTemplate,
  vercelInstrumentation,
} from '../../src/page/connect/configurations.ts';
import { endpointFor, envText, type Fill, otelVariables, plainNameFault } from '../../src/page/connect/fill.ts';
import {
  DOTNET_PROGRAM,
  DOTNET_PROJECT,
  GO_PROGRAM,
  JAVA_PROGRAM,
  JAVA_PROJECT,
  NODE_PROGRAM,
  PYTHON_PROGRAM,
} from '../../src/page/connect/programs.ts';
import { WAYS } from '../../src/page/connect/ways.ts';
import type { SenderEntry, SendersPage } from '../../src/page/wire/senders.ts';

const FILL: Fill = {
  endpoint: 'http://127.0.0.1:4318',
  grpcEndpoint: undefined,
  stream: 'my-app',
  basin: undefined,
  token: { type: 'variable' },
};

const SNIPPETS: readonly (readonly [file: string, text: string])[] = [
  ['node/app.mjs', NODE_PROGRAM],
  ['python/app.py', PYTHON_PROGRAM],
  ['go/main.go', GO_PROGRAM],
  ['java/App.java', JAVA_PROGRAM],
  ['java/pom.xml', JAVA_PROJECT],
  ['dotnet/Program.cs', DOTNET_PROGRAM],
  ['dotnet/app.csproj', DOTNET_PROJECT],
  ['collector/config.yaml', collectorConfiguration(FILL)],
  ['vercel/instrumentation.ts', vercelInstrumentation(FILL)],
  ['lambda/template.yaml', lambdaTemplate(FILL)],
  ['lambda/collector.yaml', lambdaCollector(FILL)],
  ['claude-code/telemetry.sh', claudeCodeVariables({ ...FILL, stream: 'claude-code' })],
];

describe('snippets', () => {
  test.each(SNIPPETS)('what Connect shows of %s is in the example, line for line and in its order', (file, text) => {
    expect(missingLines(text, read(`scripts/examples/${file}`))).toEqual([]);
  });

  test('a line that the example does not have is found', () => {
    expect(missingLines(`${NODE_PROGRAM}\nawait sdk.stop();`, read('scripts/examples/node/app.mjs'))).toEqual([
      'await sdk.stop();',
    ]);
  });

  test('curl is that of README.md, and the variables are those of the examples', () => {
    const readme = read('README.md').replaceAll('$(cat data/root-token)', '$TAILRACE_TOKEN');
    expect(readme).toContain(curlCommand(FILL));
    expect(readme).toContain(envText(otelVariables(FILL), 'sh'));
  });

  test('every package that is installed is installed so in the examples', () => {
    const documents = read('README.md') + read('scripts/examples/README.md');
    const installs = WAYS.flatMap((way) => way.steps(FILL, 'sh')).filter(({ title }) => title === 'Install');
    expect(installs.length).toBeGreaterThan(2);
    expect(installs.map(({ text }) => text).filter((text) => !documents.includes(text))).toEqual([]);
  });

  test('a server that asks for no token gets none, and another basin is named in a header', () => {
    const open: Fill = { ...FILL, token: { type: 'none' }, basin: 'staging-1' };
    for (const way of WAYS) {
      const text = way
        .steps(open, 'sh')
        .map((step) => step.text)
        .join('\n');
      if (way.id === 'lambda') continue;
      expect([way.id, /Bearer/.test(text), /S2-Basin(: |=)staging-1/.test(text)]).toEqual([way.id, false, true]);
    }
  });

  test('gRPC has its own address, protocol and imports', () => {
    const grpc: Fill = { ...FILL, grpcEndpoint: 'http://127.0.0.1:4317' };
    const texts = WAYS.filter(({ canGrpc }) => canGrpc).map((way) =>
      way
        .steps(grpc, 'sh')
        .map((step) => step.text)
        .join('\n'),
    );
    for (const text of texts) {
      expect(text).toContain('OTEL_EXPORTER_OTLP_PROTOCOL=grpc');
      expect(text).toContain('=http://127.0.0.1:4317');
      expect(text).not.toMatch(/proto[.-]http|otlploghttp/);
    }
  });
});

describe('what a URL says', () => {
  test.each(['my-app', 'shop/eu:checkout_2', 'A.b'])('%s may be in a snippet', (name) => {
    expect(plainNameFault(name)).toBeUndefined();
  });

  test.each(['$(id)', 'a"b', "a'b", 'a b', 'a\nb', '`id`', '-x', 'a,b=c', 'a%20', '', 'a'.repeat(513)])(
    '%j may not be in a snippet, and the reason is said',
    (name) => {
      expect(plainNameFault(name)).toMatch(/\.$/);
    },
  );

  test('the address is that of the page, unless only this machine reaches it', () => {
    expect(endpointFor('http://127.0.0.1:4318', 'here')).toBe('http://127.0.0.1:4318');
    expect(endpointFor('http://127.0.0.1:4318', 'container')).toBe('http://host.docker.internal:4318');
    expect(endpointFor('http://[::1]:4318', 'machine')).toBe('http://THIS-MACHINE:4318');
    expect(endpointFor('https://logs.example', 'container')).toBe('https://logs.example');
    expect(endpointFor('https://logs.example', 'here', 4317)).toBe('https://logs.example:4317');
  });
});

describe('arrivals', () => {
  const sender: SenderEntry = {
    ...{ address: '127.0.0.1', user_agent: 'curl/8.5', service_names: ['my-app'], sdk: null, token: 'root' },
    ...{ basin: 'telemetry', streams: ['my-app'], protocols: ['http'], encodings: ['json'] },
    ...{ accepted: 3, rejected: 0, refused: 0, rejections: [], repairs: [], refusals: [], clock_skew_ms: 0 },
    signals: { logs: { requests: 3, accepted: 3, rejected: 0, last_seen: '2026-11-30T10:00:00.000Z' } },
    ...{ first_seen: '2026-11-30T10:00:00.000Z', last_seen: '2026-11-30T10:00:00.000Z' },
  };
  const page = (...senders: readonly SenderEntry[]): SendersPage => ({
    ...{ since: '2026-11-30T09:00:00.000Z', now: '2026-11-30T10:00:04.000Z', senders, has_more: false },
  });

  test('what came before is told as such, and only what came since is counted', () => {
    const before = page(sender);
    expect(arrivalsOf(before, baselineOf(before))).toMatchObject([
      { title: '3 log records from my-app, stored in my-app', isNew: false },
    ]);
    const traces = { requests: 1, accepted: 1, rejected: 0, last_seen: '2026-11-30T10:00:03.000Z' };
    const logs = { requests: 4, accepted: 15, rejected: 0, last_seen: '2026-11-30T10:00:02.000Z' };
    expect(arrivalsOf(page({ ...sender, signals: { logs, traces } }), baselineOf(before))).toMatchObject([
      {
        title: '12 log records and 1 span from my-app, stored in my-app',
        isNew: true,
        at: Date.parse(traces.last_seen),
      },
    ]);
  });

  test('a refusal is told with its status, the words of the server and what to do', () => {
    const refusals = [
      ...[
        {
          status: 401,
          code: 'authn',
          message: 'the token is not known here',
          path: '/v1/logs',
          signal: null,
          count: 1,
        },
      ],
    ].map((one) => ({ ...one, last_seen: '2026-11-30T10:00:01.000Z' }));
    const stranger = { ...sender, token: null, basin: null, streams: [], signals: {}, service_names: [], refusals };
    expect(arrivalsOf(page(stranger), new Map())).toMatchObject([
      {
        type: 'refused',
        title: '401 from 127.0.0.1 (curl/8.5)',
        message: 'the token is not known here',
        fix: expect.stringContaining('%20'),
      },
    ]);
  });

  test('ages are in whole seconds', () => {
    expect([0, 999, 1_999, 61_000].map(ageText)).toEqual(['just now', 'just now', '1 s ago', '1 min ago']);
  });
});

/** The lines of a snippet that are not in the file, or not in this order. The file may have more in between. */
function missingLines(snippet: string, file: string): readonly string[] {
  const lines = file.split('\n');
  let at = 0;
  return snippet.split('\n').filter((line) => {
    const found = lines.indexOf(line, at);
    if (found >= 0) at = found + 1;
    return found < 0;
  });
}

function read(file: string): string {
  return readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
}
