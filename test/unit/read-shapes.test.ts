/** The frames that are rare on a real socket are described as they are made; those that are common are held against the description where sockets are. */

import { describe, expect, test } from '@jest/globals';
import { TailraceError } from '../../src/model/error.ts';
import { SUBPROTOCOLS } from '../../src/readers/encoders.ts';
import { framesOf } from '../../src/readers/read-shapes.ts';
import {
  caughtUpFrame,
  errorFrame,
  gapFrame,
  heartbeatFrame,
  helloFrame,
  helloManyFrame,
  joinedFrame,
  leftFrame,
  levelFrame,
  passedFrame,
} from '../../src/socket/control-frames.ts';

const AT = { seqNum: 7, timestamp: 1_700_000_000_000 };
const OF = { name: 'shop', id: '7' };
const GONE = new TailraceError('stream_deletion_pending', 'it is being deleted');
const FULL = new TailraceError('range_not_satisfiable', 'beyond', { detail: { tail: AT, retryAfterSeconds: 1 } });

function describedAs(subprotocol: string, frame: string): string {
  const value = JSON.parse(frame) as { type: string };
  const shape = framesOf(subprotocol)[value.type];
  if (shape === undefined) return `${value.type} is not described`;
  return shape.strict().safeParse(value).error?.message ?? 'as it is';
}

describe.each([...SUBPROTOCOLS])('%s', (name, make) => {
  const { words } = make('raw');

  test.each([
    ['hello', helloFrame(words, 'telemetry', 'shop', '7')],
    ['hello of many', helloManyFrame('telemetry')],
    ['joined', joinedFrame(words, [{ ...OF, next: 12 } as Parameters<typeof joinedFrame>[1][number]])],
    ['left', leftFrame(words, OF as Parameters<typeof leftFrame>[1], GONE)],
    ['caught_up of many', levelFrame('caught_up', 3)],
    ['heartbeat of many', levelFrame('heartbeat', 3)],
    ['caught_up', caughtUpFrame(words, AT)],
    ['heartbeat', heartbeatFrame(words, AT)],
    ['passed', passedFrame(words, AT)],
    ['gap', gapFrame(0, 7)],
    ['error', errorFrame(words, FULL)],
  ])('describes the frame %s as it is made', (_what, frame) => {
    expect(describedAs(name, frame)).toBe('as it is');
  });

  test('notices a frame with a field that is not described, and one without a field that is', () => {
    expect(describedAs(name, '{"type":"gap","from":0,"to":7,"more":1}')).toContain('more');
    expect(describedAs(name, '{"type":"gap","from":0}')).toContain('to');
  });
});
