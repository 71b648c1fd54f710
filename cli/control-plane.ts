/** What the commands for basins and for streams have in common: their verbs, flags of lists, and how entries look. */

import type { Command } from 'commander';
import type { ProvisionResponse } from '../src/client/control.ts';
import { addJsonOption, type CommandOptions } from './call.ts';
import { wholeNumber } from './flags/arguments.ts';
import { addConnectionOptions } from './flags/connection.ts';
import { type Colors, escapeControls } from './print/format.ts';

/** One action on a basin or a stream: its help texts, and what it does. */
export interface Verb<Target, Options> {
  readonly summary: string;
  readonly description: string;
  /** What follows the verb in the example. */
  readonly example: string;
  /** Adds the flags that only it has. */
  readonly flags?: (command: Command) => Command;
  readonly act: (target: Target, options: Options) => Promise<void>;
}

/** Adds the verbs of `tailrace basins` or `tailrace streams`, each with its target and the flags of all calls. */
export function addVerbs<Target, Options extends CommandOptions>(
  group: Command,
  target: { readonly argument: string; readonly description: string; readonly parse: (text: string) => Target },
  verbs: Readonly<Record<string, Verb<Target, Options>>>,
): void {
  for (const [name, { summary, description, example, flags, act }] of Object.entries(verbs)) {
    const command = group
      .command(name)
      .summary(summary)
      .description(description)
      .argument(target.argument, target.description)
      .addHelpText('after', `\nExample:\n  tailrace ${group.name()} ${name} ${example}`);
    flags?.(command);
    addJsonOption(command);
    addConnectionOptions(command).action((text: string, _options, self: Command) =>
      act(target.parse(text), self.optsWithGlobals<Options>()),
    );
  }
}

export interface ListCommandOptions {
  readonly prefix?: string;
  readonly startAfter?: string;
  readonly limit?: number;
}

/** Adds the flags of a list, by the names of S2's command line. */
export function addListOptions(command: Command): Command {
  command
    .optionsGroup('Which ones:')
    .option('-p, --prefix <prefix>', 'only names that start with this')
    .option('-s, --start-after <name>', 'only names after this one')
    .option('-n, --limit <count>', 'at most this many', wholeNumber);
  return addJsonOption(command, 'one JSON object a line');
}

/** The first `limit` entries; all without a limit. Does not ask for the entries after them. */
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
export function provisionText(result: ProvisionResponse<unknown>['result'], uri: string): string {
  return `${result === 'noop' ? 'unchanged' : result} ${escapeControls(uri)}`;
}
