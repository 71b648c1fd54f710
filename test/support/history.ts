/**
 * A history of concurrent clients of one stream, and the checker of it. Each successful append returns a unique
 * interval of sequence numbers, so the final log is the only possible order and no search is needed.
 */

/** How an operation ended. A definite failure had no effect; the effect of an indefinite one is unknown. */
export type Outcome = 'ok' | 'failed' | 'indefinite';

interface Timed {
  readonly client: string;
  /** Times of one clock of the test: `began` before the request left, `ended` after its response arrived. */
  readonly began: number;
  /** Infinite while an indefinite one may still take effect. */
  readonly ended: number;
}

export interface Append extends Timed {
  readonly kind: 'append';
  readonly outcome: Outcome;
  /** No two records of a history have the same body. */
  readonly bodies: readonly string[];
  /** Of a batch of one `fence` command: its body is the token that it sets. */
  readonly fence: boolean;
  readonly matchSeqNum?: number;
  readonly fencingToken?: string;
  /** Of a successful append. */
  readonly ack?: { readonly start: number; readonly end: number; readonly tail: number };
  /** The state of the stream that a refusal showed. */
  readonly seenSeqNum?: number;
  readonly seenToken?: string;
}

/** Records from `from` to the tail; without records, a check of the tail. */
export interface Observation extends Timed {
  readonly kind: 'observation';
  readonly tail: number;
  readonly from?: number;
  readonly bodies?: readonly string[];
}

export type Operation = Append | Observation;

/** An append that is in the log, and where. */
interface Placed {
  readonly append: Append;
  readonly start: number;
  readonly end: number;
}

/** Compares a history with the final log, its bodies by sequence number. Returns a sentence for each fault. */
export function judge(operations: readonly Operation[], log: readonly string[]): string[] {
  const faults: string[] = [];
  const appends = operations.filter((operation) => operation.kind === 'append');
  const placed = place(appends, log, faults);
  precedence(placed, faults);
  conditions(placed, faults);
  refusals(appends, faults);
  const observations = [...operations.filter((operation) => operation.kind === 'observation'), ...shown(appends)];
  const window = windowOf(observations, placed, log.length);
  visibility(observations, placed, log, window, faults);
  tokensSeen(appends, placed, window, faults);
  return faults;
}

/** (a) and (c): intervals tile the log, indefinite ones are there whole or not at all, failed ones never. */
function place(appends: readonly Append[], log: readonly string[], faults: string[]): Placed[] {
  const positions = new Map<string, number>();
  for (const [position, body] of log.entries()) {
    if (positions.has(body)) faults.push(`(a) ${body} is twice in the log`);
    positions.set(body, position);
  }
  const placed: Placed[] = [];
  for (const append of appends) {
    const found = append.bodies.map((body) => positions.get(body)).filter((position) => position !== undefined);
    const start = found[0];
    if (append.outcome === 'failed') {
      if (found.length > 0)
        faults.push(`(c) ${name(append)} failed, yet ${found.length} of its records are in the log`);
      continue;
    }
    if (append.outcome === 'ok' && found.length < append.bodies.length)
      faults.push(
        `(a) ${name(append)} was acknowledged, yet only ${found.length} of ${append.bodies.length} are there`,
      );
    if (start === undefined) continue;
    if (found.length < append.bodies.length || found.some((position, i) => position !== start + i))
      faults.push(`(a) ${name(append)} is not in one piece: ${found.join(', ')}`);
    if (append.ack !== undefined && (append.ack.start !== start || append.ack.end !== start + append.bodies.length))
      faults.push(`(a) ${name(append)} was told ${append.ack.start} to ${append.ack.end}, but is at ${start}`);
    placed.push({ append, start, end: start + append.bodies.length });
  }
  placed.sort((a, b) => a.start - b.start);
  let next = 0;
  for (const { append, start, end } of placed) {
    if (start !== next) faults.push(`(a) ${name(append)} begins at ${start}, where ${next} was expected`);
    next = end;
  }
  if (next !== log.length) faults.push(`(a) the appends end at ${next}, the log at ${log.length}`);
  return placed;
}

/** (b): an operation that ended before another began comes before it. */
function precedence(placed: readonly Placed[], faults: string[]): void {
  let earliest: Append | undefined;
  for (const { append } of [...placed].reverse()) {
    if (earliest !== undefined && earliest.ended < append.began)
      faults.push(`(b) ${name(earliest)} ended before ${name(append)} began, yet comes after it`);
    if (earliest === undefined || append.ended < earliest.ended) earliest = append;
  }
}

/** (d) and (e): each append in the log met its conditions there. */
function conditions(placed: readonly Placed[], faults: string[]): void {
  let token = '';
  for (const { append, start } of placed) {
    if (append.matchSeqNum !== undefined && append.matchSeqNum !== start)
      faults.push(`(d) ${name(append)} wanted ${append.matchSeqNum} and is at ${start}`);
    if (append.fencingToken !== undefined && append.fencingToken !== token)
      faults.push(`(e) ${name(append)} showed the token '${append.fencingToken}' where '${token}' was in force`);
    if (append.fence) token = append.bodies.at(-1) ?? token;
  }
}

