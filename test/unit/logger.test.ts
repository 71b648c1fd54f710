/** What a log line must not contain, even when the code logs it by mistake. */

import { describe, expect, test } from '@jest/globals';
import { correlationId } from '../../src/observe/correlation-id.ts';
import { createLogger, type LogFields, redactingLogger, SECRET_FIELDS } from '../../src/observe/logger.ts';
import { redact } from '../../src/observe/redact.ts';

const HEX = '0123456789abcdef0123456789abcdef0123456789abcdef';
const TOKEN = `trk_${HEX}`;
const JWT = 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJzaG9wIn0.c2lnbmF0dXJlLW9mLWEtdG9rZW4';
/** This secret has no fixed shape: an operator may choose any root token. */
const CHOSEN = 'correct horse battery staple, and more of it';

function lineOf(fields: LogFields, message = 'a sentence'): string {
  const lines: string[] = [];
  createLogger('debug', { write: (line) => lines.push(line) }).debug(fields, message);
  expect(lines).toHaveLength(1);
  // Redaction keeps the line valid JSON.
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'debug' });
  return lines[0] ?? '';
}

describe('a log line', () => {
  test.each(SECRET_FIELDS)('hides the field %s, also in a request that is logged whole', (name) => {
    expect(lineOf({ [name]: CHOSEN })).not.toContain(CHOSEN);
    expect(lineOf({ headers: { [name]: CHOSEN } })).not.toContain(CHOSEN);
    expect(lineOf({ request: { headers: { [name]: CHOSEN } } })).not.toContain(CHOSEN);
    expect(lineOf({ other: CHOSEN })).toContain(CHOSEN);
  });

  test('hides what looks like a secret, at any place', () => {
    expect(lineOf({ path: `/v1/streams/${TOKEN}/records` })).toContain('"path":"/v1/streams/[secret]/records"');
    expect(lineOf({}, `refused GET /${TOKEN}: no`)).toContain('refused GET /[secret]: no');
    expect(lineOf({ rawHeaders: ['authorization', `Bearer ${CHOSEN.replaceAll(/\W/g, '')}`] })).toContain(
      'Bearer [secret]',
    );
    const stack = lineOf({ err: new Error(`it was ${TOKEN}`, { cause: new Error(JWT) }) });
    expect(stack).not.toContain(HEX);
    expect(stack).not.toContain(JWT.slice(-20));
  });
});

describe('redaction', () => {
  test.each([
    [TOKEN, '[secret]'],
    [`tkt_${HEX}, and more`, '[secret], and more'],
    [`trk%5F${HEX}`, '[secret]'],
    [TOKEN.toUpperCase(), '[secret]'],
    // With one typing error: too short, too long, another letter.
    [TOKEN.slice(0, -1), '[secret]'],
    [`${TOKEN}a`, '[secret]'],
    [`${TOKEN.slice(0, -1)}x`, '[secret]'],
    [JWT, '[secret]'],
    [JWT.replaceAll('c', '%63'), '[secret]'],
    [`/x%2F${JWT}/y`, '/x%2F[secret]/y'],
    [JWT.slice(0, JWT.lastIndexOf('.')), '[secret]'],
    [`bearer.${CHOSEN.replaceAll(/\W/g, '')}`, 'bearer.[secret]'],
    ['/path?token=short&limit=3', '/path?token=[secret]&limit=3'],
    ['access_token=short', 'access_token=[secret]'],
  ])('hides a secret in: %s', (text, expected) => {
    expect(redact(text)).toBe(expected);
  });

  test.each([
    'a sentence about a Bearer token',
    '/v1/streams/some_stream/records',
    `trace ${HEX.slice(0, 32)}`,
    // A hash of 40 digits after a name: a commit, a build.
    `build_${HEX.slice(0, 40)}`,
    HEX,
    'sha256:'.concat(HEX, '0123456789abcdef'),
  ])('leaves alone: %s', (text) => {
    expect(redact(text)).toBe(text);
  });
});

test('a text of only beginnings of secrets does not block the server', () => {
  // A search that starts again at each of them takes minutes.
  for (const start of ['eyJ', 'eyJ%', 'eyJ-', 'a_', 'bearer ', '?token']) {
    const text = start.repeat(2 ** 18 / start.length);
    expect(redact(text)).toBe(text);
  }
});

test('the logger of an embedder receives no secrets', () => {
  const told: unknown[] = [];
  const tell = (fields: LogFields, message: string): unknown => told.push([fields, message]);
  const logger = redactingLogger({ debug: tell, info: tell, warn: tell, error: tell });
  for (const level of ['debug', 'info', 'warn', 'error'] as const) logger[level]({ id: TOKEN, count: 1 }, `saw ${JWT}`);
  expect(told).toEqual(Array(4).fill([{ id: '[secret]', count: 1 }, 'saw [secret]']));
});

test('a correlation id is accepted unless it is a secret', () => {
  expect(correlationId('mine-1')).toBe('mine-1');
  for (const secret of [TOKEN, TOKEN.slice(0, -1), JWT]) expect(correlationId(secret)).not.toContain(secret.slice(-20));
});
