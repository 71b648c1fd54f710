/** The audit log by itself: how many refusals it writes, and that it counts the others. */

import { beforeEach, describe, expect, test } from '@jest/globals';
import { auditPart } from '../../src/http/account-part.ts';
import { TailraceError } from '../../src/model/error.ts';
import {
  AUDIT_KEPT_BYTES_MAX,
  AUDIT_KEPT_LINES_MAX,
  AUDIT_TEXT_CHARS_MAX,
  AUDIT_REFUSALS_PER_SECOND_MAX as MOST,
  STREAM_NAME_BYTES_MAX,
} from '../../src/model/limits.ts';
import { Audit, type AuditSubject } from '../../src/observe/audit.ts';
import { mergeLines } from '../../src/observe/audit-lines.ts';
import type { LogFields } from '../../src/observe/logger.ts';
import { ManualClock } from '../support/socket-clock.ts';

const SUBJECT: AuditSubject = { action: 'delete-basin', protocol: 'http', principal: 'alice', principalNumber: 1 };
const STRANGER: AuditSubject = { ...SUBJECT, principal: 'unknown', principalNumber: undefined };
const REFUSED = new TailraceError('permission_denied', 'no');
const FAILED = new TailraceError('basin_not_found', 'nowhere');

let clock: ManualClock;
let lines: { level: string; fields: LogFields }[];
let audit: Audit;

beforeEach(() => {
  clock = new ManualClock();
  lines = [];
  const take = (level: string) => (fields: LogFields) => void lines.push({ level, fields });
  audit = new Audit({ debug: take('debug'), info: take('info'), warn: take('warn'), error: take('error') }, clock);
});

function times(count: number, subject: AuditSubject, error?: TailraceError): void {
  for (let i = 0; i < count; i++) audit.write(subject, error);
}

const heldBack = (): unknown[] => lines.map(({ fields }) => fields.count).filter((count) => count !== undefined);

test('all refusals up to the limit per second are written', () => {
  times(MOST, SUBJECT, REFUSED);
  clock.advance(2_000);
  expect([lines.length, heldBack()]).toEqual([MOST, []]);
});

test('refusals beyond the limit are counted, in one line per second', () => {
  times(MOST + 3, SUBJECT, REFUSED);
  expect(lines.length).toBe(MOST);
  clock.advance(1_000);
  expect([lines.length, heldBack()]).toEqual([MOST + 1, [3]]);
  times(MOST + 2, SUBJECT, REFUSED);
  audit.close();
  audit.close();
  expect([lines.length, heldBack()]).toEqual([2 * MOST + 2, [3, 2]]);
});

test('actions are never held back, whether they succeed or fail', () => {
  times(MOST + 1, SUBJECT, REFUSED);
  times(MOST + 1, SUBJECT);
  times(MOST + 1, SUBJECT, FAILED);
  expect(lines.filter(({ level }) => level === 'info').length).toBe(2 * (MOST + 1));
});

test('a failed action of an unknown caller is limited like a refusal', () => {
  times(MOST + 1, STRANGER, FAILED);
  audit.close();
  expect([lines.length, heldBack()]).toEqual([MOST + 1, [1]]);
  // An id may be any text: only a caller without a token number is unknown.
  times(MOST + 1, { ...SUBJECT, principal: 'unknown' }, FAILED);
  expect(lines.length).toBe(2 * MOST + 2);
});

test('reads and data operations leave a line only when they are refused', () => {
  for (const action of ['read', 'append', 'list-basins', 'whoami'] as const) {
    audit.write({ ...SUBJECT, action });
    audit.write({ ...SUBJECT, action }, FAILED);
  }
  expect(lines).toEqual([]);
  audit.write({ ...SUBJECT, action: 'read', basin: 'b', stream: 's' }, REFUSED);
  const line = {
    audit: true,
    action: 'read',
    outcome: 'refused',
    error: 'permission_denied',
    reason: 'no',
    stream: 's',
  };
  expect(lines).toMatchObject([{ level: 'warn', fields: line }]);
});

