/**
 * Sends the lines of files in their order, a batch at a time. The position is written when a batch is acknowledged, and
 * batches follow from the file alone: a run that is started again sends the same bytes again, which a basin with
 * `otlp_dedupe_window` knows, and records of S2 say which sequence number they must get.
 */

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { BinaryRecord } from '../../src/client/append-input.ts';
import { otlpRefusal, postOtlp } from '../../src/client/post-otlp.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { CallContext } from '../call.ts';
import { formatStreamUri, type StreamUri } from '../flags/names.ts';
import { escapeControls } from '../print/format.ts';
import { type InputLine, type InputPoint, inputLines, nameOf } from './input-lines.ts';
import { LineBatch, type LineContent } from './line-batch.ts';
import { contentOf, type LineRules } from './line-content.ts';
import { patiently } from './retry.ts';

export interface ImportOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly encryptionKey: string | undefined;
  readonly skipBad: boolean;
  readonly signal: AbortSignal;
  /** Called when everything before a point of the file is acknowledged. */
  onStored(point: InputPoint): void;
  /** Called before the first append to a stream: a later run must know where this one began. */
  onBegin(): void;
}

/** What has been done so far. */
export interface ImportCounts {
  items: number;
  /** Items that the server did not take, of requests that it took. */
  refused: number;
  /** Lines that were passed over. */
  badLines: number;
  readonly streams: Set<string | undefined>;
  /** Why, and how often. */
  readonly reasons: Map<string, number>;
}

/** Everything before it is stored. */
export interface ImportStop {
  readonly file: string;
  readonly line: number;
  /** Whether the line itself is wrong: then it is passed over to go on, and otherwise it is the next one. */
  readonly isBad: boolean;
  /** What is stored or passed over. */
  readonly goOn: InputPoint;
  /** Whether the file holds messages behind their lengths, and no lines. */
  readonly isMessage: boolean;
}

const ATTEMPTS_MAX = 10;
/** The server takes larger requests only when they are compressed. */
const PLAIN_BYTES_MAX = 4 * 1024 * 1024;
const REASONS_MAX = 20;
/** What is wrong is in the line; another one may be fine. */
const OF_THE_LINE: ReadonlySet<string> = new Set(['invalid', 'bad_json', 'bad_request', 'bad_proto', 'too_large']);

const compressed = promisify(gzip);

export class ImportRun {
  readonly counts: ImportCounts = { items: 0, refused: 0, badLines: 0, streams: new Set(), reasons: new Map() };
  /** The sequence number that the next record of each stream gets. */
  readonly expected: Map<string, number>;
  /** Where it stopped, if it did; undefined for what is no fault of a place in a file. */
  stoppedAt: ImportStop | undefined;
  readonly #context: CallContext;
  readonly #options: ImportOptions;
  #file = '';
  #batch = new LineBatch();
  #wasReached = false;
  #place: InputPoint = { line: 0, next: 0 };
  #isMessages = false;
  /** Streams in which the batch after the position may be there already. */
  readonly #uncertain: Set<string>;

  /** @param expected of an earlier run that goes on */
  constructor(context: CallContext, options: ImportOptions, expected: ReadonlyMap<string, number>) {
    this.#context = context;
    this.#options = options;
    this.expected = new Map(expected);
    this.#uncertain = new Set(expected.keys());
  }

  /** @throws TailraceError that names the line; all before it is stored */
  async importFile(file: string, from: InputPoint, rules: LineRules, onRead: (bytes: number) => void): Promise<void> {
    this.#file = file;
    this.#place = from;
    try {
      for await (const line of inputLines(file, from, this.#options.signal, onRead)) {
        this.#isMessages = line.isMessage;
        await this.#take(line, rules);
        if (this.#options.signal.aborted) break;
      }
    } catch (error) {
      // What was read before the file turned out to be damaged is fine.
      if (this.stoppedAt === undefined) await this.#flush();
      throw error;
    }
    await this.#flush();
  }

  async #take(line: InputLine, rules: LineRules): Promise<void> {
    const { number, next } = line;
    let content: LineContent | undefined;
    try {
      content = await contentOf(line, rules);
    } catch (error) {
      await this.#flush();
      if (!(error instanceof TailraceError) || !isOfTheLine(error)) throw this.#at(number, error);
      this.#bad({ line: number, next }, error);
      this.#stored({ line: number, next });
      return;
    }
    if (content === undefined) return;
    if (!this.#batch.takes({ content, number, next })) await this.#flush();
    this.#batch.add({ content, number, next });
  }

  #stored(point: InputPoint): void {
    this.#place = point;
    this.#options.onStored(point);
  }

  async #flush(): Promise<void> {
    const batch = this.#batch;
    this.#batch = new LineBatch();
    if (batch.lines.length > 0) await this.#send(batch);
  }

