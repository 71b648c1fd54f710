/**
 * `npm run check`: everything that can be known without running the server.
 *
 * One line per step; the whole output of the steps that failed; exit code 1 when any did.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled, ROOT } from './prepare.mjs';

/** Longest first: two run at a time. */
const STEPS = [
  {
    // No layer is in test/: the compiler resolves its imports, and the linter finds its cycles.
    name: 'import rules',
    command: [
      'dependency-cruiser/bin/dependency-cruise.mjs',
      '--config=scripts/import-rules.mjs',
      '--output-type=err-long',
      ...['src', 'cli', 'scripts'],
    ],
  },
  {
    name: 'format and lint',
    command: ['@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '--max-diagnostics=none', '.'],
  },
  { name: 'types', command: ['typescript7/bin/tsc', '--noEmit'] },
  { name: 'dead code', command: ['knip/bin/knip.js', '--no-progress', '--treat-config-hints-as-errors'] },
  {
    name: 'types of the tests of the page',
    command: ['typescript7/bin/tsc', '--noEmit', '-p', 'test/page/tsconfig.json'],
  },
  { name: 'types of the page', command: ['typescript7/bin/tsc', '--noEmit', '-p', 'src/page/tsconfig.json'] },
  { name: 'generated files', script: 'scripts/generate-proto.mjs', args: ['--check'] },
  { name: 'command reference', script: 'scripts/generate-cli-readme.mjs', args: ['--check'] },
  { name: 'package', script: 'scripts/package-rules.mjs', args: [] },
  { name: 'lock file', script: 'scripts/complete-lock.mjs', args: ['--check'] },
  { name: 'house rules', script: 'scripts/house-rules.mjs', args: [] },
];

/** Runs all steps and resolves with how many failed. */
export async function runChecks() {
  const waiting = [...STEPS];
  let failed = 0;
  const lane = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      if (!(await run(step))) failed++;
    }
  };
  await Promise.all([lane(), lane()]);
  return failed;
}

async function run(step) {
  const started = performance.now();
  const args = step.command
    ? [path.join(ROOT, 'node_modules', step.command[0]), ...step.command.slice(1)]
    : [step.script, ...step.args];
  const { code, output } = await capture(args);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${step.name} (${seconds} s)`);
  if (code !== 0 || output.startsWith('skipped')) console.log(output.trimEnd().replaceAll(/^/gm, '    '));
  return code === 0;
}

function capture(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks = [];
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    child.on('error', (error) => resolve({ code: 1, output: String(error) }));
    child.on('close', (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  ensureInstalled();
  const failed = await runChecks();
  console.log(failed === 0 ? 'all checks passed' : `${failed} of ${STEPS.length} checks failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
