/** Posts frames to an endpoint, one after the other, and says how far it is only after the endpoint took them. */

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { BatchFrame } from '../../src/client/frames.ts';
import { otlpRefusal, postOtlp } from '../../src/client/post-otlp.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { Reporter } from '../print/console.ts';
import type { OtlpFrame } from './paced-frames.ts';
import { patiently } from './retry.ts';

export interface ReplayTarget {
  /** Base URL; `/v1/<signal>` is added. */
  readonly base: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly isCompressed: boolean;
  readonly skipBad: boolean;
  /** A follower waits for its endpoint for ever. */
  readonly attemptsMax: number;
  /** Whether the endpoint has taken something before. */
  readonly isKnown: boolean;
  /** Where it ends, with the batch that has the record before it: what comes in meanwhile may be what it posts. */
  readonly end: number | undefined;
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
  /** Called when everything before `next` was taken. */
  onReached(next: number): void;
  /** @throws TailraceError when the position is of another stream of that name */
  onStream(streamId: string): void;
}

export interface Replayed {
  records: number;
  requests: number;
  /** Records, or data points, that the endpoint refused in requests that it took. */
  refused: number;
  /** Records of requests that it refused as a whole. */
  skipped: number;
  /** Records that are not OTLP. */
  leftOut: number;
  next: number | undefined;
  /** Why it stopped, where the endpoint refused; not what the server of the stream said. */
  failure: TailraceError | undefined;
}

const compressed = promisify(gzip);

/**
 * @param name of the stream, in messages
 * @throws TailraceError what the server of the stream refused
 */
export async function replayFrames(
  frames: AsyncGenerator<OtlpFrame, void, void>,
  name: string,
  target: ReplayTarget,
): Promise<Replayed> {
  const done: Replayed = {
    records: 0,
    requests: 0,
    refused: 0,
    skipped: 0,
    leftOut: 0,
    next: undefined,
    failure: undefined,
  };
  const poster = new Poster(name, target, done);
  for await (const frame of frames) {
    if (target.signal.aborted) break;
    if (frame.type === 'hello') target.onStream(frame.streamId);
    else if (frame.type === 'reconnecting')
      target.reporter.note(`connection lost, trying again: ${frame.cause.message}`);
    else if (frame.type === 'skipped') done.leftOut += frame.count;
    else if (frame.type === 'gap' && done.next !== undefined) tellGap(name, frame, target);
    else if (frame.type === 'batch' && !(await poster.post(frame))) break;
    const next = frame.type === 'gap' ? frame.to : 'next' in frame ? frame.next.seqNum : undefined;
    if (next === undefined) continue;
    done.next = next;
    target.onReached(next);
    if (target.end !== undefined && next >= target.end) break;
  }
  return done;
}

function tellGap(
  name: string,
  { from, to }: { readonly from: number; readonly to: number },
  { reporter }: ReplayTarget,
) {
  reporter.warn(`records ${from} to ${to - 1} of ${name} are gone: they were trimmed or expired`);
}

class Poster {
  readonly #name: string;
  readonly #target: ReplayTarget;
  readonly #done: Replayed;
  #wasReached: boolean;

  constructor(name: string, target: ReplayTarget, done: Replayed) {
    this.#name = name;
    this.#target = target;
    this.#done = done;
    this.#wasReached = target.isKnown;
  }

  /** False when the endpoint did not take it, and the run is over. */
  async post(frame: BatchFrame<'otlp'>): Promise<boolean> {
    const { signal, reporter, attemptsMax } = this.#target;
    const wasReached = () => this.#wasReached;
    try {
      await patiently(() => this.#postOnce(frame), { attemptsMax, wasReached, signal, reporter });
    } catch (error) {
      if (!(error instanceof TailraceError)) throw error;
      if (signal.aborted) return false;
      const range = `records ${frame.first} to ${frame.next.seqNum - 1} of ${this.#name}`;
      const isPermanent = PERMANENT.has(error.code);
      if (!isPermanent || !this.#target.skipBad) {
        const hint = HINTS[error.code] ?? (isPermanent ? SKIP_HINT : undefined);
        const text = `${range}: ${error.message}${hint === undefined ? '' : `\n  ${hint}`}`;
        this.#done.failure = new TailraceError(error.code, text, { detail: error.detail, cause: error });
        return false;
      }
      reporter.warn(`left out: ${range}: ${error.message}`);
      this.#done.skipped += frame.count;
    }
    return true;
  }

  async #postOnce(frame: BatchFrame<'otlp'>): Promise<void> {
    const { base, headers, isCompressed, reporter } = this.#target;
    const url = `${base}/v1/${frame.signal}`;
    const body = isCompressed ? await compressed(frame.message) : frame.message;
    const encoding = isCompressed ? ({ contentEncoding: 'gzip' } as const) : {};
    const answer = await postOtlp({ url, body, contentType: 'application/x-protobuf', ...encoding, headers });
    this.#wasReached = true;
    const refusal = otlpRefusal(answer, `POST ${url}`);
    if (refusal !== undefined) throw refusal;
    this.#done.records += frame.count;
    this.#done.requests += 1;
    this.#done.refused += answer.rejected;
    if (answer.message !== undefined) {
      const what = answer.rejected > 0 ? `${answer.rejected} refused` : 'taken with a remark';
      reporter.warn(`records ${frame.first} to ${frame.next.seqNum - 1}: ${what}: ${answer.message}`);
    }
  }
}

/** What is wrong is in the request: others may be taken. */
const PERMANENT: ReadonlySet<string> = new Set(['bad_request', 'bad_proto', 'invalid', 'too_large']);

const SKIP_HINT = 'nothing after them was sent; --skip-bad leaves them out';
const TOKEN_HINT = '--to-token-file or --header name what the endpoint asks for';
const HINTS: Readonly<Record<string, string>> = { authn: TOKEN_HINT, permission_denied: TOKEN_HINT };
