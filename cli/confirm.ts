/** What the commands that remove something, or make a secret void, have in common: at a terminal they ask first, and `--dry-run` only tells. */

import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { TailraceError } from '../src/model/error.ts';
import type { CallContext, CommandOptions } from './call.ts';
import { EXIT } from './exit.ts';
import { escapeControls } from './print/format.ts';

export interface AskOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

export type RemovalOptions = CommandOptions & AskOptions;

/** What a command is about to do. */
export interface Removal {
  /** With a capital letter and without a full stop, such as `Delete s2://telemetry/web: 3 records`. */
  readonly text: string;
  /** More sentences that the user should know, one a line. */
  readonly notes?: readonly string[];
  readonly json: Readonly<Record<string, unknown>>;
}

/** Adds `--yes` and `--dry-run`. */
export function addRemovalOptions(command: Command): Command {
  return command
    .option('-y, --yes', 'do not ask; only a terminal is asked, a script never')
    .option('--dry-run', 'say what would be removed, and change nothing');
}

/**
 * Whether to go on. Looks up what would be removed only when that is printed.
 * @throws TailraceError what `look` throws; `config` at a terminal whose user would not see the question
 */
export async function confirmed(
  { print, reporter }: Pick<CallContext, 'print' | 'reporter'>,
  options: AskOptions,
  look: () => Promise<Removal>,
): Promise<boolean> {
  if (options.dryRun === true) {
    const { text, notes = [], json } = await look();
    const lines = [`nothing is changed; without --dry-run: ${text}`, ...notes];
    await print({ ...json, dry_run: true }, lines.map(escapeControls).join('\n'));
    return false;
  }
  if (options.yes === true || process.stdin.isTTY !== true) return true;
  if (process.stderr.isTTY !== true) {
    throw new TailraceError('config', 'it asks before it removes anything, but stderr is not the terminal: add --yes');
  }
  const { text, notes = [] } = await look();
  for (const line of [text, ...notes]) reporter.warn(line);
  if (await answeredYes('Go on? [y/N] ')) return true;
  reporter.warn('nothing was changed');
  process.exitCode = EXIT.failure;
  return false;
}

/** Only an explicit yes counts. */
function answeredYes(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  return new Promise((resolve) => {
    lines.once('SIGINT', () => {
      process.stderr.write('\n');
      process.exit(EXIT.interrupted);
    });
    lines.once('close', () => resolve(false));
    lines.question(question, (answer) => {
      resolve(/^y(es)?$/i.test(answer.trim()));
      lines.close();
    });
  });
}
