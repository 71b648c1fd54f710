/** Compiles src, cli and scripts to dist/, makes one bundle of the command line and one of the web page, and writes the descriptions of the interface. The old dist/ stays as it is until the new one is complete. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { bundleCommandLine } from './bundle.mjs';
import { describe } from './describe.mjs';
import { buildPage } from './page.mjs';
import { ROOT, STAMP_NAME, sourcesFingerprint } from './prepare.mjs';

const TSC = path.join(ROOT, 'node_modules/typescript7/bin/tsc');

if (!existsSync(TSC)) {
  console.error('TypeScript is not installed: run `npm ci` first');
  process.exit(1);
}
// Beside dist/ and not in a temporary directory: a rename must not cross file systems.
const fresh = mkdtempSync(path.join(ROOT, 'dist.'));
process.exitCode = 1;
try {
  await build();
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

async function build() {
  // Taken before the compiler reads: a change made meanwhile makes the result stale, not wrong.
  const fingerprint = sourcesFingerprint();
  const args = [TSC, '-p', path.join(ROOT, 'tsconfig.build.json'), '--outDir', fresh];
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) return;
  const main = path.join(fresh, 'cli/main.js');
  if (!existsSync(main)) {
    console.error('cli/main.ts is missing');
    return;
  }
  await bundleCommandLine(fresh);
  await buildPage(fresh);
  await describe(fresh);
  chmodSync(fresh, 0o755);
  chmodSync(main, 0o755);
  writeFileSync(path.join(fresh, STAMP_NAME), `${fingerprint}\n`);
  const dist = path.join(ROOT, 'dist');
  rmSync(dist, { recursive: true, force: true });
  renameSync(fresh, dist);
  process.exitCode = 0;
}
