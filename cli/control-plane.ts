/** What the commands for basins and for streams have in common: flags of lists, and how entries look. */

import type { Command } from 'commander';
import type { Provisioned } from '../src/client/control.ts';
import { wholeNumber } from './arguments.ts';
import { addJsonOption } from './call.ts';
import { type Colors, escapeControls } from './format.ts';

export interface ListOptions {
  readonly prefix?: string;
  readonly startAfter?: string;
  readonly limit?: number;
}

/** Adds the flags of a list, by the names of S2's command line. */
export function addListOptions(command: Command): Command {
  command
    .optionsGroup('Which ones:')
    .option('-p, --prefix <prefix>', 'only names that start with this')
    .option('-s, --start-after <name>', 'only names behind this one')
    .option('-n, --limit <count>', 'at most so many', wholeNumber);
  return addJsonOption(command, 'one JSON object a line');
}

/** The first so many; all without a limit. What comes behind them is not even asked for. */
export async function* upTo<T>(limit: number | undefined, entries: AsyncIterable<T>): AsyncGenerator<T> {
  let left = limit ?? Number.POSITIVE_INFINITY;
  if (left === 0) return;
  for await (const entry of entries) {
    yield entry;
    left -= 1;
    if (left === 0) return;
  }
}

/** A line of a list. */
export function listedText(
  uri: string,
  { createdAt, deletedAt }: { readonly createdAt: string | undefined; readonly deletedAt: string | undefined },
  colors: Colors,
): string {
  const deleting = deletedAt === undefined ? '' : colors.red(' [deleting]');
  return `${colors.green(escapeControls(createdAt ?? '-').padEnd(24))}  ${escapeControls(uri)}${deleting}`;
}

/** What a create or ensure did, in words. */
export function provisionText(result: Provisioned<unknown>['result'], uri: string): string {
  return `${result === 'noop' ? 'unchanged' : result} ${escapeControls(uri)}`;
}
