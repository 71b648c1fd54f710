/** `tailrace verify`: whether a store, or a backup, is sound. */

import path from 'node:path';
import type { Command } from 'commander';
import { TailraceError } from '../../src/model/error.ts';
import { addDataDirOption, dataDirOf, loadMaintenance, type MaintenanceOptions, printReport } from '../maintenance.ts';
import { withProgress } from '../print/progress.ts';

const EXAMPLES = `
It reads everything and changes nothing. The code is 0 when all is sound and 1 when it is not. The server of a data
directory must be stopped; to check one that runs, make a backup and verify that. In the directory of a node of a
cluster, the stores of all partitions are checked.

Examples:
  tailrace verify                           the store in ./data
  tailrace verify --data-dir restored
  tailrace verify tailrace.backup --json`;

export function addVerify(program: Command): void {
  const command = program
    .command('verify')
    .summary('check a store, or a backup, from end to end')
    .description(
      'Reads a data directory or a backup from end to end: checksums, order of records, rows that belong together.',
    )
    .argument('[file]', 'a backup; without it the data directory is verified');
  addDataDirOption(command)
    .option('--json', 'JSON instead of text')
    .addHelpText('after', EXAMPLES)
    .action((file: string | undefined, _options, self: Command) =>
      verify(file, self.optsWithGlobals<MaintenanceOptions>()),
    );
}

async function verify(file: string | undefined, options: MaintenanceOptions): Promise<void> {
  if (file !== undefined && options.dataDir !== undefined) {
    throw new TailraceError('config', 'verify a backup or a data directory, not both at once');
  }
  const { verify } = await loadMaintenance();
  const dataDir = dataDirOf(options);
  const report = await withProgress('verify', options, (progress) =>
    verify(file === undefined ? { dataDir } : { file }, progress.at),
  );
  await printReport(report, path.resolve(file ?? dataDir), options);
}
