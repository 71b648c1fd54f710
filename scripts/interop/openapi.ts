/** schemathesis makes up requests from /openapi.json, legal ones and wrong ones, and finds no answer that it does not describe. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expectThat, report } from './report.ts';
import { RestartableServer } from './restartable-server.ts';
import { built, needPrograms, run as start } from './tool-chain.ts';

const PACKAGE = 'schemathesis==4.32.5';

/** What it says of answers: what else it may ask is about taste, such as whether unknown fields are refused. */
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
];

/** A seed, so that a finding comes again; `TAILRACE_TEST_SEED` chooses another. */
const SEED = process.env.TAILRACE_TEST_SEED ?? '1';

/** The end of what it writes holds its findings. */
const SAID_CHARS = 20_000;

export async function run(): Promise<void> {
  needPrograms('python3');
  const folder = await built('openapi', { package: PACKAGE }, (step) => {
    step('python3', '-m', 'venv', 'environment');
    step('environment/bin/pip', 'install', '--quiet', PACKAGE);
  });
  const file = path.join(folder, 'environment/bin/schemathesis');
  const server = await RestartableServer.start();
  // It leaves folders of its own where it runs.
  const work = mkdtempSync(path.join(tmpdir(), 'tailrace-openapi-'));
  try {
    const { code, output } = await start(
      {
        file: 'env',
        args: ['-C', work, file, 'run', `http://127.0.0.1:${server.port}/openapi.json`, ...flags(server.token)],
      },
      {},
    ).ended;
    const [cases = 'all cases'] = /[\d,]+ generated.*/.exec(output) ?? [];
    expectThat(code === 0, `every answer is one that is described:\n${output.slice(-SAID_CHARS)}`);
    report(`openapi: ${cases.trim()}`);
  } finally {
    await server.stop();
    rmSync(work, { recursive: true, force: true });
  }
}

function flags(token: string): readonly string[] {
  return [
    ...['--header', `Authorization: Bearer ${token}`, '--checks', CHECKS.join(',')],
    ...['--phases', 'examples,coverage,fuzzing', '--max-examples', '30', '--seed', SEED],
    // Its answer is events without an end.
    ...['--exclude-path', '/v1/records'],
    // A read may wait for records for a minute.
    ...['--request-timeout', '90', '--continue-on-failure', '--no-color'],
  ];
}
