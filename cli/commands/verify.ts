/** `tailrace verify`: whether a store, or a backup, is sound. */

import path from 'node:path';
import { type Command, Option } from 'commander';
import { TailraceError } from '../../src/model/error.ts';
import { addDataDirOption, dataDirOf, loadMaintenance, type MaintenanceOptions, printReport } from '../maintenance.ts';
import { withProgress } from '../print/progress.ts';
import { runChild } from '../run/child.ts';

interface VerifyOptions extends MaintenanceOptions {
  readonly inProcess?: true;
}

/** How a process ends that follows pages which lead nowhere. */
const CRASHES: ReadonlySet<NodeJS.Signals | undefined> = new Set([
  ...(['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 'SIGTRAP'] as const),
]);

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
    .addOption(new Option('--in-process').hideHelp())
    .addHelpText('after', EXAMPLES)
    .action((file: string | undefined, _options, self: Command) => verify(file, self.optsWithGlobals<VerifyOptions>()));
}

async function verify(file: string | undefined, options: VerifyOptions): Promise<void> {
  if (file !== undefined && options.dataDir !== undefined) {
    throw new TailraceError('config', 'verify a backup or a data directory, not both at once');
  }
  const dataDir = dataDirOf(options);
  if (file === undefined && options.inProcess !== true) return verifyInChild(dataDir);
  const { verify } = await loadMaintenance();
  const report = await withProgress('verify', options, (progress) =>
    verify(file === undefined ? { dataDir } : { file }, progress.at),
  );
  await printReport(report, path.resolve(file ?? dataDir), options);
}

/** Damage can make the store's native code end its process, which then says nothing. @throws TailraceError `corrupt` */
async function verifyInChild(dataDir: string): Promise<void> {
  const [program = '', ...words] = process.argv.slice(1);
  const end = words.includes('--') ? words.indexOf('--') : words.length;
  const args = [program, ...words.slice(0, end), '--in-process', ...words.slice(end)];
  const { code, signal, fault } = await runChild([process.execPath, ...process.execArgv, ...args], process.env);
  if (fault !== undefined) throw new TailraceError('internal', fault);
  if (CRASHES.has(signal)) {
    throw new TailraceError(
      'corrupt',
      `the store in ${dataDir} is damaged: what holds its rows together leads nowhere, and reading it ended the process ` +
        `(${signal}). Restore a backup; a node of a cluster takes a copy when its data directory is gone`,
    );
  }
  process.exitCode = code;
}
