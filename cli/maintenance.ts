/** What the commands that work on the data directory of a stopped server have in common. */

import type { Command } from 'commander';
import type { StoreReport } from '../src/index.ts';
import { EXIT } from './exit.ts';
import { openOutput, type ReporterOptions } from './print/console.ts';
import { counted, escapeControls, formatBytes, safeJson } from './print/format.ts';

export interface MaintenanceOptions extends ReporterOptions {
  readonly dataDir?: string;
  readonly json?: boolean;
}

/** Adds the flag that names the directory. */
export function addDataDirOption(command: Command): Command {
  return command.option('--data-dir <path>', 'directory that holds the store (TAILRACE_DATA_DIR; default data)');
}

/** The directory that the flag or the environment names. */
export function dataDirOf({ dataDir }: MaintenanceOptions, env: NodeJS.ProcessEnv = process.env): string {
  return dataDir ?? (env.TAILRACE_DATA_DIR || 'data');
}

/** The store's native code is loaded only by the commands that need it. */
export function loadMaintenance() {
  return import('../src/index.ts');
}

/** Prints JSON on one line with `--json`, else the text. */
export async function print(json: unknown, text: string, options: MaintenanceOptions): Promise<void> {
  const output = await openOutput(undefined, options);
  await output.write(`${options.json === true ? safeJson(json) : text}\n`);
  await output.end();
}

/** A report on stdout; faults make the command fail. */
export async function printReport(report: StoreReport, what: string, options: MaintenanceOptions): Promise<void> {
  await print(reportJson(report), reportText(report, what), options);
  if (report.faultCount > 0) process.exitCode = EXIT.failure;
}

export function reportText(report: StoreReport, what: string): string {
  const { partitions, basins, streams, records, meteredBytes, faultCount, faults } = report;
  const parts = [counted(basins, 'basin'), counted(streams, 'stream'), counted(records, 'record')];
  const several = partitions === undefined ? [] : [counted(partitions, 'partition')];
  const holds = [...several, ...parts, formatBytes(meteredBytes)].join(', ');
  const lines = faults.map(({ where, what: fault }) => escapeControls(`${where}: ${fault}`));
  const more = faultCount > faults.length ? [`and ${faultCount - faults.length} more`] : [];
  return [
    `${escapeControls(what)}: ${holds}; ${faultCount === 0 ? 'sound' : counted(faultCount, 'fault')}`,
    ...lines,
    ...more,
  ].join('\n');
}

export function reportJson(report: StoreReport) {
  const { format, partitions, basins, streams, blocks, records, meteredBytes, faultCount, faults } = report;
  return {
    format,
    partitions,
    basins,
    streams,
    blocks,
    records,
    metered_bytes: meteredBytes,
    fault_count: faultCount,
    faults,
  };
}
