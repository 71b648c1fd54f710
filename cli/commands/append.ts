/** `tailrace append`: lines of input become records of a stream. */

import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import type { AppendRecord } from '../../src/client/append-input.ts';
import type { AppendRequestOptions } from '../../src/client/records.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { AppendAck } from '../../src/model/position.ts';
import { addJsonOption, type CallContext, type CommandOptions, callServer } from '../call.ts';
import { EXIT } from '../exit.ts';
import { duration } from '../flags/arguments.ts';
import { ackJson, addConditionOptions, type ConditionOptions, rangeText } from '../flags/conditions.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { addKeyOption, encryptionKey, type KeyOptions } from '../flags/encryption-key.ts';
import { parseStreamUri, type StreamUri } from '../flags/names.ts';
import { untilInterrupted } from '../follow.ts';
import { batches } from '../input/batches.ts';
import { recordsIn } from '../input/record-lines.ts';
import { counted } from '../print/format.ts';
import { FORMATS, type Format } from '../print/printer.ts';

interface AppendCommandOptions extends CommandOptions, ConditionOptions, KeyOptions {
  readonly format: Format;
  readonly input: string;
  readonly linger: number;
}

const LINGER_MS = 5;
const ATTEMPTS_MAX = 10;
const DELAY_FIRST_MS = 100;
const DELAY_MAX_MS = 5_000;

const EXAMPLES = `
Each line is a record. Lines are sent in batches of up to 1,000 records and 1 MiB, one after the other, so their order
is kept. A batch is appended as a whole or not at all.

Examples:
  echo "hello world" | tailrace append my-app
  tailrace append s2://telemetry/my-app -i lines.txt
  echo '{"body":"hi","headers":[["k","v"]]}' | tailrace append my-app --format json
  tailrace read my-app -s 0 --no-follow --format json-base64 | tailrace append copy --format json-base64
  echo "only once" | tailrace append my-app --match-seq-num 7      fails with code 5 when the tail is not 7
  echo "mine" | tailrace append my-app --fencing-token writer-1
  echo "secret" | tailrace append s2://sealed-eu/x --encryption-key-file key.b64`;

export function addAppend(program: Command): void {
  const command = program
    .command('append')
    .summary('append lines of input as records')
    .description('Appends each line of stdin, or of a file, as a record, and says where they went.')
    .argument('<stream>', 's2://basin/stream, or a name in the default basin')
    .addOption(new Option('--format <format>', 'format of a line').choices(FORMATS).default('text'))
    .option('-i, --input <file>', 'read a file instead of stdin', '-')
    .addOption(
      new Option('--linger <span>', 'how long to wait for more records of a batch')
        .argParser(duration)
        .default(LINGER_MS, `${LINGER_MS}ms`),
    )
    .addHelpText('after', EXAMPLES);
  addJsonOption(addKeyOption(addConditionOptions(command)), 'acknowledgements as JSON on stdout');
  addConnectionOptions(command).action((stream: string, _options, self: Command) =>
    append(stream, self.optsWithGlobals<AppendCommandOptions>()),
  );
}

async function append(name: string, options: AppendCommandOptions): Promise<void> {
  const uri = parseStreamUri(name);
  const key = encryptionKey(options);
  const input = await openInput(options.input);
  const interrupted = untilInterrupted();
  interrupted.addEventListener('abort', () => input.destroy());
  const { matchSeqNum, fencingToken } = options;
  const act = async (context: CallContext) => {
    if (options.input === '-' && process.stdin.isTTY) context.reporter.note('each line becomes a record; Ctrl-D ends');
    const run = new AppendRun(context, uri, { matchSeqNum, fencingToken, encryptionKey: key });
    const records = recordsIn(untilAborted(input, interrupted), options.format);
    // The next batch fills while one is under way.
    const source = batches(records, options.linger);
    const ask = () => {
      const next = source.next();
      next.catch(() => {});
      return next;
    };
    for (let next = ask(); ; ) {
      const { done, value } = await next.catch((error: unknown) => {
        throw run.withProgress(error);
      });
      if (done === true) break;
      next = ask();
      await run.append(value, options.json === true);
    }
    if (run.appended === 0) context.reporter.note('nothing to append: the input was empty');
  };
  try {
    await callServer(options, uri, act);
  } finally {
    // An input that is not read to its end would keep the process alive.
    input.destroy();
  }
  if (interrupted.aborted) process.exitCode = EXIT.interrupted;
}