  async #send(batch: LineBatch): Promise<void> {
    const [first] = batch.lines;
    const last = batch.lines.at(-1);
    if (first === undefined || last === undefined) return;
    try {
      await this.#post(batch);
      await this.#append(batch);
    } catch (error) {
      if (!(error instanceof TailraceError) || !isOfTheLine(error)) throw this.#at(first.number, error);
      // One of them is wrong: all others are stored, in their order.
      if (batch.lines.length > 1) {
        for (const line of batch.lines) await this.#send(LineBatch.of([line]));
        return;
      }
      this.#bad({ line: first.number, next: first.next }, error);
    }
    this.#stored({ line: last.number, next: last.next });
  }

  async #post(batch: LineBatch): Promise<void> {
    const request = batch.request();
    if (request === undefined) return;
    const url = `${this.#context.client.endpoint}/v1/${request.signal}`;
    const { body: plain, contentType, streams } = request;
    const isLarge = plain.length > PLAIN_BYTES_MAX;
    const body = isLarge ? await compressed(plain, { level: 1 }) : plain;
    const encoding = isLarge ? ({ contentEncoding: 'gzip' } as const) : {};
    const { headers } = this.#options;
    const answer = await this.#patiently(async () => {
      const said = await postOtlp({ url, body, contentType, ...encoding, headers });
      const refusal = otlpRefusal(said, `POST ${url}`);
      if (refusal !== undefined) throw refusal;
      return said;
    });
    this.counts.items += Math.max(0, request.items - answer.rejected);
    this.counts.refused += answer.rejected;
    if (answer.message !== undefined) this.#reason(answer.message, Math.max(1, answer.rejected));
    for (const stream of streams) this.counts.streams.add(stream);
  }

  async #append(batch: LineBatch): Promise<void> {
    const append = batch.append();
    if (append === undefined) return;
    const { uri, records } = append;
    const name = formatStreamUri(uri);
    if (!this.expected.has(name)) {
      this.expected.set(name, await this.#tailOf(uri));
      this.#options.onBegin();
    }
    const matchSeqNum = this.expected.get(name) ?? 0;
    await this.#patiently((attempt) => this.#appendAt(uri, records, matchSeqNum, attempt > 1));
    this.#uncertain.delete(name);
    this.expected.set(name, matchSeqNum + records.length);
    this.counts.items += records.length;
    this.counts.streams.add(uri.stream);
  }

  async #appendAt(uri: StreamUri, records: readonly BinaryRecord[], matchSeqNum: number, isRepeat: boolean) {
    const { basin, stream } = uri;
    const { encryptionKey } = this.#options;
    try {
      await this.#context.client.append(stream, records, { basin, matchSeqNum, encryptionKey });
    } catch (error) {
      if (!(error instanceof TailraceError) || error.code !== 'seq_num_mismatch') throw error;
      const tail = error.detail.seqNum;
      const mayBeThere = isRepeat || this.#uncertain.has(formatStreamUri(uri));
      if (mayBeThere && tail === matchSeqNum + records.length) return;
      const what = `${formatStreamUri(uri)} has the tail ${tail} and not ${matchSeqNum}: another writer appends to it`;
      throw new TailraceError('seq_num_mismatch', `${what}; import into a stream of its own`, { cause: error });
    }
  }

  async #tailOf({ basin, stream }: StreamUri): Promise<number> {
    try {
      return (await this.#context.client.checkTail(stream, { basin })).seqNum;
    } catch (error) {
      if (error instanceof TailraceError && error.code === 'stream_not_found') return 0;
      throw error;
    }
  }

  async #patiently<T>(call: (attempt: number) => Promise<T>): Promise<T> {
    const { signal } = this.#options;
    const { reporter } = this.#context;
    const wasReached = () => this.#wasReached;
    const result = await patiently(call, { attemptsMax: ATTEMPTS_MAX, wasReached, signal, reporter });
    this.#wasReached = true;
    return result;
  }

  /** @throws TailraceError the error, unless bad lines are passed over */
  #bad(point: InputPoint, error: TailraceError): void {
    const named = this.#at(point.line, error, point);
    if (!this.#options.skipBad)
      throw new TailraceError(error.code, `${named.message}; --skip-bad passes over it`, { cause: error });
    this.stoppedAt = undefined;
    this.counts.badLines += 1;
    this.#reason(error.message, 1);
    this.#context.reporter.warn(`left out: ${named.message}`);
  }

  /** `bad` is behind the line, if that is what is wrong. */
  #at(number: number, error: unknown, bad?: InputPoint): TailraceError {
    const place = `${escapeControls(nameOf(this.#file))}:${number}`;
    if (!(error instanceof TailraceError)) throw error;
    const goOn = bad ?? { line: number - 1, next: this.#place.next };
    this.stoppedAt = { file: this.#file, line: number, isBad: bad !== undefined, goOn, isMessage: this.#isMessages };
    return new TailraceError(error.code, `${place}: ${error.message}`, { detail: error.detail, cause: error });
  }

  #reason(text: string, count: number): void {
    const { reasons } = this.counts;
    if (reasons.has(text) || reasons.size < REASONS_MAX) reasons.set(text, (reasons.get(text) ?? 0) + count);
  }
}

function isOfTheLine({ code }: TailraceError): boolean {
  return OF_THE_LINE.has(code);
}
