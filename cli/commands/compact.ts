/** `tailrace compact`: gives space that a store has freed back to the disk. */

import type { Command } from 'commander';
import { addDataDirOption, dataDirOf, loadMaintenance, type MaintenanceOptions, print } from '../maintenance.ts';
import { formatBytes } from '../print/format.ts';
import { withProgress } from '../print/progress.ts';

interface CompactOptions extends MaintenanceOptions {
  readonly to?: string;
}

const EXAMPLES = `
A store uses freed space again by itself; this makes its file smaller. The server must be stopped, and the disk must have
space for a copy. If this is interrupted, the store is either as it was or compacted. In the directory of a node of a
cluster, the stores of all partitions are compacted.

Examples:
  tailrace compact                               the store in ./data
  tailrace compact --data-dir data --to smaller  a copy in another directory, the old one stays as it is`;

export function addCompact(program: Command): void {
  const command = program
    .command('compact')
    .summary('make the file of a store smaller')
    .description('Writes a store again without its freed space.');
  addDataDirOption(command)
    .option('--to <path>', 'write the copy into this directory, which must be empty or missing')
    .option('--json', 'JSON instead of text')
    .addHelpText('after', EXAMPLES)
    .action((_options, self: Command) => compact(self.optsWithGlobals<CompactOptions>()));
}

async function compact(options: CompactOptions): Promise<void> {
  const { to } = options;
  const { compact } = await loadMaintenance();
  const { file, bytesBefore, bytesAfter } = await withProgress('compact', options, (progress) =>
    compact(dataDirOf(options), to === undefined ? {} : { to }, progress.at),
  );
  const json = { file, bytes_before: bytesBefore, bytes_after: bytesAfter };
  await print(json, `${file}: ${formatBytes(bytesBefore)} → ${formatBytes(bytesAfter)}`, options);
}
