/** The status of a call of gRPC: its code, its message in a header, and when to send again. */

import { describe, expect, test } from '@jest/globals';
import { statusOf } from '../../src/http/grpc/reply.ts';
import { OTLP_STATUS } from '../../src/http/status.ts';
import { type ErrorCode, TailraceError } from '../../src/model/error.ts';
import { GRPC_MESSAGE_BYTES_MAX } from '../../src/model/limits.ts';
import { retryAfterIn } from '../support/grpc-call.ts';

const CODES = Object.keys(OTLP_STATUS) as ErrorCode[];
/** The status of gRPC that goes with each status of HTTP (OTLP specification, and the page of the receiver). */
const BY_STATUS: ReadonlyMap<number, string> = new Map([
  [400, '3'],
  [401, '16'],
  [403, '7'],
  [404, '5'],
  [405, '12'],
  [413, '8'],
  [415, '12'],
  [429, '14'],
  [500, '13'],
  [503, '14'],
  [504, '4'],
]);
const EXCHANGE = { correlationId: 'the-id', hiddenPrefix: 'tenant-1/' };

function decoded(status: ReturnType<typeof statusOf>): {
  readonly message: string;
  readonly retryAfter: number | undefined;
} {
  const details = status['grpc-status-details-bin'];
  const message = decodeURIComponent(String(status['grpc-message']));
  return {
    message,
    retryAfter: details === undefined ? undefined : retryAfterIn(Buffer.from(String(details), 'base64')),
  };
}

describe('the status of a call', () => {
  test.each(CODES)(
    'of the error %s goes with that of HTTP, and says when to send again where that may help',
    (code) => {
      const status = statusOf(EXCHANGE, new TailraceError(code, 'a message'));
      expect(status['grpc-status']).toBe(BY_STATUS.get(OTLP_STATUS[code]));
      const { retryAfter } = decoded(status);
      if (status['grpc-status'] === '14') expect([1, 5]).toContain(retryAfter);
      else expect(retryAfter).toBeUndefined();
    },
  );

  test('says the seconds of the error, from 1 to 5', () => {
    for (const [given, said] of [
      [0.2, 1],
      [3, 3],
      [60, 5],
    ] as const) {
      const error = new TailraceError('rate_limited', 'wait', { detail: { retryAfterSeconds: given } });
      expect(decoded(statusOf(EXCHANGE, error)).retryAfter).toBe(said);
    }
  });

  test('tells nothing of a fault but the correlation id, and hides the prefix of a token', () => {
    const fault = decoded(statusOf(EXCHANGE, new TailraceError('internal', 'secret insides')));
    expect(fault.message).toContain('the-id');
    expect(fault.message).not.toContain('insides');
    const denied = decoded(statusOf(EXCHANGE, new TailraceError('permission_denied', 'not on `tenant-1/orders`')));
    expect(denied.message).toBe('not on `orders`');
  });

  test('is a header whatever is in the message, and decodes to it', () => {
    const message = 'zürich 100% "世界" 🌍\r\nx-evil: 1\u0000\u007f~';
    const header = String(statusOf(EXCHANGE, new TailraceError('invalid', message))['grpc-message']);
    expect(header).toMatch(/^[ -~]*$/);
    expect(decodeURIComponent(header)).toBe(message);
  });

  test.each(['x', '%', 'é', '世', '🌍'])(
    'has at most its limit of bytes, and no half of a character such as %s',
    (text) => {
      const message = text.repeat(GRPC_MESSAGE_BYTES_MAX);
      const status = statusOf(EXCHANGE, new TailraceError('overloaded', message));
      const header = String(status['grpc-message']);
      const each = encodeURIComponent(text).length;
      expect(header.length).toBe(each * Math.floor(GRPC_MESSAGE_BYTES_MAX / each));
      expect(message.startsWith(decodeURIComponent(header))).toBe(true);
      expect(String(status['grpc-status-details-bin']).length).toBeLessThan(2 * GRPC_MESSAGE_BYTES_MAX);
      expect(decoded(status).retryAfter).toBe(1);
    },
  );
});
