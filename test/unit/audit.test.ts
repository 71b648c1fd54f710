/** The audit log by itself: how many refusals it writes, and that it counts the others. */

import { beforeEach, expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import { AUDIT_REFUSALS_PER_SECOND_MAX as MOST } from '../../src/model/limits.ts';
import { Audit, type AuditSubject } from '../../src/observe/audit.ts';
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
