/** Which socket a supervisor passed, by the variables of sd_listen_fds(3). */

import { expect, test } from '@jest/globals';
import { inheritedSocket } from '../../cli/commands/serve.ts';

test('the one socket that is meant for this process is descriptor 3', () => {
  expect(inheritedSocket({ LISTEN_FDS: '1', LISTEN_PID: '42' }, 42)).toBe(3);
});

test.each([
  ['nothing', {}],
  ['a socket for another process', { LISTEN_FDS: '1', LISTEN_PID: '41' }],
  ['a socket for no process', { LISTEN_FDS: '1' }],
])('%s is no socket', (_, env) => {
  expect(inheritedSocket(env, 42)).toBeUndefined();
});

test.each(['0', '2', 'x', ''])('LISTEN_FDS=%s is refused with advice', (count) => {
  expect(() => inheritedSocket({ LISTEN_FDS: count, LISTEN_PID: '42' }, 42)).toThrow(/must be 1.*one ListenStream/);
});
