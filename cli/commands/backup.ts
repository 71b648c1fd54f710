/** `tailrace backup`: everything in a store as it is now, into one file, while its server goes on or when it is stopped. */

import { type Command, InvalidArgumentError } from 'commander';
import { TailraceError } from '../../src/model/error.ts';
import { type CommandOptions, callServer } from '../call.ts';
import { EXIT } from '../exit.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { deleteOldBackups, newBackup } from '../kept-backups.ts';
import { loadMaintenance, reportJson, reportText } from '../maintenance.ts';
import { type Output, openOutput } from '../print/console.ts';
import { counted, formatBytes, safeJson } from '../print/format.ts';
import { type Progress, withProgress } from '../print/progress.ts';

interface BackupOptions extends CommandOptions {
  readonly to?: string;
  readonly keep?: number;
  readonly verify?: boolean;
  readonly dataDir?: string;
}

const KEEP_MAX = 10_000;

const EXAMPLES = `
The file gets its name when it is complete and checked; an older file of that name is replaced. It holds everything but
the root token, so keep it safe. Making one needs the root token.

With --to each backup gets a name with its time, and --keep deletes old ones when the new one is there; a backup that
fails, or in which --verify finds a fault, deletes none and ends with a code other than 0, which a timer notices. Use one
folder for each server.

With --data-dir it copies the directory of a server that is stopped, or of a node whose cluster is lost, and needs no token:
restored, it is a server of its own. In the directory of a node, the stores of all partitions become one.

Examples:
  tailrace backup tailrace.backup
  tailrace backup - | ssh elsewhere 'cat > tailrace.backup'
  tailrace backup --to backups --keep 14 --verify
  tailrace backup lost.backup --data-dir data
  tailrace restore tailrace.backup --data-dir restored`;

export function addBackup(program: Command): void {
  const command = program
    .command('backup')
    .summary('copy the whole store of a server into a file')
    .description('Copies everything that a server stores at this moment into one file; the server goes on meanwhile.')
    .argument('[file]', 'where to; - is stdout')
    .option('--to <folder>', 'in place of a file: a folder, in which the file is named by its time')
    .option('--keep <count>', 'with --to: how many backups stay there, the newest ones (default: all)', parseCount)
    .option('--verify', 'read the backup from end to end when it is there, as `tailrace verify` does')
    .option('--data-dir <path>', 'copy this directory, which no server uses, in place of calling a server')
    .option('--json', 'JSON instead of text')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(command).action((file: string | undefined, _options, self: Command) =>
    backup(file, self.optsWithGlobals<BackupOptions>()),
  );
}

async function backup(file: string | undefined, options: BackupOptions): Promise<void> {
  expectOneTarget(file, options);
  const { dataDir } = options;
  if (dataDir === undefined) {
    return callServer(options, {}, ({ client, output }) => save(client.backup(), file, options, output));
  }
  const { backupOf } = await loadMaintenance();
  const output = await openOutput(undefined, options);
  await backupOf(dataDir, (parts) => save(parts, file, options, output));
  await output.end();
}

async function save(
  parts: AsyncIterable<Uint8Array>,
  file: string | undefined,
  options: BackupOptions,
  output: Output,
): Promise<void> {
  if (file === '-') return withProgress('backup', options, (progress) => toStdout(parts, output, progress));
  const { saveBackup, verify } = await loadMaintenance();
  const target = file ?? (await newBackup(options.to ?? '', Date.now()));
  const { bytes, rows } = await withProgress('backup', options, (progress) => saveBackup(parts, target, progress.at));
  const report =
    options.verify === true
      ? await withProgress('verify', options, (progress) => verify({ file: target }, progress.at))
      : undefined;
  const isSound = report === undefined || report.faultCount === 0;
  // Where the new one has faults, an old one may be the last that has none.
  const left =
    options.to !== undefined && options.keep !== undefined && isSound
      ? await deleteOldBackups(options.to, options.keep, Date.now())
      : undefined;
  const json = {
    ...{ file: target, bytes, rows },
    ...(report === undefined ? {} : { verified: reportJson(report) }),
    ...(left === undefined ? {} : { kept: left.kept, deleted: left.deleted }),
  };
  const lines = [
    report === undefined ? `${target}: ${formatBytes(bytes)}` : reportText(report, `${target}: ${formatBytes(bytes)}`),
    ...(left === undefined ? [] : [`${counted(left.kept, 'backup')} kept, ${left.deleted.length} deleted`]),
  ];
  await output.write(`${options.json === true ? safeJson(json) : lines.join('\n')}\n`);
  if (!isSound) process.exitCode = EXIT.failure;
}

/** @throws TailraceError `config` */
function expectOneTarget(
  file: string | undefined,
  { to, keep, verify, dataDir, endpoint, tokenFile }: BackupOptions,
): void {
  const faults: readonly (readonly [boolean, string])[] = [
    [file === undefined && to === undefined, 'name a file for the backup, or a folder with --to'],
    [file !== undefined && to !== undefined, 'name a file or a folder with --to, not both'],
    [to === undefined && keep !== undefined, '--keep is for backups that --to names by their time: use both'],
    [file === '-' && verify === true, '--verify reads a file, and - is none: verify it where the pipe ends'],
    [
      dataDir !== undefined && (endpoint ?? tokenFile) !== undefined,
      'name a server with --endpoint, or a directory that no server uses with --data-dir, not both',
    ],
  ];
  const [, fault] = faults.find(([isSo]) => isSo) ?? [];
  if (fault !== undefined) throw new TailraceError('config', fault);
}

function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= KEEP_MAX) return count;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${KEEP_MAX}.`);
}

async function toStdout(parts: AsyncIterable<Uint8Array>, output: Output, progress: Progress): Promise<void> {
  if (output.isTty) throw new TailraceError('config', 'a backup is not for a terminal: name a file, or use a pipe');
  let bytes = 0;
  for await (const part of parts) {
    await output.write(part);
    bytes += part.length;
    progress.at(bytes);
  }
}
