/**
 * Writers for the crash tests that append over S2 sessions, several batches of each under way at once, to the streams
 * of the OTLP {@link Writers}. They keep the same history, and never send a body twice.
 */

import { type AppendSession, S2Error } from '@s2-dev/streamstore';
import { sdkOf, textBatch } from './sdk.ts';
import { STREAMS, type Target, type WrittenRequest } from './writers.ts';

const BASIN = 'telemetry';
const IN_FLIGHT = 5;

/** Sessions that run until their server dies. */
export class SessionWriters {
  readonly history: WrittenRequest[] = [];
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** One session for each stream; resolves when all have seen their server go. */
  async run(target: Target): Promise<void> {
    await Promise.all(STREAMS.map((stream) => this.#write(target, stream)));
  }

  async #write(target: Target, name: string): Promise<void> {
    const stream = sdkOf(target).basin(BASIN).stream(name, { forceTransport: 's2s' });
    try {
      const session = await stream.appendSession({ maxInflightBatches: IN_FLIGHT });
      const lane = async (): Promise<void> => {
        while (await this.#batch(session, name));
      };
      await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
      await session.close();
    } catch (error) {
      if (!(error instanceof S2Error)) throw error;
    } finally {
      await stream.close();
    }
  }

  /** Whether it was acknowledged. A failed one has an unknown outcome: the session may have broken under it. */
  async #batch(session: AppendSession, stream: string): Promise<boolean> {
    const id = `session-request-${this.history.length}`;
    const records = 1 + Math.floor(this.#random() * 30);
    const names = Array.from({ length: records }, (_, index) => `${id}/${stream}/${index}`);
    const written: WrittenRequest = { id, streams: new Map([[stream, names]]), outcome: 'indefinite' };
    this.history.push(written);
    try {
      const ticket = await session.submit(textBatch(names));
      await ticket.ack();
    } catch (error) {
      if (!(error instanceof S2Error)) throw error;
      return false;
    }
    written.outcome = 'acked';
    return true;
  }
}