/** The batches of one run, one after the other. */
class AppendRun {
  readonly #context: CallContext;
  readonly #uri: StreamUri;
  #conditions: Omit<AppendRequestOptions, 'basin'>;
  /** Records that are in the stream. */
  appended = 0;

  constructor(context: CallContext, uri: StreamUri, conditions: Omit<AppendRequestOptions, 'basin'>) {
    this.#context = context;
    this.#uri = uri;
    this.#conditions = conditions;
  }

  async append(records: readonly AppendRecord[], isJson: boolean): Promise<void> {
    const ack = await this.#appendWithRetries(records);
    this.appended += records.length;
    // A caller who gave a sequence number wants no records of others in between either.
    if (this.#conditions.matchSeqNum !== undefined) {
      this.#conditions = { ...this.#conditions, matchSeqNum: ack.end.seqNum };
    }
    const { reporter, print } = this.#context;
    if (isJson) await print(ackJson(ack), '');
    else reporter.note(`appended ${rangeText(ack)}`);
  }

  /** The error, with how many records were appended. */
  withProgress(error: unknown, underWay = 0): unknown {
    if (!(error instanceof TailraceError)) return error;
    const lines = [error.message];
    if (this.appended > 0) lines.push(`  the first ${counted(this.appended, 'record')} of the input went in`);
    if (underWay > 0 && !HARMLESS.has(error.code) && !isUnsent(error)) {
      lines.push(
        `  whether the next ${counted(underWay, 'record')} went in is not known: check before you send them again`,
      );
    }
    return new TailraceError(error.code, lines.join('\n'), { detail: error.detail, cause: error });
  }

  /** Whether nothing was done, and a retry may succeed. A server that was never reached is more likely a wrong address. */
  #isTemporary(error: unknown): error is TailraceError {
    if (!(error instanceof TailraceError)) return false;
    return TEMPORARY.has(error.code) || (this.appended > 0 && isUnsent(error));
  }

  /** Appends, and tries again while the server refuses without having done anything. */
  async #appendWithRetries(records: readonly AppendRecord[]): Promise<AppendAck> {
    const { client, reporter } = this.#context;
    const { basin, stream } = this.#uri;
    for (let attempt = 1; ; attempt++) {
      try {
        return await client.append(stream, records, { ...this.#conditions, basin });
      } catch (error) {
        if (!this.#isTemporary(error) || attempt === ATTEMPTS_MAX) throw this.withProgress(error, records.length);
        if (attempt === 1) reporter.note(`trying again for a while: ${error.message}`);
        const delay = Math.min(DELAY_MAX_MS, DELAY_FIRST_MS * 2 ** (attempt - 1));
        await sleep(Math.max(delay, (error.detail.retryAfterSeconds ?? 0) * 1_000));
      }
    }
  }
}

/** The batch was never sent: no server was listening. */
function isUnsent({ code, cause }: TailraceError): boolean {
  const reason = cause instanceof Error ? (cause.cause as NodeJS.ErrnoException | undefined) : undefined;
  return code === 'unavailable' && reason?.code === 'ECONNREFUSED';
}

/** Refused before anything was done; a retry may succeed soon. */
const TEMPORARY: ReadonlySet<string> = new Set(['rate_limited', 'overloaded', 'draining']);
/** Refused without anything done; a retry may fail again. */
const HARMLESS: ReadonlySet<string> = new Set([
  ...TEMPORARY,
  'authn',
  'permission_denied',
  'quota_exhausted',
  'bad_header',
  'bad_path',
  'bad_json',
  'bad_request',
  'invalid',
  'not_found',
  'too_large',
  'basin_not_found',
  'stream_not_found',
  'basin_deletion_pending',
  'stream_deletion_pending',
  'seq_num_mismatch',
  'fencing_token_mismatch',
]);

async function openInput(file: string): Promise<Readable> {
  if (file === '-') return process.stdin;
  const stream = createReadStream(file);
  await once(stream, 'open').catch((cause: unknown) => {
    throw new TailraceError('config', `cannot read ${file}: ${(cause as Error).message}`, { cause });
  });
  return stream;
}

/** The bytes of the input; an interrupted one just ends. */
async function* untilAborted(input: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of input) yield chunk as Uint8Array;
  } catch (cause) {
    if (signal.aborted) return;
    throw new TailraceError('config', `cannot read the input: ${(cause as Error).message}`, { cause });
  }
}
