/** Sessions when the server stops: who hears what, and when (S2 API §5.10). */

import { expect, test } from '@jest/globals';
import { type LiveSession, SessionRegistry } from '../../src/http/sessions.ts';
import { TailraceError } from '../../src/model/error.ts';

const DRAINING = new TailraceError('draining', 'the server is stopping');

class Noted implements LiveSession {
  readonly heard: string[] = [];
  #end: () => void = () => {};
  readonly #ended = new Promise<void>((resolve) => {
    this.#end = resolve;
  });

  drain(): void {
    this.heard.push('drain');
  }

  finish(error: TailraceError): Promise<void> {
    this.heard.push(error.code);
    return this.#ended;
  }

  end(): void {
    this.#end();
  }
}

test('each session is advised once, ended once, and waited for', async () => {
  const registry = new SessionRegistry();
  const [first, second, gone] = [new Noted(), new Noted(), new Noted()];
  for (const session of [first, second]) registry.add(session);
  const leave = registry.add(gone);
  leave();
  leave();
  expect([registry.size, registry.draining]).toEqual([2, false]);
  registry.drain();
  registry.drain();
  expect(registry.draining).toBe(true);
  let over = false;
  const finished = registry.finish(DRAINING).then(() => {
    over = true;
  });
  first.end();
  await first.finish(DRAINING);
  expect(over).toBe(false);
  second.end();
  await finished;
  expect(second.heard).toEqual(['drain', 'draining']);
  expect(gone.heard).toEqual([]);
});

test('one that comes late hears the same, once its maker is done', async () => {
  const registry = new SessionRegistry();
  registry.drain();
  const [late, later, brief] = [new Noted(), new Noted(), new Noted()];
  registry.add(late);
  expect(late.heard).toEqual([]);
  registry.add(brief)();
  await Promise.resolve();
  expect([late.heard, brief.heard]).toEqual([['drain'], []]);
  late.end();
  await registry.finish(DRAINING);
  registry.add(later);
  await Promise.resolve();
  expect(later.heard).toEqual(['draining']);
});

test('one that fails keeps nobody from hearing it', async () => {
  const registry = new SessionRegistry();
  const broken = (): never => {
    throw new Error('broken');
  };
  registry.add({ drain: broken, finish: broken });
  const well = new Noted();
  registry.add(well);
  well.end();
  registry.drain();
  await registry.finish(DRAINING);
  expect(well.heard).toEqual(['drain', 'draining']);
});
