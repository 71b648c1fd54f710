/** Configurations as flags and as printed lines: a flag that is given is sent, one that is absent is not. */

import { describe, expect, test } from '@jest/globals';
import { Command } from 'commander';
import { duration } from '../../cli/flags/arguments.ts';
import {
  addBasinConfigFlags,
  addStreamConfigFlags,
  addUnsetFlag,
  basinConfigOf,
  expectChange,
  streamConfigOf,
} from '../../cli/flags/config.ts';
import { basinConfigLines, streamConfigLines } from '../../cli/print/config.ts';
import { formatSpan } from '../../cli/print/format.ts';

function parsed(kind: 'basin' | 'stream', args: readonly string[]): Record<string, unknown> {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  const flagged = kind === 'basin' ? addBasinConfigFlags(command) : addStreamConfigFlags(command);
  return addUnsetFlag(flagged, kind).parse(args, { from: 'user' }).opts();
}

const stream = (...args: string[]) => streamConfigOf(parsed('stream', args));
const basin = (...args: string[]) => basinConfigOf(parsed('basin', args));

describe('configuration flags', () => {
  test('send nothing when none is given', () => {
    expect(stream()).toEqual({});
    expect(basin()).toEqual({});
    expect(() => expectChange(stream(), 'streams reconfigure')).toThrow(expect.objectContaining({ code: 'config' }));
  });

  test.each([
    [['--storage-class', 'standard'], { storage_class: 'standard' }],
    [['--retention-policy', '7d'], { retention_policy: { age: 604_800 } }],
    [['--retention-policy', 'infinite'], { retention_policy: { infinite: {} } }],
    [['--retention-age', '1y'], { retention_policy: { age: 31_557_600 } }],
    [['--retention-bytes', '10GiB'], { retention_bytes: 10_737_418_240 }],
    [['--timestamping-mode', 'arrival'], { timestamping: { mode: 'arrival' } }],
    [['--timestamping-uncapped', 'false'], { timestamping: { uncapped: false } }],
    [['--delete-on-empty-min-age', '0s'], { delete_on_empty: { min_age_secs: 0 } }],
    [['--unset', 'storage-class'], { storage_class: null }],
    [['--unset', 'retention-policy,retention-bytes'], { retention_policy: null, retention_bytes: null }],
    [
      ['--unset', 'timestamping-mode', '--timestamping-uncapped', 'true'],
      { timestamping: { mode: null, uncapped: true } },
    ],
    [['--unset', 'delete-on-empty-min-age'], { delete_on_empty: { min_age_secs: null } }],
  ])('%j become the configuration of a stream', (args, config) => {
    expect(stream(...args)).toEqual(config);
    expect(basin(...args)).toEqual({ default_stream_config: config });
  });

  test.each([
    [['--create-stream-on-append'], { create_stream_on_append: true }],
    [['--no-create-stream-on-append'], { create_stream_on_append: false }],
    [['--create-stream-on-read'], { create_stream_on_read: true }],
    [['--no-create-stream-on-read'], { create_stream_on_read: false }],
    [['--stream-cipher', 'aes-256-gcm'], { stream_cipher: 'aes-256-gcm' }],
    [['--stream-cipher', 'aegis-256'], { stream_cipher: 'aegis-256' }],
    [['--cipher', 'aes-256-gcm'], { stream_cipher: 'aes-256-gcm' }],
    [['--unset', 'stream-cipher'], { stream_cipher: null }],
    [['--otlp-default-stream', ''], { otlp_default_stream: '' }],
    [
      ['--oidc-issuer', 'https://i', '--oidc-audience', 'a', '--oidc-jwks-uri', 'https://i/keys'],
      { oidc: { issuer: 'https://i', audience: 'a', jwks_uri: 'https://i/keys' } },
    ],
    [['--unset', 'oidc'], { oidc: null }],
  ])('%j become the configuration of a basin', (args, config) => {
    expect(basin(...args)).toEqual(config);
  });
});

describe('an outside issuer', () => {
  test.each([
    [['--oidc-issuer', 'https://i', '--oidc-audience', 'a']],
    [['--oidc-issuer', 'https://i', '--oidc-jwks-uri', 'https://i/keys']],
    [['--oidc-audience', 'a', '--oidc-jwks-uri', 'https://i/keys']],
    [['--unset', 'oidc', '--oidc-issuer', 'i', '--oidc-audience', 'a', '--oidc-jwks-uri', 'u']],
  ])('is refused as %j', (args) => {
    expect(() => basin(...args)).toThrow(
      expect.objectContaining({ code: 'config', message: expect.stringMatching(/--oidc-/) }),
    );
  });

  test('is printed without its keys', () => {
    const oidc = { issuer: 'https://i', audience: 'a' };
    const lines = (value: object | null) => basinConfigLines({ oidc: value as null }).split('\n');
    expect(lines({ ...oidc, jwks_uri: 'https://i/keys' })).toEqual(
      expect.arrayContaining([
        'oidc-issuer              https://i',
        'oidc-audience            a',
        'oidc-jwks                https://i/keys',
      ]),
    );
    expect(lines({ ...oidc, jwks: { keys: [] } })).toContain('oidc-jwks                kept here');
    expect(lines(null)).toContain('oidc                     none');
  });
});

describe('printed lines', () => {
  test('describe a stream', () => {
    const config = {
      storage_class: 'express',
      retention_policy: { age: 93_784 },
      retention_bytes: null,
      timestamping: { mode: 'arrival', uncapped: true },
      delete_on_empty: { min_age_secs: 0 },
    };
    expect(streamConfigLines(config).split('\n')).toEqual([
      'storage-class            express',
      'retention-policy         1d2h3m4s',
      'retention-bytes          no bound',
      'timestamping-mode        arrival',
      'timestamping-uncapped    true',
      'delete-on-empty-min-age  off',
    ]);
  });

  test('describe a basin of a server that lacks our own fields or sends values that are not text', () => {
    const lines = basinConfigLines({ default_stream_config: null, stream_cipher: 'x\u001b[2J' });
    expect(lines).toContain('stream-cipher            x\\x1b[2J');
    expect(lines).toContain('retention-policy         not set');
    expect(lines).not.toContain('otlp-default-stream');
  });
});

test('a printed duration reads back as the same duration', () => {
  for (const seconds of [0, 1, 59, 60, 3_601, 86_400, 604_800, 31_557_600]) {
    expect(duration(formatSpan(seconds))).toBe(seconds * 1_000);
  }
});
