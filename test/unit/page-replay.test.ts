/** When a replay shows which rows: its clock, rows out of order, reads that are late, its end. */

import { expect, test } from '@jest/globals';
import { Replay, type ReplayedRows } from '../../src/page/live/replay.ts';

/** Long after all rows. */
const PRESENT = 1_000_000_000;

interface Given {
  readonly times: readonly number[];
  readonly hasAhead?: boolean;
  readonly present?: number;
}

function opened({ times, hasAhead = false, present = PRESENT }: Given) {
  const loaded = [...times];
  const state = { shown: 0, loads: 0, ended: 0, placed: 0, hasAhead };
  const rows: ReplayedRows = {
    start: 0,
    get loadedEnd() {
      return loaded.length;
    },
    get hasAhead() {
      return state.hasAhead;
    },
    isLoading: false,
    timeAt: (id) => loaded[id],
    showTo: (id) => {
      state.shown = id;
    },
    loadNewer: async () => {
      state.loads++;
    },
  };
  const replay = new Replay(rows, 0, {
    shown: () => {},
    placed: () => {
      state.placed++;
    },
    ended: () => {
      state.ended++;
    },
  });
  let now = 0;
  /** So many milliseconds go by, in steps of ten. */
  const pass = (ms: number): void => {
    for (let left = ms; left > 0; left -= 10) {
      now += 10;
      replay.tick(now, present);
    }
  };
  replay.tick(now, present);
  return { replay, state, loaded, pass };
}

test('rows show when the clock comes to their time, the first one at once', () => {
  const { state, pass } = opened({ times: [1_000, 1_100, 1_250, 5_000] });
  expect(state.shown).toBe(1);
  pass(90);
  expect(state.shown).toBe(1);
  pass(10);
  expect(state.shown).toBe(2);
  pass(150);
  expect(state.shown).toBe(3);
});

test('ten times as fast takes a tenth of the time, from where it is', () => {
  const { replay, state, pass } = opened({ times: [0, 500, 10_500, 10_600] });
  pass(500);
  expect(state.shown).toBe(2);
  replay.speed.value = 10;
  pass(990);
  expect(state.shown).toBe(2);
  pass(10);
  expect(state.shown).toBe(3);
});

test('a paused replay shows nothing more, and time that goes by meanwhile is not made up for', () => {
  const { replay, state, pass } = opened({ times: [0, 100, 200] });
  replay.play(false);
  pass(10_000);
  expect([state.shown, state.placed]).toEqual([1, 1]);
  replay.play(true);
  pass(100);
  expect(state.shown).toBe(2);
});

test('one row whose clock goes ahead is not waited for when rows behind it are due', () => {
  const { state, pass } = opened({ times: [0, 3_600_000, 100, 200, 300] });
  pass(100);
  expect(state.shown).toBe(1);
  pass(100);
  expect(state.shown).toBe(4);
});

test('a row of long ago among others shows with the row before it, and does not bring what is later forward', () => {
  const { state, pass } = opened({ times: [10_000, 10_100, 5, 10_200] });
  pass(50);
  expect(state.shown).toBe(1);
  pass(50);
  expect(state.shown).toBe(3);
});

test('the clock waits for rows that still have to be read', () => {
  const { replay, state, loaded, pass } = opened({ times: [0, 100], hasAhead: true });
  pass(5_000);
  expect(state.shown).toBe(2);
  expect(state.loads).toBeGreaterThan(0);
  expect(replay.clock).toBeLessThan(200);
  loaded.push(150, 400);
  pass(100);
  expect(state.shown).toBe(3);
});

test('a skip goes to the next record, and not beyond it', () => {
  const { replay, state, pass } = opened({ times: [0, 60_000, 60_100] });
  pass(10);
  expect(replay.waitMs).toBe(59_990);
  replay.skip();
  expect([state.shown, replay.clock]).toEqual([2, 60_000]);
});

test('it ends once when everything that is there was shown, and not while more is to be read', () => {
  const more = opened({ times: [0, 10], hasAhead: true });
  more.pass(1_000);
  expect(more.state.ended).toBe(0);
  const { replay, state, pass } = opened({ times: [0, 10] });
  pass(1_000);
  expect([state.ended, replay.isEnded.value]).toEqual([1, true]);
});

test('it ends at the present, also where rows say that they are of the future', () => {
  const { replay, state, pass } = opened({ times: [0, 900, 5_000], present: 1_000 });
  pass(2_000);
  expect([state.shown, state.ended, replay.clock]).toEqual([2, 1, 1_000]);
});