describe('the lines that are kept', () => {
  const kept = (most = 10_000) => {
    const { lines, ...rest } = audit.newest(most);
    return { ...rest, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
  };
  const withStream = (stream: string): void => audit.write({ ...SUBJECT, stream });

  test('are the last ones, up to the limit, and it is told how many are forgotten', () => {
    for (let i = 0; i < AUDIT_KEPT_LINES_MAX; i++) withStream(`stream-${i}`);
    expect(kept()).toMatchObject({ hasMore: false, forgotten: 0 });
    expect(kept().lines.at(-1)).toMatchObject({ stream: 'stream-0' });
    withStream('one-more');
    const { lines, forgotten } = kept();
    expect([lines.length, forgotten]).toEqual([AUDIT_KEPT_LINES_MAX, 1]);
    expect([lines[0]?.stream, lines.at(-1)?.stream]).toEqual(['one-more', 'stream-1']);
    expect(kept(AUDIT_KEPT_LINES_MAX - 1)).toMatchObject({ hasMore: true, forgotten: 1 });
  });

  test('of actions are pushed out by no refusal, no failure of a stranger and no count of them', () => {
    audit.write({ ...SUBJECT, action: 'delete-stream' });
    for (let i = 0; i < 3 * AUDIT_KEPT_LINES_MAX; i++) {
      audit.write({ ...SUBJECT, action: 'read' }, REFUSED);
      audit.write(STRANGER, FAILED);
      clock.advance(100);
    }
    const { lines } = kept();
    expect(lines).toHaveLength(AUDIT_KEPT_LINES_MAX + 1);
    expect(lines.at(-1)).toMatchObject({ action: 'delete-stream', outcome: 'done' });
  });

  test('are in the order in which they were written, with those that count what was held back', () => {
    audit.write(SUBJECT);
    times(MOST + 3, SUBJECT, REFUSED);
    audit.write({ ...SUBJECT, action: 'create-basin' });
    audit.close();
    const { lines } = kept();
    expect(lines.slice(0, 3)).toMatchObject([
      { action: 'refusals-held-back', outcome: 'refused', count: 3 },
      { action: 'create-basin', outcome: 'done' },
      { action: 'delete-basin', outcome: 'refused', error: 'permission_denied' },
    ]);
    expect(lines.at(-1)).toMatchObject({ action: 'delete-basin', outcome: 'done' });
  });

  test('have all of the longest name of a stream, a part of longer texts, and no more bytes than the limit', () => {
    withStream('s'.repeat(STREAM_NAME_BYTES_MAX));
    audit.write(SUBJECT, new TailraceError('basin_not_found', 'r'.repeat(AUDIT_TEXT_CHARS_MAX + 1)));
    const [failed, named] = kept().lines;
    expect(named?.stream).toBe('s'.repeat(STREAM_NAME_BYTES_MAX));
    expect(failed?.reason).toBe(`${'r'.repeat(AUDIT_TEXT_CHARS_MAX - 1)}…`);
    const wide = '\u0001'.repeat(AUDIT_TEXT_CHARS_MAX);
    for (let i = 0; i < AUDIT_KEPT_LINES_MAX; i++) audit.write({ ...SUBJECT, basin: wide, stream: wide });
    const { lines, forgotten } = audit.newest(10_000);
    const bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0);
    expect(bytes).toBeLessThanOrEqual(AUDIT_KEPT_BYTES_MAX);
    expect(bytes + Buffer.byteLength(lines[0] ?? '')).toBeGreaterThan(AUDIT_KEPT_BYTES_MAX);
    expect(lines.length + forgotten).toBe(AUDIT_KEPT_LINES_MAX + 2);
  });

  test('hold no secret, whichever text it is in', () => {
    const secret = `trk_${'a1'.repeat(24)}`;
    audit.write({ ...SUBJECT, stream: secret, tokenId: `of ${secret}` }, new TailraceError('basin_not_found', secret));
    expect(kept().lines[0]).toMatchObject({ stream: '[secret]', token_id: 'of [secret]', reason: '[secret]' });
  });
});

test('lines of several processes are one list, the newest first, and a process that is asked twice counts once', () => {
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  clock.advance(1_000);
  const other = new Audit(quiet, clock);
  for (const [of, basin] of [
    [audit, 'a'],
    [other, 'b'],
    [audit, 'c'],
    [other, 'd'],
  ] as const) {
    clock.advance(1_000);
    of.write({ ...SUBJECT, basin });
  }
  const merged = (most: number) => {
    const { lines, ...rest } = mergeLines(
      [audit, other, other].map((of) => auditPart(of, most)),
      most,
    );
    return { basins: lines.map((line) => JSON.parse(line).basin), ...rest };
  };
  expect(merged(10)).toEqual({ basins: ['d', 'c', 'b', 'a'], hasMore: false, forgotten: 0, since: other.since });
  expect(merged(2)).toMatchObject({ basins: ['d', 'c'], hasMore: true });
});
