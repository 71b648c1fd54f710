/** `tailrace restore`: a data directory from a backup. */

import path from 'node:path';
import type { Command } from 'commander';
import { addDataDirOption, dataDirOf, loadMaintenance, type MaintenanceOptions, printReport } from '../maintenance.ts';
import { withProgress } from '../print/progress.ts';

const EXAMPLES = `
The whole file is checked first; then the directory holds all of it, or nothing. A backup holds no root token: the earlier
one still works, or \`tailrace serve --root-token-file\` makes a new one.

Examples:
  tailrace restore tailrace.backup --data-dir restored
  tailrace serve --data-dir restored`;

export function addRestore(program: Command): void {
  const command = program
    .command('restore')
    .summary('make a data directory from a backup')
    .description('Makes a data directory, which must be empty or missing, from a file that `tailrace backup` wrote.')
    .argument('<file>', 'the backup');
  addDataDirOption(command)
    .option('--json', 'JSON instead of text')
    .addHelpText('after', EXAMPLES)
    .action((file: string, _options, self: Command) => restore(file, self.optsWithGlobals<MaintenanceOptions>()));
}

async function restore(file: string, options: MaintenanceOptions): Promise<void> {
  const dataDir = dataDirOf(options);
  const { restore } = await loadMaintenance();
  const report = await withProgress('restore', options, (progress) => restore(file, dataDir, progress.at));
  await printReport(report, `restored ${path.resolve(dataDir)}`, options);
}