/** (d) and (e), the other way: no append is refused for a condition that held. */
function refusals(appends: readonly Append[], faults: string[]): void {
  for (const append of appends) {
    if (append.seenSeqNum !== undefined && append.seenSeqNum === append.matchSeqNum)
      faults.push(`(d) ${name(append)} was refused although ${append.seenSeqNum} is what it wanted`);
    if (append.seenToken !== undefined && append.seenToken === append.fencingToken)
      faults.push(`(e) ${name(append)} was refused although '${append.seenToken}' is what it showed`);
  }
}

/** What acks and refusals show of the tail. */
function shown(appends: readonly Append[]): Observation[] {
  return appends.flatMap(({ client, began, ended, ack, seenSeqNum }): Observation[] => {
    const tail = ack?.tail ?? seenSeqNum;
    return tail === undefined ? [] : [{ kind: 'observation', client, began, ended, tail }];
  });
}

/**
 * (f): between what was known before and what began after; on a batch boundary; the read records are those of the log.
 */
function visibility(
  observations: readonly Observation[],
  placed: readonly Placed[],
  log: readonly string[],
  window: Window,
  faults: string[],
): void {
  const boundaries = new Set([0, ...placed.map(({ end }) => end)]);
  for (const seen of observations) {
    const [least, most] = window(seen);
    if (seen.tail < least || seen.tail > most)
      faults.push(`(f) ${name(seen)} saw the tail at ${seen.tail}, which lay between ${least} and ${most}`);
    if (!boundaries.has(seen.tail)) faults.push(`(f) ${name(seen)} saw half a batch: the tail at ${seen.tail}`);
    const { from, bodies } = seen;
    if (from === undefined || bodies === undefined) continue;
    if (bodies.length !== Math.max(0, seen.tail - from) || bodies.some((body, i) => body !== log[from + i]))
      faults.push(`(f) ${name(seen)} read something else than the log from ${from} to ${seen.tail}`);
  }
}

/** (e) for refusals: the token in a refusal was in force at a time when it may have been checked. */
function tokensSeen(appends: readonly Append[], placed: readonly Placed[], window: Window, faults: string[]): void {
  // Each is in force from its moment, which is a place in the log, to that of the next.
  const inForce = [{ moment: 0, token: '' }];
  for (const { append, end } of placed)
    if (append.fence) inForce.push({ moment: end, token: append.bodies.at(-1) ?? '' });
  for (const append of appends) {
    if (append.seenToken === undefined) continue;
    const [least, most] = window(append);
    const first = countBefore(inForce, (moment) => moment <= least) - 1;
    const could = inForce.slice(
      first,
      countBefore(inForce, (moment) => moment <= most),
    );
    if (!could.some(({ token }) => token === append.seenToken))
      faults.push(
        `(e) ${name(append)} was told the token '${append.seenToken}', not in force between ${least} and ${most}`,
      );
  }
}

/** The range of tails during which an operation can have taken effect. */
type Window = (operation: Timed) => readonly [least: number, most: number];

/** The largest tail known before an operation began, and the smallest start of what began after it ended. */
function windowOf(observations: readonly Observation[], placed: readonly Placed[], tail: number): Window {
  const known = [
    ...placed.map(({ append, end }) => ({ moment: append.ended, tail: end })),
    ...observations.map((seen) => ({ moment: seen.ended, tail: seen.tail })),
  ].sort((a, b) => a.moment - b.moment);
  const later = placed
    .map(({ append, start }) => ({ moment: append.began, tail: start }))
    .sort((a, b) => a.moment - b.moment);
  // The extreme of everything before, and of everything from here on.
  for (let i = 1, most = known[0]?.tail ?? 0; i < known.length; i++) {
    const it = known[i];
    if (it !== undefined) it.tail = most = Math.max(most, it.tail);
  }
  for (let i = later.length - 2, least = later.at(-1)?.tail ?? tail; i >= 0; i--) {
    const it = later[i];
    if (it !== undefined) it.tail = least = Math.min(least, it.tail);
  }
  return ({ began, ended }) => [
    known[countBefore(known, (moment) => moment < began) - 1]?.tail ?? 0,
    later[countBefore(later, (moment) => moment <= ended)]?.tail ?? tail,
  ];
}

/** The number of times, in order, for which a condition holds that holds only for the first ones. */
function countBefore(values: readonly { readonly moment: number }[], holds: (moment: number) => boolean): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(values[middle]?.moment ?? 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function name(operation: Operation): string {
  const what = operation.kind === 'append' ? `append ${operation.bodies[0]}` : 'observation';
  return `${what} of ${operation.client} [${operation.began}, ${operation.ended}]`;
}
