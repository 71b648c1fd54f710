/** How the client reads a server's refusals. */

import { describe, expect, test } from '@jest/globals';
import { closeError, describedError, isTemporary, readRefusal, refusalError } from '../../src/client/failures.ts';
import { readPartialSuccess, readStatus } from '../../src/client/otlp-response.ts';
import { TailraceError } from '../../src/model/error.ts';

describe('refusals', () => {
  test('are read by the code in the body first, then by the status', () => {
    const refusal = readRefusal(404, '{"code":"stream_not_found","message":"stream `a` not found"}', null);
    expect(refusalError(refusal, 'read')).toMatchObject({
      code: 'stream_not_found',
      message: 'read: stream `a` not found',
    });
  });

  test.each([
    [400, 'bad_request'],
    [401, 'authn'],
    [403, 'permission_denied'],
    [404, 'not_found'],
    [413, 'too_large'],
    [429, 'rate_limited'],
    [500, 'internal'],
    [502, 'unavailable'],
    [503, 'unavailable'],
    [504, 'unavailable'],
  ])('without a body: %i is %s', (status, code) => {
    expect(refusalError(readRefusal(status, 'not json', null), 'GET /')).toMatchObject({ code });
  });

  test('keep the tail of a 416 and the Retry-After of a 503', () => {
    const range = refusalError(readRefusal(416, '{"tail":{"seq_num":7,"timestamp":9}}', null), 'read');
    expect(range).toMatchObject({ code: 'range_not_satisfiable', detail: { tail: { seqNum: 7, timestamp: 9 } } });
    const busy = refusalError(readRefusal(503, '{"code":"server_draining","message":"bye"}', '3'), 'read');
    expect(busy).toMatchObject({ code: 'draining', detail: { retryAfterSeconds: 3 } });
  });

  test('keep the expected values of a failed condition (412)', () => {
    const seq = refusalError(readRefusal(412, '{"seq_num_mismatch":7}', null), 'append');
    expect(seq).toMatchObject({ code: 'seq_num_mismatch', detail: { seqNum: 7 } });
    expect(seq.message).toBe('append: the next sequence number of the stream is 7');
    const token = refusalError(readRefusal(412, '{"fencing_token_mismatch":"writer-1"}', null), 'append');
    expect(token).toMatchObject({ code: 'fencing_token_mismatch', detail: { fencingToken: 'writer-1' } });
    expect(token.message).toContain('"writer-1"');
    const none = refusalError(readRefusal(412, '{"fencing_token_mismatch":""}', null), 'append');
    expect(none).toMatchObject({ detail: { fencingToken: '' }, message: expect.stringContaining('is none') });
    expect(refusalError(readRefusal(412, '{}', null), 'append').code).toBe('seq_num_mismatch');
  });

  test.each([
    'bad_frame',
    'decryption_failed',
    'transaction_conflict',
    'access_token_not_found',
    'quota_exhausted',
    'basin_deletion_pending',
    'stream_deletion_pending',
    'resource_already_exists',
    'permission_denied',
  ])('keep the code %s', (code) => {
    const body = JSON.stringify({ code, message: 'why' });
    expect(refusalError(readRefusal(400, body, null), 'x')).toMatchObject({ code, message: 'x: why' });
  });

  test('do not take names of object methods for codes', () => {
    expect(refusalError(readRefusal(500, '{"code":"constructor"}', null), 'GET /').code).toBe('internal');
    expect(describedError('__proto__', 'x', {}).code).toBe('internal');
  });
});

describe('close codes', () => {
  test.each([1001, 1006, 1011, 1012, 1013])('%i means: connect again', (code) => {
    expect(closeError(code, undefined)).toBeUndefined();
  });

  test.each([
    [1008, 'permission_denied'],
    [4400, 'bad_request'],
    [4401, 'authn'],
    [4403, 'permission_denied'],
    [4404, 'stream_not_found'],
    [4409, 'stream_replaced'],
    [4416, 'range_not_satisfiable'],
  ])('%i alone is %s', (closeCode, code) => {
    expect(closeError(closeCode, undefined)).toMatchObject({ code });
  });

  test('are less specific than the error frame, which wins', () => {
    const said = new TailraceError('basin_not_found', 'basin `x` not found');
    expect(closeError(4404, said)).toBe(said);
  });

  test('after a temporary error and before a restart do not end the reader', () => {
    expect(closeError(1012, new TailraceError('draining', 'the server is stopping'))).toBeUndefined();
    expect(isTemporary(new TailraceError('draining', ''))).toBe(true);
    expect(isTemporary(new TailraceError('stream_not_found', ''))).toBe(false);
  });
});

describe('OTLP responses', () => {
  const protobuf = Buffer.from([0x0a, 0x06, 0x08, 0xac, 0x02, 0x12, 0x01, 0x78]);

  test('carry partial success in both encodings', () => {
    expect(readPartialSuccess('application/x-protobuf', protobuf)).toEqual({ count: 300, message: 'x' });
    const json = '{"partialSuccess":{"rejectedSpans":"300","errorMessage":"x"}}';
    expect(readPartialSuccess('application/json', Buffer.from(json))).toEqual({ count: 300, message: 'x' });
  });

  test('without content mean that everything was accepted', () => {
    const none = { count: undefined, message: undefined };
    expect(readPartialSuccess('application/x-protobuf', new Uint8Array())).toEqual(none);
    expect(readPartialSuccess('application/json', Buffer.from('{}'))).toEqual(none);
    expect(readPartialSuccess('application/json', Buffer.from('{"partialSuccess":{}}'))).toEqual(none);
  });

  test('carry a Status in both encodings, or plain text of which the first line counts', () => {
    expect(readStatus('application/x-protobuf', protobuf.subarray(2))).toEqual({ count: 300, message: 'x' });
    expect(readStatus('application/json', Buffer.from('{"code":16,"message":"who?"}'))).toEqual({
      count: 16,
      message: 'who?',
    });
    expect(readStatus('text/plain', Buffer.from('404 page not found\nmore')).message).toBe('404 page not found');
  });

  test('that are garbage are read as empty', () => {
    for (const bytes of [[0xff], [0x0a, 0xff, 0xff], [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]]) {
      expect(() => readPartialSuccess('application/x-protobuf', Uint8Array.from(bytes))).not.toThrow();
    }
    expect(readPartialSuccess('application/json', Buffer.from('{'))).toEqual({ count: undefined, message: undefined });
  });
});
