/** Rows of basins that move: frozen bytes, and the refusal of bytes in another shape. */

import { expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import type { Entry, Write } from '../../src/storage/engine.ts';
import { isPending, pendingKey } from '../../src/storage/keys.ts';
import * as moves from '../../src/storage/move-rows.ts';
import { readTransfer, writeBackup } from '../../src/storage/offline/backup-format.ts';
import { codeOf } from '../support/moving-basin.ts';

const id = '00112233445566778899aabbccddeeff';
const basin = Uint8Array.of(1, 2);
const IN = { name: 'moved', id, from: 2 };
const HEAD = { number: 5, name: 'moved', basin };

function bytesOf(row: Write | Entry): readonly [key: string, value: string] {
  const value = 'value' in row ? row.value : new Uint8Array(0);
  return [Buffer.from(row.key).toString('hex'), Buffer.from(value).toString('hex')];
}

function fromHex(hex: string): Uint8Array {
  return Buffer.from(hex, 'hex');
}

const OUT_VALUE = `0193a56d6f766564c410${id}03`;
const COPIED_VALUE = `0195a56d6f766564c410${id}0201c0`;
const READY_VALUE = `0195a56d6f766564c410${id}0202c4020102`;

test('rows of moves have the bytes that are on disk', () => {
  expect(bytesOf(moves.moveOutRow(5, { name: 'moved', id, to: 3 }))).toEqual(['09050000000000000005', OUT_VALUE]);
  expect(moves.decodeMoveOut(fromHex(OUT_VALUE))).toEqual({ name: 'moved', id, to: 3 });
  const copied = { ...IN, stage: 'copied', basin: undefined } as const;
  expect(bytesOf(moves.moveInRow(5, copied))).toEqual(['09060000000000000005', COPIED_VALUE]);
  expect(moves.decodeMoveIn(fromHex(COPIED_VALUE))).toEqual(copied);
  const ready = { ...IN, stage: 'ready', basin } as const;
  expect(bytesOf(moves.moveInRow(5, ready))).toEqual(['09060000000000000005', READY_VALUE]);
  expect(moves.decodeMoveIn(fromHex(READY_VALUE))).toEqual(ready);
  expect(Buffer.from(pendingKey('basinRemoval', 5)).toString('hex')).toBe('09070000000000000005');
  expect(Buffer.from(pendingKey('streamRemoval', 5)).toString('hex')).toBe('09080000000000000005');
});

test('the head of a pass says what the pass is', () => {
  for (const head of [
    { ...HEAD, pass: 'first', id: undefined } as const,
    { ...HEAD, pass: 'rest', id } as const,
    { ...HEAD, pass: 'whole', id } as const,
  ]) {
    expect(moves.readMoveHead(moves.moveHeadRow(head))).toEqual(head);
  }
  const head = moves.moveHeadRow({ ...HEAD, pass: 'rest', id });
  expect(bytesOf(head)).toEqual(['09060000000000000005', `0194a56d6f76656401c410${id}c4020102`]);
});

test('bytes in another shape are corrupt', async () => {
  const out = [`0193a56d6f766564c40f${id.slice(2)}03`, '0193a56d6f766564a003', '019103', ''];
  for (const hex of out) expect(await codeOf(() => moves.decodeMoveOut(fromHex(hex)))).toBe('corrupt');
  const coming = [READY_VALUE.replace('02c402', '01c402'), COPIED_VALUE.replace('01c0', '02c0'), OUT_VALUE];
  for (const hex of coming) expect(await codeOf(() => moves.decodeMoveIn(fromHex(hex)))).toBe('corrupt');
  const value = fromHex(COPIED_VALUE);
  expect(await codeOf(() => moves.readMoveHead({ key: pendingKey('moveIn', 5), value }))).toBe('corrupt');
  const head = moves.moveHeadRow({ ...HEAD, pass: 'first', id: undefined });
  expect(await codeOf(() => moves.readMoveHead({ ...head, key: pendingKey('moveOut', 5) }))).toBe('corrupt');
  expect(isPending(head.key, 'moveIn')).toBe(true);
});

test('rows go from node to node in any order, and are not complete when they are cut short', async () => {
  const rows = [9, 3, 5, 3].map((byte) => ({ key: Buffer.of(byte), value: Buffer.alloc(byte, byte) }));
  const pages = [rows.slice(0, 2), [], rows.slice(2)];
  const parts = await all(writeBackup(each(pages), 1_000));
  expect((await all(readTransfer(each(parts)))).flat()).toEqual(rows);
  expect(await codeOf(() => all(readTransfer(each(parts.slice(0, -1)))))).toBe('corrupt');
  const damaged = parts.map((part, i) => (i === 1 ? Buffer.from(part).fill(0, 12) : part));
  expect(await codeOf(() => all(readTransfer(each(damaged))))).toBe('corrupt');
  const failing = (async function* (): AsyncGenerator<readonly Entry[]> {
    yield rows;
    throw new TailraceError('unavailable', 'told to fail');
  })();
  expect(await codeOf(() => all(writeBackup(failing, 1_000)))).toBe('unavailable');
});

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
