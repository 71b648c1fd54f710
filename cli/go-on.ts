/** The command that goes on where an interrupted `tail` or `read` stopped, for people who pressed Ctrl-C. */

import type { Command } from 'commander';
import { formatStreamUri } from './flags/names.ts';
import type { Follow } from './follow.ts';

/** Where it begins and how much it reads is said anew; a secret is not repeated, and a file would be overwritten. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  ...['seqNum', 'timestamp', 'ago', 'tailOffset', 'since', 'tail', 'clamp', 'lines'],
  ...['count', 'bytes', 'token', 'outputFile'],
]);

/** Says on a terminal how to go on, when something was read. */
export function sayHowToGoOn({ output, reporter, uri, progress }: Follow, command: Command): void {
  if (!output.isTty || progress.next === undefined) return;
  const target = quotedWord(formatStreamUri(uri));
  const words = ['tailrace', 'read', target, '-s', String(progress.next), ...keptFlags(process.argv.slice(2), command)];
  // The terminal shows ^C at the beginning of this line.
  reporter.note(`\ngo on with: ${words.join(' ')}`);
}

/** The flags among the arguments, as they were typed, without those that are said anew. */
function keptFlags(args: readonly string[], command: Command): readonly string[] {
  const options = [...command.options, ...(command.parent?.options ?? [])];
  const kept: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? '';
    if (!arg.startsWith('-') || arg === '-') continue;
    const isLong = arg.startsWith('--');
    const name = isLong ? arg.replace(/=.*/s, '') : arg.slice(0, 2);
    const option = options.find(({ long, short }) => long === name || short === name);
    const isAlone = option?.required === true && name === arg;
    const words = isAlone ? [arg, args[++i] ?? ''] : [arg];
    if (option !== undefined && !LEFT_OUT.has(option.attributeName())) kept.push(...words.map(quotedWord));
  }
  return kept;
}

/** A word as a shell reads it. */
function quotedWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
