/** The command that goes on where an interrupted `tail` or `read` stopped, for people who pressed Ctrl-C. */

import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { formatStreamUri } from './flags/names.ts';
import { resumeText } from './flags/resume.ts';
import { type StreamSet, targetWords } from './flags/stream-target.ts';
import type { Follow } from './follow.ts';
import type { ManyProgress } from './many/print-many.ts';
import type { RecordReading } from './record-sink.ts';

/** Where it begins and how much it reads is said anew; a secret is not repeated, and a file would be overwritten. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  ...['seqNum', 'timestamp', 'ago', 'tailOffset', 'since', 'tail', 'clamp', 'lines', 'resume'],
  ...['count', 'bytes', 'token', 'outputFile'],
]);
/** Longer positions are a file: a terminal takes lines of 4 KiB, and more than this is hard to copy. */
const RESUME_CHARS_MAX = 1_000;

/** Says on a terminal how to go on, when something was read. */
export function sayHowToGoOn({ output, reporter, uri, progress }: Follow, command: Command): void {
  if (!output.isTty || progress.next === undefined) return;
  say(reporter, [formatStreamUri(uri), '-s', String(progress.next)], command);
}

/** The same for many streams. Where their positions are too long for a command line, they are written to a file. */
export async function sayHowToGoOnInMany(
  { output, reporter }: RecordReading,
  set: StreamSet,
  progress: ManyProgress,
  command: Command,
): Promise<void> {
  if (!output.isTty || progress.size === 0) return;
  const text = resumeText(progress);
  let resume = text;
  if (text.length > RESUME_CHARS_MAX) {
    resume = path.join(tmpdir(), `tailrace-${randomBytes(6).toString('hex')}.json`);
    await writeFile(resume, `${text}\n`, { mode: 0o600, flag: 'wx' });
  }
  say(reporter, [...targetWords(set), '--resume', resume], command);
}

function say(reporter: RecordReading['reporter'], words: readonly string[], command: Command): void {
  const all = ['tailrace', 'read', ...words.map(quotedWord), ...keptFlags(process.argv.slice(2), command)];
  // The terminal shows ^C at the beginning of this line.
  reporter.note(`\ngo on with: ${all.join(' ')}`);
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
export function quotedWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
