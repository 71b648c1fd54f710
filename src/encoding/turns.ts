/**
 * How work shares the event loop: work that is large takes a share of the current turn before each piece of it, and
 * waits when others have used the turn up. So a turn stays short however many have something to do at once, and small
 * work does not wait for the rest of large work. Shares are counted in bytes of work: no clock is read, and the order of
 * what waits does not depend on how busy the machine is.
 */

import { TURN_BYTES, TURN_REQUESTS_MAX, TURNS_FOR_CLIENTS_MAX, YIELD_BYTES } from '../model/limits.ts';

/** So many that have gone stay in a line before it is made anew: to do it each time would cost their square. */
const GONE_MAX = 1_024;

/** Those that wait, first come first. */
class Line {
  #waiting: { readonly bytes: number; readonly go: () => void }[] = [];
  #next = 0;

  wait(bytes: number): Promise<void> {
    return new Promise((go) => this.#waiting.push({ bytes, go }));
  }

  /** What the first one needs; undefined when none waits. */
  get bytes(): number | undefined {
    return this.#waiting[this.#next]?.bytes;
  }

  letOneGo(): void {
    this.#waiting[this.#next++]?.go();
    // Under load the line may never be empty: without this it would keep all that ever waited.
    if (this.#next < GONE_MAX && this.#next < this.#waiting.length) return;
    this.#waiting = this.#waiting.slice(this.#next);
    this.#next = 0;
  }
}

/** Work that was begun in this turn. */
let used = 0;
let isArmed = false;
/** Requests that were looked at in this turn. */
let requests = 0;
const arriving = new Line();
/** Whether a client came in this turn, and how many turns in a row have been left to clients. */
let hasClient = false;
let leftToClients = 0;
const beginning = new Line();
const goingOn = new Line();

/**
 * Takes a share of this turn for work that begins, of about so many bytes. Returns undefined when it fits; otherwise
 * a promise that must be awaited at once. Those that wait go in the order of the calls.
 */
export function beginWork(bytes: number): Promise<void> | undefined {
  arm();
  if (beginning.bytes !== undefined || !fits(bytes)) return beginning.wait(bytes);
  used += bytes;
  return undefined;
}

/**
 * Takes a place in this turn for looking at a request. These places do not count as work, and do not wait for it: what is
 * to be refused must not wait for what was taken. Returns and resolves as {@link beginWork}.
 */
export function beginRequest(): Promise<void> | undefined {
  arm();
  if (arriving.bytes !== undefined || requests >= TURN_REQUESTS_MAX) return arriving.wait(0);
  requests++;
  return undefined;
}

/** Whether there was work since the last turn that had none: what can wait for long waits for a turn without any. */
export function isWorking(): boolean {
  return isArmed;
}

/**
 * To be called with each client that connects. Node accepts one in a turn (libuv does, from 1.45 on), so while they come,
 * turns without work let in many: behind long turns of work they would wait for seconds in the queue of the system.
 */
export function noteClient(): void {
  hasClient = true;
  arm();
}

/** Takes a share of a later turn for more of some work: others run in between. */
export function goOnWithWork(bytes: number): Promise<void> {
  arm();
  return goingOn.wait(bytes);
}

/**
 * Counts a little work that was done in this turn without asking. True when the turn is used up: then more of it must wait
 * in `goOnWithWork`, since thousands may do the same in one turn.
 */
export function noteWork(bytes: number): boolean {
  arm();
  used += bytes;
  return used >= TURN_BYTES;
}

/** Does work that yields after each piece of it, of about so many bytes: others run between the pieces. */
export async function inTurns<T>(work: Generator<void, T>, bytes: number = YIELD_BYTES): Promise<T> {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
    await goOnWithWork(bytes);
  }
}

/** Does work that could be done in turns, at once. */
export function atOnce<T>(work: Generator<void, T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

function arm(): void {
  if (isArmed) return;
  isArmed = true;
  setImmediate(newTurn);
}

function newTurn(): void {
  isArmed = false;
  if (hasClient && leftToClients < TURNS_FOR_CLIENTS_MAX) {
    hasClient = false;
    leftToClients++;
    arm();
    return;
  }
  hasClient = false;
  leftToClients = 0;
  used = 0;
  requests = 0;
  while (arriving.bytes !== undefined && requests < TURN_REQUESTS_MAX) {
    requests++;
    arriving.letOneGo();
  }
  // One that goes on comes first, so that it ends however many begin.
  if (goingOn.bytes !== undefined) letGo(goingOn);
  letGoWhileTheyFit(beginning);
  letGoWhileTheyFit(goingOn);
  if (used > 0 || requests > 0) arm();
}

function letGoWhileTheyFit(line: Line): void {
  while (line.bytes !== undefined && fits(line.bytes)) letGo(line);
}

function letGo(line: Line): void {
  used += line.bytes ?? 0;
  line.letOneGo();
}

/** However large it is, one piece fits into a turn of its own. */
function fits(bytes: number): boolean {
  return used === 0 || used + bytes <= TURN_BYTES;
}
