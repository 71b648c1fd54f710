/** Sessions when the server stops: who is told what, and when. */

import { expect, test } from '@jest/globals';
import { BufferPool } from '../../src/encoding/buffer-pool.ts';
import { TailraceError } from '../../src/model/error.ts';
import { type LiveSession, ReaderSet } from '../../src/readers/reader-set.ts';
import { ManualClock } from '../support/socket-clock.ts';

const DRAINING = new TailraceError('draining', 'the server is stopping');

function readerSet(): ReaderSet {
  return new ReaderSet({ clock: new ManualClock(), pool: new BufferPool() });
}

class Noted implements LiveSession {
  readonly told: string[] = [];
  #end: () => void = () => {};
  readonly #ended = new Promise<void>((resolve) => {
    this.#end = resolve;
  });

  drain(): void {
    this.told.push('drain');
  }

  finish(error: TailraceError): Promise<void> {
    this.told.push(error.code);
    return this.#ended;
  }

  end(): void {
    this.#end();
  }
}

test('each session is advised once, ended once, and waited for', async () => {
  const readers = readerSet();
  const [first, second, gone] = [new Noted(), new Noted(), new Noted()];
  for (const session of [first, second]) readers.add(session);
  const leave = readers.add(gone);
  leave();
  leave();
  expect([readers.size, readers.draining]).toEqual([2, false]);
  readers.drain();
  readers.drain();
  expect(readers.draining).toBe(true);
  let over = false;
  const finished = readers.finish(DRAINING).then(() => {
    over = true;
  });
  first.end();
  await first.finish(DRAINING);
  expect(over).toBe(false);
  second.end();
  await finished;
  expect(second.told).toEqual(['drain', 'draining']);
  expect(gone.told).toEqual([]);
});

test('a session that comes late is told the same, once its maker is done', async () => {
  const readers = readerSet();
  readers.drain();
  const [late, later, brief] = [new Noted(), new Noted(), new Noted()];
  readers.add(late);
  expect(late.told).toEqual([]);
  readers.add(brief)();
  await Promise.resolve();
  expect([late.told, brief.told]).toEqual([['drain'], []]);
  late.end();
  await readers.finish(DRAINING);
  readers.add(later);
  await Promise.resolve();
  expect(later.told).toEqual(['draining']);
});

test('a session that fails does not keep the others from being told', async () => {
  const readers = readerSet();
  const broken = (): never => {
    throw new Error('broken');
  };
  readers.add({ drain: broken, finish: broken });
  const well = new Noted();
  readers.add(well);
  well.end();
  readers.drain();
  await readers.finish(DRAINING);
  expect(well.told).toEqual(['drain', 'draining']);
});
