/** `tailrace senders`: who sends OTLP data and who is refused, and why. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import type { SenderJson, SendersJson, SendersRequestOptions } from '../../src/client/senders.ts';
import { TailraceError } from '../../src/model/error.ts';
import { type CallContext, type CommandOptions, callServer } from '../call.ts';
import { EXIT } from '../exit.ts';
import { wholeNumber } from '../flags/arguments.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { parseBasinUri } from '../flags/names.ts';
import { untilInterrupted } from '../follow.ts';
import { watchPipe } from '../print/console.ts';
import { safeJson } from '../print/format.ts';
import { createSenderPrinter } from '../print/sender.ts';
import { sendersSeen } from '../senders-seen.ts';

interface SendersCommandOptions extends CommandOptions {
  readonly follow?: true;
  readonly output?: SendersOutput;
  readonly limit?: number;
}

const OUTPUTS = ['text', 'wide', 'json'] as const;
type SendersOutput = (typeof OUTPUTS)[number];

const LOOK_MS = 1_000;

const EXAMPLES = `
Requests with a wrong path or without a valid token count too. The server remembers since it started, not before.

Examples:
  tailrace senders
  tailrace senders s2://telemetry -o wide   with token, streams and User-Agent
  tailrace senders -f                       and then each one that sends`;

export function addSenders(program: Command): void {
  const command = program
    .command('senders')
    .summary('show who sends data, and why some are refused')
    .description('Shows who sends OTLP data, what was stored of it, what was rejected or refused and why, and the fix.')
    .argument('[basin]', 's2://basin (default: all that the token may know)')
    .option('-f, --follow', 'go on with each one that sends')
    .option('-n, --limit <count>', 'at most this many, those that sent last', wholeNumber)
    .optionsGroup('Output:')
    .addOption(new Option('-o, --output <format>', 'what it looks like (default: text)').choices(OUTPUTS))
    .option('--json', 'short for --output json: one JSON object a line')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(command).action((basin: string | undefined, _options, self: Command) =>
    senders(basin, self.optsWithGlobals<SendersCommandOptions>()),
  );
}

async function senders(name: string | undefined, options: SendersCommandOptions): Promise<void> {
  const basin = name === undefined ? undefined : parseBasinUri(name).basin;
  const format = formatOf(options);
  const signal = options.follow === true ? untilInterrupted() : undefined;
  await callServer(options, { basin }, async (context) => {
    watchPipe();
    const print = printerOf(format, context);
    const asked = { basin, limit: options.limit, signal };
    const seen = await sendersSeen(context.client, asked);
    // Where lines follow, the newest is the last.
    await print(signal === undefined ? seen.senders : [...seen.senders].reverse(), seen.now);
    if (seen.senders.length === 0) context.reporter.note(nothingText(seen));
    else if (seen.has_more) context.reporter.note('there are more, which sent before these');
    if (signal !== undefined) await follow(seen, asked, signal, context, print);
  });
  if (signal?.aborted === true) process.exitCode = EXIT.interrupted;
}

/** @throws TailraceError `config` for flags that contradict each other */
function formatOf({ output, json }: SendersCommandOptions): SendersOutput {
  if (json !== true) return output ?? 'text';
  if (output === undefined || output === 'json') return 'json';
  throw new TailraceError('config', `--json is short for --output json; it contradicts --output ${output}`);
}

type Print = (senders: readonly SenderJson[], now: string) => Promise<void>;

function printerOf(format: SendersOutput, { output }: CallContext): Print {
  if (format === 'json') return (rows) => output.write(rows.map((row) => `${safeJson(row)}\n`).join(''));
  const table = createSenderPrinter(format === 'wide', output.colors);
  return (rows, now) => output.write(table.print(rows, Date.parse(now)));
}

/** Looks again and again, and prints those that have sent since. */
async function follow(
  first: SendersJson,
  asked: SendersRequestOptions,
  signal: AbortSignal,
  { client, reporter }: CallContext,
  print: Print,
): Promise<void> {
  let before = first;
  while (!signal.aborted) {
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
    try {
      const seen = await sendersSeen(client, asked);
      await print(changed(before, seen).reverse(), seen.now);
      before = seen;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof TailraceError) || error.code !== 'unavailable') throw error;
      reporter.note(`no answer, trying again: ${error.message}`);
    }
  }
}

/** The senders that sent since the last look, or began anew with a server that was started again. */
function changed(before: SendersJson, seen: SendersJson): SenderJson[] {
  const known = new Set(before.since === seen.since ? before.senders.map((sender) => safeJson(sender)) : []);
  return seen.senders.filter((sender) => !known.has(safeJson(sender)));
}

function nothingText({ since }: SendersJson): string {
  return `nothing has arrived since the server started at ${since}: \`tailrace doctor\` checks the way there, and \`tailrace send log hello\` sends something`;
}
