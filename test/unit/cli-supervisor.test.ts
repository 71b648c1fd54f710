/** What a supervisor is told while the server lives, and what it is not told when the server does not do its work. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { aliveEveryMs, supervisorOf } from '../../cli/supervisor.ts';
import { missingForDatagrams, receiveDatagrams } from '../support/datagrams.ts';

const missing = missingForDatagrams();
if (missing !== undefined) process.stderr.write(`skipped: ${missing} is not there\n`);
const dir = mkdtempSync(path.join(tmpdir(), 'tailrace-notify-'));
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('it is told twice in the time after which it would restart the server', () => {
  expect(aliveEveryMs({ WATCHDOG_USEC: '60000000', WATCHDOG_PID: '42' }, 42)).toBe(30_000);
  expect(aliveEveryMs({ WATCHDOG_USEC: '60000000' }, 42)).toBe(30_000);
  expect(aliveEveryMs({ WATCHDOG_USEC: '1' }, 42)).toBe(1);
});

test.each([
  ['that does not ask', {}],
  ['that asks another process', { WATCHDOG_USEC: '60000000', WATCHDOG_PID: '41' }],
  ['that asks in no number', { WATCHDOG_USEC: 'soon' }],
  ['that asks every 0 us', { WATCHDOG_USEC: '0' }],
])('a supervisor %s is not told that the server lives', (_, env) => {
  expect(aliveEveryMs(env, 42)).toBeUndefined();
});

test('without a socket there is no supervisor', () => {
  const parts = { logger: silent, pid: 42, isAlive: () => Promise.resolve(true) };
  expect(supervisorOf({ ...parts, env: {} })).toBeUndefined();
  expect(supervisorOf({ ...parts, env: { NOTIFY_SOCKET: '' } })).toBeUndefined();
});

(missing === undefined ? test : test.skip)(
  'a server that does not do its work, or cannot say so, is not alive until it does',
  async () => {
    const socket = path.join(dir, 'notify');
    const datagrams = await receiveDatagrams(socket);
    let asked = 0;
    const isAlive = (): Promise<boolean> => {
      asked += 1;
      if (asked === 1) return Promise.reject(new Error('the store cannot be asked'));
      return Promise.resolve(asked > 3);
    };
    const env = { ...process.env, NOTIFY_SOCKET: socket, WATCHDOG_USEC: '20000' };
    const supervisor = supervisorOf({ env, logger: silent, pid: 42, isAlive });
    supervisor?.ready('listening');
    await datagrams.saw(/^WATCHDOG=1$/);
    const askedBefore = asked;
    supervisor?.close();
    await datagrams.close();
    expect(askedBefore).toBeGreaterThanOrEqual(4);
    expect(datagrams.messages).toContainEqual(['READY=1', 'STATUS=listening']);
  },
);
