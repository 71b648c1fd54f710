/**
 * Random use of a basin while it moves to and fro between two partitions, with moves that are given up, passes that are
 * repeated, and restarts: what it holds is always what a reference of S2's rules says, and both stores are sound.
 */

import { expect, test } from '@jest/globals';
import { CopiedBlocks } from '../../src/log/move/copied-blocks.ts';
import fc from '../support/fast-check.ts';
import { readAll, texts } from '../support/log-harness.ts';
import { codeOf, MOVE_ID, MOVED, Move, openMove } from '../support/moving-basin.ts';
import { ModelStream } from '../support/s2-model.ts';
import { shareOf } from '../support/share-of.ts';

const NAMES = ['a', 'b', 'c'];
/** Short, so that records expire in most runs. */
const AGE_SECONDS = 60;

interface State {
  move: Move;
  readonly models: Map<string, ModelStream>;
}

type Command = (state: State) => Promise<void>;

const name = fc.constantFrom(...NAMES);
const body = fc.string({ maxLength: 9 });

const append: fc.Arbitrary<Command> = fc
  .tuple(name, fc.array(fc.array(body, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }))
  .map(([which, batches]) => async ({ move: { from }, models }) => {
    const stream = await from.log.openStream(from.basin, which, 'append', { retentionAgeSeconds: AGE_SECONDS });
    const model = models.get(which) ?? new ModelStream(AGE_SECONDS * 1_000);
    models.set(which, model);
    for (const bodies of batches) {
      const [ack] = await from.log.append([{ stream, drafts: [texts(...bodies)] }]);
      expect(ack?.start.seqNum).toBe(model.records.length);
      model.append(
        bodies.map((text) => ({ body: text, timestamp: undefined })),
        from.clock.now(),
      );
    }
  });

const trim: fc.Arbitrary<Command> = fc.tuple(name, fc.nat(30)).map(([which, seqNum]) => async ({ move, models }) => {
  const model = models.get(which);
  if (model === undefined) return;
  await move.from.log.trim(await move.from.stream(which), seqNum);
  model.trim(seqNum);
});

const remove: fc.Arbitrary<Command> = name.map((which) => async ({ move: { from }, models }) => {
  if (!models.delete(which)) return;
  await from.log.deleteStream(from.basin, which);
  await from.log.backgroundSettled();
});

const pass: fc.Arbitrary<Command> = fc.nat(AGE_SECONDS * 600).map((ms) => async ({ move }) => {
  move.from.clock.advance(ms);
  await settled(move);
});

const copy: fc.Arbitrary<Command> = fc.constant(({ move }) => move.copy());

const giveUp: fc.Arbitrary<Command> = fc.boolean().map((isSealed) => async ({ move }) => {
  if (isSealed) await move.seal().then(() => move.copy());
  await move.to.log.moves.forget(MOVED, MOVE_ID);
  await move.from.log.moves.unseal(MOVED, MOVE_ID);
  await settled(move);
  move.copied = new CopiedBlocks();
});

const restart: fc.Arbitrary<Command> = fc.constant(async ({ move }) => {
  move.from = await move.from.reopen();
  move.to = await move.to.reopen();
  move.copied = new CopiedBlocks();
});

/** The last steps; a crash in between, and a pass that is repeated. */
const finish: fc.Arbitrary<Command> = fc.tuple(fc.boolean(), fc.nat(2)).map(([crashes, repeats]) => async (state) => {
  const { move } = state;
  await move.seal();
  if (crashes) {
    move.from = await move.from.reopen();
    move.copied = new CopiedBlocks();
  }
  expect(await codeOf(() => move.from.append('a', 'late'))).toBe('unavailable');
  for (let i = 0; i <= repeats; i++) await move.copy();
  await expectSound(state);
  if (crashes) move.to = await move.to.reopen();
  await move.end();
  await expectSound(state);
  await settled(move);
  state.move = new Move(move.to, move.from);
});

const commands = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: append },
    { weight: 2, arbitrary: trim },
    { weight: 1, arbitrary: remove },
    { weight: 1, arbitrary: pass },
    { weight: 2, arbitrary: copy },
    { weight: 1, arbitrary: giveUp },
    { weight: 1, arbitrary: restart },
    { weight: 2, arbitrary: finish },
  ),
  { minLength: 3, maxLength: 24 },
);

test('a basin that moves holds what the reference says, and both stores are sound after every step', async () => {
  const property = fc.asyncProperty(commands, finish, async (list, last) => {
    const state = { move: await openMove(), models: new Map<string, ModelStream>() };
    for (const command of [...list, last]) {
      await command(state);
      await expectSound(state);
      await expectModels(state);
    }
    expect([...state.move.from.faults, ...state.move.to.faults]).toEqual([]);
  });
  await fc.assert(property, { numRuns: shareOf(60) });
}, 60_000);

async function settled({ from, to }: Move): Promise<void> {
  await from.log.backgroundSettled();
  await to.log.backgroundSettled();
}

async function expectSound({ move }: State): Promise<void> {
  expect(await move.damage()).toEqual([]);
}

async function expectModels({ move: { from }, models }: State): Promise<void> {
  expect(await from.streams()).toEqual([...models.keys()].sort());
  for (const [which, model] of models) {
    const stream = await from.stream(which);
    expect(await from.log.checkTail(stream)).toEqual(model.tail);
    const wanted = model.records.slice(model.floor(from.clock.now()));
    const found = await readAll(from.log, stream);
    expect(found).toEqual(wanted.map(({ seqNum, timestamp, body: text }) => ({ seqNum, timestamp, body: text })));
  }
}
