/** `tailrace show`: one record in full. */

import type { Command } from 'commander';
import { TailraceError } from '../../src/model/error.ts';
import type { MessageRow } from '../../src/model/message-row.ts';
import { addJsonOption, type CallContext, type CommandOptions, callServer } from '../call.ts';
import { wholeNumber } from '../flags/arguments.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { addKeyOption, encryptionKey, type KeyOptions } from '../flags/encryption-key.ts';
import { formatStreamUri, parseStreamUri } from '../flags/names.ts';
import { escapeControls, safeJson } from '../print/format.ts';
import type { RecordPlace } from '../show/fetch-record.ts';

interface ShowOptions extends CommandOptions, KeyOptions {
  readonly around?: number;
  readonly raw?: boolean;
}

/** So many on each side are read with their number; more is what \`read\` is for. */
const AROUND_MAX = 100;
/** Of a pipe, which has no width. */
const PIPE_COLUMNS = 100;

const EXAMPLES = `
Without a number it is the last record. tail and read show the numbers with --seq.

Examples:
  tailrace show shop 11                          also: show shop#11, show s2://telemetry/shop 11
  tailrace show shop                             the last record
  tailrace show shop 11 --around 3               with three records before and after it, one line each
  tailrace show shop 11 --json | jq .resource
  tailrace show shop 11 --raw > record.bin       the bytes of its body`;

export function addShow(program: Command): void {
  const command = program
    .command('show')
    .summary('show one record in full')
    .description('Shows one record of a stream in full: every field, all attributes, the whole body.')
    .argument('<stream>', 's2://basin/stream, or a name in the default basin; stream#11 names the record too')
    .argument('[number]', 'the sequence number (default: that of the last record)', wholeNumber)
    .option('--around <count>', `also so many records before and after it, at most ${AROUND_MAX}`, wholeNumber);
  addKeyOption(command)
    .optionsGroup('Output:')
    .option('--raw', 'the bytes of the body as they are stored, and nothing else')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(addJsonOption(command, 'one JSON object')).action(
    (stream: string, number: number | undefined, _options, self: Command) =>
      show(stream, number, self.optsWithGlobals<ShowOptions>()),
  );
}

function show(name: string, number: number | undefined, options: ShowOptions): Promise<void> {
  const place = { ...recordPlace(name, number), encryptionKey: encryptionKey(options) };
  checkFlags(options);
  return callServer(options, place, async (context) => {
    const { fetchRow, fetchStored } = await import('../show/fetch-record.ts');
    const { client, output } = context;
    const stored = await fetchStored(client, place);
    if (options.raw === true) {
      // A terminal gets no control characters; a file or a pipe gets the bytes as they are.
      const { body } = stored;
      await output.write(output.isTty ? `${escapeControls(Buffer.from(body).toString('utf8'))}\n` : body);
      return;
    }
    const row = await fetchRow(client, { ...place, seqNum: stored.seqNum });
    const { timestamp: storedMs, body } = stored;
    if (options.json === true) {
      const more = { stream: formatStreamUri(place), storedTimestamp: new Date(storedMs).toISOString() };
      await output.write(`${safeJson({ ...more, bodyBytes: body.length, ...row })}\n`);
      return;
    }
    await printNeighbours(row, place, options, context);
    const { recordLines } = await import('../show/record-lines.ts');
    const record = { uri: formatStreamUri(place), row, storedMs, bodyBytes: body.length };
    await output.write(`${recordLines(record, output.colors).join('\n')}\n`);
    if (output.isTty) context.reporter.note(`\n${leadText(row, place)}`);
  });
}

/** @throws TailraceError `config` */
function checkFlags({ around = 0, raw, json }: ShowOptions): void {
  if (raw === true && json === true) throw new TailraceError('config', '--raw and --json contradict each other');
  if ((raw === true || json === true) && around > 0) {
    throw new TailraceError(
      'config',
      '--around is for people: `tailrace read -s <number> -n <count> --json` reads several',
    );
  }
  if (around > AROUND_MAX) {
    throw new TailraceError('config', `--around ${around}: at most ${AROUND_MAX}; \`tailrace read\` reads more`);
  }
}

/** `shop 11`, `shop#11`. @throws TailraceError `config` */
function recordPlace(name: string, number: number | undefined): Omit<RecordPlace, 'encryptionKey'> {
  const [, before, digits] = number === undefined ? (/^(.+)#(\d+)$/s.exec(name) ?? []) : [];
  const seqNum = digits === undefined ? number : wholeNumber(digits);
  return { ...parseStreamUri(before ?? name), seqNum };
}

/** One line for each record around it, itself marked. */
async function printNeighbours(
  row: MessageRow,
  place: RecordPlace,
  { around = 0 }: ShowOptions,
  { client, output }: CallContext,
): Promise<void> {
  if (around === 0) return;
  const [{ fetchAround }, { createLayout }, { LAYOUT_DEFAULTS }] = await Promise.all([
    import('../show/fetch-record.ts'),
    import('../print/terminal/layout.ts'),
    import('../print/terminal/layout-options.ts'),
  ]);
  const columns = (output.isTty ? output.columns() : PIPE_COLUMNS) - 2;
  const time = output.isTty ? 'local' : 'utc';
  const options = { ...LAYOUT_DEFAULTS, time, seq: true, stack: 'none', attributes: 'none' } as const;
  const layout = createLayout(options, { colors: output.colors, columns: () => columns });
  for (const one of await fetchAround(client, place, row.seqNum, around)) {
    const lines = layout.lines([one]);
    // The rule of a new day stands before the first line of a record.
    const hasRule = lines[0]?.includes('── ') === true;
    const mark = one.seqNum === row.seqNum ? output.colors.bold('▸ ') : '  ';
    if (hasRule) await output.write(`  ${lines[0]}\n`);
    await output.write(`${mark}${lines[hasRule ? 1 : 0] ?? ''}\n`);
  }
  await output.write('\n');
}

function leadText({ traceId, seqNum }: MessageRow, place: RecordPlace): string {
  const uri = formatStreamUri(place);
  const trace = traceId === undefined ? [] : [`tailrace trace ${traceId}`];
  return [
    'go on with:',
    ...trace,
    `tailrace show ${uri} ${seqNum} --around 3`,
    `tailrace read ${uri} -s ${seqNum}`,
  ].join('\n  ');
}
