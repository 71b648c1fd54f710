/**
 * `npm test`: installs and builds when that is needed, then everything that CI runs.
 *
 *   npm test                       all checks, all tests
 *   npm test -- test/unit -t name  these arguments go to jest, and the checks are left out
 *
 * A run of all tests takes its random values from one seed, or from TAILRACE_TEST_SEED, and draws a share of the cases,
 * or TAILRACE_TEST_SHARE of them; a run of some has a new seed and draws all.
 *
 * The last line of stdout is `N passed, N failed`. It counts tests, from jest's own result; a check that failed, a test
 * file that could not run and a run without any test count as failed too.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { runChecks } from './check.mjs';
import { ensureBuilt, ensureInstalled, ROOT, say } from './prepare.mjs';

/** How long jest may take to end after its report. */
const EXIT_GRACE_MS = 10_000;
const SEED = '20261121';
const SHARE = '0.3';

const selection = process.argv.slice(2);

// Until the end is reached, any way out is a failure that says so.
let verdict = '0 passed, 1 failed';
process.exitCode = 1;
process.on('exit', () => console.log(verdict));

ensureInstalled();
ensureBuilt();
const failedChecks = selection.length === 0 ? await runChecks() : 0;
conclude(failedChecks, await runJest());

async function runJest() {
  say('running the tests');
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tailrace-test-'));
  try {
    const report = path.join(folder, 'jest.json');
    const status = await spawnJest(report);
    return { status, result: JSON.parse(readFileSync(report, 'utf8')) };
  } catch (error) {
    say(`jest left no result: ${error.message}`);
    return { status: 1, result: { numPassedTests: 0, numFailedTests: 0, numRuntimeErrorTestSuites: 0 } };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Resolves with jest's exit code. A jest that has written its report and does not end is killed, which is a failure. */
async function spawnJest(report) {
  const jest = path.join(ROOT, 'node_modules/jest/bin/jest.js');
  const args = ['-c', 'scripts/jest.config.mjs', '--maxWorkers=3', '--json', `--outputFile=${report}`, ...selection];
  const nodeOptions = [process.env.NODE_OPTIONS, '--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const child = spawn(process.execPath, [jest, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...(selection.length === 0 ? { TAILRACE_TEST_SEED: SEED, TAILRACE_TEST_SHARE: SHARE } : {}),
      ...process.env,
      NODE_OPTIONS: nodeOptions.filter(Boolean).join(' '),
    },
  });
  let reported;
  const watch = setInterval(() => {
    reported ??= existsSync(report) ? Date.now() : undefined;
    if (reported === undefined || Date.now() - reported < EXIT_GRACE_MS) return;
    say('jest has finished but does not exit: a test left something open');
    child.kill('SIGKILL');
  }, 1000);
  const [code] = await once(child, 'exit');
  clearInterval(watch);
  return code ?? 1;
}

function conclude(failedChecks, { status, result }) {
  const passed = result.numPassedTests;
  const skipped = (result.numPendingTests ?? 0) + (result.numTodoTests ?? 0);
  let failed = result.numFailedTests + result.numRuntimeErrorTestSuites + failedChecks;
  if (failed === 0 && (status !== 0 || passed === 0)) {
    say(passed === 0 ? 'no test ran' : `jest ended with exit code ${status}`);
    failed = 1;
  }
  if (failedChecks > 0) say(`${failedChecks} of the failures are checks: see above, or npm run check`);
  verdict = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  process.exitCode = failed === 0 ? 0 : 1;
}
