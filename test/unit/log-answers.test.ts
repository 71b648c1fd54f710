/** Answers that are kept for repeats: until their time is over, within a bound, and only with their append. */

import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { Answers } from '../../src/log/answers.ts';
import { CommitQueue } from '../../src/log/commit-queue.ts';
import { Log } from '../../src/log/log.ts';
import { NO_OBSERVER } from '../../src/log/observer.ts';
import { TailraceError } from '../../src/model/error.ts';
import {
  ANSWER_END,
  answerEndKey,
  answerEnds,
  answerKey,
  encodeAnswer,
  readAnswerEndKey,
  readAnswerKey,
} from '../../src/storage/answer-rows.ts';
import { draftRecords } from '../../src/storage/block/seal.ts';
import { BASIN, HeldEngine, TestClock, turn } from '../support/log-harness.ts';

const digestOf = (text: string) => createHash('sha256').update(text).digest();
const record = () => draftRecords([{ headers: [], body: Buffer.from('x'), timestamp: 1 }]);

async function opened(engine = new HeldEngine(), clock = new TestClock()) {
  const log = await Log.open(engine, { clock, onFatal: () => {} });
  await log.ensureBasin('telemetry', BASIN);
  const basin = log.basin('telemetry');
  if (basin === undefined) throw new Error('no basin');
  let done = 0;
  /** A request with that content; returns its answer. */
  const request = async (text: string, seconds = 60): Promise<string> => {
    const digest = digestOf(text);
    const answer = await log.once(basin, digest, async () => {
      const stream = await log.openStream(basin, 'stream', 'append');
      const own = Buffer.from(`answer ${++done}`);
      await log.append([{ stream, drafts: [record()] }], { digest, seconds, answer: own });
      return own;
    });
    return Buffer.from(answer).toString();
  };
  const tail = async () => (await log.checkTail(await log.getStream(basin, 'stream'))).seqNum;
  const ends = async () => (await engine.scan({ ...answerEnds(), limit: 1_000_000 })).length;
  return { log, engine, clock, basin, request, tail, ends };
}

test('a repeat gets the first answer until its time is over, and then is done again', async () => {
  const { request, clock, tail } = await opened();
  expect([await request('a'), await request('a'), await request('b')]).toEqual(['answer 1', 'answer 1', 'answer 2']);
  clock.advance(59_999);
  expect(await request('a')).toBe('answer 1');
  clock.advance(1);
  expect(await request('a')).toBe('answer 3');
  expect(await request('a')).toBe('answer 3');
  expect(await tail()).toBe(3);
});

test('an answer that was renewed outlives the end of the first one', async () => {
  const { log, request, clock, ends } = await opened();
  await request('a', 60);
  clock.advance(60_000);
  await request('a', 60);
  clock.advance(1_000);
  await log.backgroundSettled();
  expect(await request('a', 60)).toBe('answer 2');
  expect(await ends()).toBe(1);
});

test('repeats of a request under way wait for it and share its answer, or its error', async () => {
  const { log, engine, basin, request, tail } = await opened();
  engine.hold();
  const waiting = Promise.all([request('a'), request('a'), request('a')]);
  await turn();
  engine.release();
  expect(await waiting).toEqual(['answer 1', 'answer 1', 'answer 1']);
  expect(await tail()).toBe(1);
  let calls = 0;
  const failing = () =>
    log.once(basin, digestOf('c'), () => {
      calls++;
      return Promise.reject(new TailraceError('rate_limited', 'too many'));
    });
  const results = await Promise.allSettled([failing(), failing()]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(calls).toBe(1);
  await expect(failing()).rejects.toMatchObject({ code: 'rate_limited' });
  expect(calls).toBe(2);
});

test('an answer is not kept when its append fails', async () => {
  const { engine, request, ends } = await opened();
  await request('before');
  engine.hold();
  const failed = request('a');
  failed.catch(() => {});
  await engine.settleOne('fail');
  await expect(failed).rejects.toMatchObject({ code: 'storage' });
  engine.release();
  expect(await ends()).toBe(1);
  expect(await request('a')).toBe('answer 3');
});

test('answers whose time is over are removed from the store, also after a restart', async () => {
  const first = await opened();
  for (let i = 0; i < 300; i++) await first.request(`request ${i}`, i < 200 ? 10 : 1_000);
  await first.log.close();
  first.clock.advance(10_000);
  const { log, ends, request, clock } = await opened(first.engine, first.clock);
  await log.backgroundSettled();
  expect(await ends()).toBe(100);
  expect(await request('request 299')).toBe('answer 300');
  clock.advance(1_000_000);
  await log.backgroundSettled();
  expect(await ends()).toBe(0);
});

test('beyond their bound the oldest answers go', async () => {
  const engine = new HeldEngine();
  const clock = new TestClock();
  const commits = new CommitQueue(engine, { clock, observer: NO_OBSERVER, onFailure: () => {} });
  let nudged = 0;
  const answers = new Answers({ engine, commits, clock, nudge: () => nudged++, keptMax: 300 });
  const keep = (i: number) =>
    engine.commit(answers.rowsOf(7, { digest: digestOf(String(i)), seconds: 60 + i, answer: Buffer.of(1) }));
  const kept = async () => (await engine.scan({ ...answerEnds(), limit: 1_000 })).map(({ key }) => key);
  for (let i = 0; i < 300; i++) await keep(i);
  expect(nudged).toBe(0);
  for (let i = 300; i < 500; i++) await keep(i);
  expect(nudged).toBe(200);
  await answers.sweep();
  const ends = (await kept()).map((key) => readAnswerEndKey(key).untilMs - clock.now());
  expect(ends).toEqual(Array.from({ length: 300 }, (_, i) => (260 + i) * 1_000));
});

test('the rows of an answer have the bytes that the format says', () => {
  const name = { basin: 258, digest: Buffer.alloc(32, 0xab), untilMs: 1_790_000_059_000 };
  const digest = 'ab'.repeat(32);
  expect(Buffer.from(answerKey(name)).toString('hex')).toBe(`0a010000000000000102${digest}000001a0c4515278`);
  expect(Buffer.from(answerEndKey(name)).toString('hex')).toBe(`0a02000001a0c45152780000000000000102${digest}`);
  expect(readAnswerKey(answerKey(name))).toEqual(name);
  expect(readAnswerEndKey(answerEndKey(name))).toEqual(name);
  expect(Buffer.from(encodeAnswer(Buffer.from('{}'))).toString('hex')).toBe('0191c4027b7d');
  expect(Buffer.from(ANSWER_END).toString('hex')).toBe('0190');
  for (const key of [answerKey(name).subarray(1), answerEndKey(name)]) {
    expect(() => readAnswerKey(key)).toThrow(expect.objectContaining({ code: 'corrupt' }));
  }
});
