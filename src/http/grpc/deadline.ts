/**
 * How long the client of a call waits: it says so in `grpc-timeout` (gRPC over HTTP2, Requests). What was not given to the
 * store by then is not stored, since the client sends it again.
 */

import type { Clock } from '../../model/clock.ts';
import { TailraceError } from '../../model/error.ts';
import type { Exchange } from '../exchange.ts';

/** Milliseconds of each unit. */
const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** To be called when the headers of a call have come; without the header a call has no deadline. */
export function deadlineOf({ request }: Exchange, clock: Pick<Clock, 'monotonicMs'>): { expectInTime?: () => void } {
  const header = request.headers['grpc-timeout'];
  if (header === undefined) return {};
  const [, value, unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(String(header)) ?? [];
  const timeoutMs = Number(value) * (UNITS[unit] ?? Number.NaN);
  const untilMs = clock.monotonicMs() + timeoutMs;
  return {
    expectInTime: () => {
      if (Number.isNaN(timeoutMs)) throw malformed(String(header));
      if (clock.monotonicMs() >= untilMs) throw tooLate(String(header));
    },
  };
}

function malformed(header: string): TailraceError {
  const given = JSON.stringify(header.slice(0, 64));
  return new TailraceError(
    'bad_header',
    `grpc-timeout is up to eight digits and one of H, M, S, m, u, n, not ${given}`,
  );
}

function tooLate(header: string): TailraceError {
  const sentence = `the time of the call was over (grpc-timeout ${header}) before its data was stored: send it again`;
  return new TailraceError('deadline_exceeded', sentence);
}
