/** A server under a load of OTLP and of S2 sessions in the same streams that crashes again and again, and what is there then. */

import { expect } from '@jest/globals';
import { readBack } from './read-back.ts';
import type { TestServer } from './server.ts';
import { SessionWriters } from './session-writers.ts';
import { type ReadBack, STREAMS, violations, Writers, type WrittenRequest } from './writers.ts';

export interface CrashRounds {
  readonly rounds: number;
  readonly random: () => number;
  start(): Promise<TestServer>;
  /** Of the server that is read from. */
  startLast?(): Promise<TestServer>;
  /** Ends the server while it is written to. */
  crash(server: TestServer): Promise<void>;
}

export interface CrashOutcome {
  /** Of the history: acknowledged and lost, twice, half a request. */
  readonly faults: readonly string[];
  readonly acked: number;
  readonly ackedInSessions: number;
  readonly records: number;
}

/** Nothing that was acknowledged is lost, and in each round both kinds of writers were acknowledged something. */
export function expectNothingLost({ faults, acked, ackedInSessions, records }: CrashOutcome, rounds: number): void {
  expect(faults).toEqual([]);
  expect(acked).toBeGreaterThanOrEqual(rounds);
  expect(ackedInSessions).toBeGreaterThanOrEqual(rounds);
  expect(records).toBeGreaterThan(acked);
}

export async function crashAndReadBack(setup: CrashRounds): Promise<CrashOutcome> {
  const { rounds, random, start, startLast = start, crash } = setup;
  const writers = new Writers(random);
  const sessions = new SessionWriters(random);
  for (let round = 0; round < rounds; round++) {
    const server = await start();
    const acks = 5 + Math.floor(random() * 60);
    let crashed: Promise<void> | undefined;
    const then = (): void => {
      crashed = crash(server);
    };
    await Promise.all([writers.run(server, 8, acks, then), sessions.run(server)]);
    await crashed;
  }
  const server = await startLast();
  const read = new Map<string, ReadBack>();
  for (const stream of STREAMS) read.set(stream, await readBack(server, stream));
  await server.stop();
  return {
    faults: violations([...writers.history, ...sessions.history], read),
    acked: ackedOf(writers.history),
    ackedInSessions: ackedOf(sessions.history),
    records: [...read.values()].reduce((sum, { names }) => sum + names.length, 0),
  };
}

function ackedOf(history: readonly WrittenRequest[]): number {
  return history.filter((written) => written.outcome === 'acked').length;
}
