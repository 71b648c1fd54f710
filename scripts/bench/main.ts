/**
 * `npm run bench`: every bar, each beside its reference from the same run, and `RESULTS.md`.
 *
 * `--runs N` (5), `--scale S` shortens each run and makes stores smaller (1), `--only` names parts:
 * `codec,ingest,readers,filtered,latency,sessions,starts`,
 * `--write` keeps the tables. `stores` are measured only when they are named: at scale 1 they take 4 GB of disk and minutes; so
 * is `cluster`, which takes the program nats-server.
 */

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { clusterBars } from './cluster.ts';
import { codecBars } from './codec-bars.ts';
import { filterBars } from './filtered.ts';
import { ingestBars } from './ingest.ts';
import { latencyBar } from './latency.ts';
import { readerBars } from './readers.ts';
import { type BarResult, met, table } from './report.ts';
import { sessionBars } from './sessions.ts';
import { startBars } from './starts.ts';
import { storeBars } from './stores.ts';

const RESULTS = new URL('../../../scripts/bench/RESULTS.md', import.meta.url);

const PARTS = ['codec', 'ingest', 'readers', 'filtered', 'latency', 'sessions', 'starts', 'stores', 'cluster'];

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    scale: { type: 'string', default: '1' },
    only: { type: 'string', default: 'codec,ingest,readers,filtered,latency,sessions,starts' },
    write: { type: 'boolean', default: false },
  },
});
await main(Number(values.runs), Number(values.scale), values.only.split(','), values.write);

async function main(runs: number, scale: number, only: readonly string[], write: boolean): Promise<void> {
  const unknown = only.filter((part) => !PARTS.includes(part));
  // Without this a misspelt part would measure nothing, and every bar would be met.
  if (unknown.length > 0) throw new Error(`--only knows ${PARTS.join(', ')}; it was given ${unknown.join(', ')}`);
  const bars: BarResult[] = [];
  let shapes: readonly string[] = [];
  let jsonReference = Number.NaN;
  if (only.includes('codec')) {
    const codec = await codecBars(runs);
    bars.push(...codec.bars);
    jsonReference = codec.jsonReference;
  }
  if (only.includes('ingest')) {
    const ingest = await ingestBars(runs, scale, jsonReference);
    bars.push(...ingest.bars);
    shapes = ingest.shapes;
  }
  if (only.includes('readers')) bars.push(...(await readerBars(runs, scale)));
  if (only.includes('filtered')) bars.push(...(await filterBars(runs, scale)));
  if (only.includes('latency')) bars.push(await latencyBar(runs, scale));
  if (only.includes('sessions')) bars.push(...(await sessionBars(runs, scale)));
  if (only.includes('starts')) bars.push(...(await startBars(runs, scale)));
  if (only.includes('stores')) bars.push(...(await storeBars(runs, scale)));
  if (only.includes('cluster')) bars.push(...(await clusterBars(runs, scale)));
  bars.sort((a, b) => Number.parseInt(a.bar.slice(1), 10) - Number.parseInt(b.bar.slice(1), 10));
  const report = render(bars, shapes, runs, scale);
  process.stdout.write(report);
  if (write) writeFileSync(RESULTS, report);
}

function render(bars: readonly BarResult[], shapes: readonly string[], runs: number, scale: number): string {
  const missed = bars.filter((bar) => !met(bar)).map((bar) => `${bar.bar} (${bar.what})`);
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  return [
    '# Results of `npm run bench`',
    '',
    `${new Date().toISOString().slice(0, 10)}, commit ${commit}, ${machine}; client and server share the processors; median of ${runs} runs (least–most), scale ${scale}.`,
    'Ratios count, not absolute figures: each stands beside a reference from the same run.',
    'The tables define the bars S1 to S23: what is measured, its reference, and the ratio that meets the bar.',
    '',
    table(bars),
    '',
    missed.length === 0 ? 'Every bar is met.' : `Not met: ${missed.join('; ')}.`,
    ...(shapes.length === 0 ? [] : ['', '## Other shapes (no bar; nothing is tuned to one shape)', '', ...shapes]),
    '',
  ].join('\n');
}
