/** `tailrace top`: the server, its streams and who sends, as a table that is always up to date. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { addJsonOption, type CommandOptions, callServer } from '../call.ts';
import { duration, wholeNumber } from '../flags/arguments.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { parseBasinUri } from '../flags/names.ts';
import { SORTS, type TopSort } from '../top/snapshot.ts';

interface TopOptions extends CommandOptions {
  readonly sort: TopSort;
  readonly interval: number;
  readonly once?: true;
  readonly limit: number;
}

const INTERVAL_MIN_MS = 100;
const LIMIT_DEFAULT = 50;

const EXAMPLES = `
Errors are error logs and failed spans of the last minute. Acknowledgements (ack) are those of the last ten seconds.
A look takes at most 2,000 streams of 8 basins, and counts errors and readers of 8 streams, those on the screen first.
Keys: r b e n sort, s senders, Enter tail, / filter, p pause, ? help, q quit.

Examples:
  tailrace top
  tailrace top s2://telemetry/web-       only the streams whose names start with web-
  tailrace top --once                    one table, as in a pipe
  tailrace top --json | jq .server       one JSON object`;

export function addTop(program: Command): void {
  const command = program
    .command('top')
    .summary('show streams and senders with their rates, on the whole screen')
    .description('Shows the server, its streams and who sends, with rates and errors, each second anew.')
    .argument('[basin]', 's2://basin or s2://basin/prefix (default: all that the token may list)')
    .addOption(new Option('--sort <by>', 'what comes first').choices(SORTS).default('rate'))
    .option('-d, --interval <span>', 'how often to look (default: 1s)', interval, 1_000)
    .option('--once', 'look once and end')
    .option('-n, --limit <count>', 'rows of each table with --once', wholeNumber, LIMIT_DEFAULT)
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(addJsonOption(command, 'look once, as one JSON object')).action(
    (basin: string | undefined, _options, self: Command) => top(basin, self.optsWithGlobals<TopOptions>()),
  );
}

function interval(text: string): number {
  const ms = duration(text);
  if (ms < INTERVAL_MIN_MS) throw new InvalidArgumentError('It must be 100ms or more.');
  return ms;
}

async function top(name: string | undefined, options: TopOptions): Promise<void> {
  const { basin, prefix } = name === undefined ? { basin: undefined, prefix: '' } : parseBasinUri(name);
  const isLive = process.stdout.isTTY && process.stdin.isTTY && options.once !== true && options.json !== true;
  const ending = new AbortController();
  const { TopCollector } = await import('../top/collector.ts');
  await callServer(options, { basin }, async (context) => {
    const { client, endpoint, output, reporter } = context;
    const collector = new TopCollector(client, { endpoint: endpoint.value, basin, prefix }, ending.signal);
    const first = await collector.look(new Set());
    if (isLive) {
      const { LiveTop } = await import('../top/live.ts');
      const { interval: intervalMs, sort } = options;
      const live = { collector, connection: context, colors: output.colors, intervalMs, sort, ending };
      process.exitCode = await new LiveTop(first, live).run();
      return;
    }
    const { onceJson, onceLines, onceNotes } = await import('../top/once.ts');
    await context.print(onceJson(first, options), onceLines(first, options).join('\n'));
    if (options.json !== true) for (const note of onceNotes(first, options)) reporter.note(note);
  });
}
