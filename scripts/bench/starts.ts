/** Bar S16: what a short command costs beyond Node itself, in processor time: the wall clock also counts other work. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startTailrace } from './processes.ts';
import { type BarResult, spread } from './report.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const STARTS = 9;

export async function startBars(runs: number, scale: number): Promise<BarResult[]> {
  const server = await startTailrace();
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-starts-'));
  const empty = join(folder, 'empty.mjs');
  writeFileSync(empty, '');
  const token = server.headers.authorization?.replace('Bearer ', '') ?? '';
  const env = { TAILRACE_ENDPOINT: `http://127.0.0.1:${server.port}`, TAILRACE_TOKEN: token };
  const starts = Math.max(1, Math.round(STARTS * scale));
  try {
    const commands = [['version'], ['ls'], ['ls', '--help'], ['--help']];
    return commands.map((args) => {
      const measured = Array.from({ length: runs }, () => ({
        node: processorSeconds([empty], starts, env),
        ours: processorSeconds([MAIN, ...args], starts, env),
      }));
      const median = (which: 'node' | 'ours') => spread(measured.map((run) => run[which] * 1_000)).median.toFixed(0);
      process.stderr.write(`S16: tailrace ${args.join(' ')} done\n`);
      return {
        bar: 'S16',
        what: `start of \`tailrace ${args.join(' ')}\`, processor time`,
        ours: `${median('ours')} ms`,
        reference: `node with an empty module: ${median('node')} ms`,
        ratio: spread(measured.map(({ ours, node }) => ours / node)),
        wanted: ['<=', 2.5],
      };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await server.stop();
  }
}

/** The smallest of several starts: what else runs on the machine only ever adds. */
function processorSeconds(args: readonly string[], starts: number, env: Readonly<Record<string, string>>): number {
  const script = 'TIMEFORMAT="%U %S"; time "$@" >/dev/null 2>&1';
  const times = Array.from({ length: starts }, () => {
    const options = { env: { ...process.env, ...env }, encoding: 'utf8' } as const;
    const text = execFileSync('bash', ['-c', `{ ${script}; } 2>&1`, 'bash', process.execPath, ...args], options);
    return text
      .trim()
      .split(' ')
      .reduce((sum, part) => sum + Number(part), 0);
  });
  return Math.min(...times);
}
