/** What a token decides about OTLP data besides resource attributes: where the data goes, and what is refused. */

import { describe, expect, test } from '@jest/globals';
import { type Principal, principalOf, type Token, unlimited } from '../../src/access/grant.ts';
import { checkIssue, tokenFor } from '../../src/access/tokens/issue.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { ResourceSet } from '../../src/model/scope.ts';
import type { TokenRequest } from '../../src/model/token-request.ts';
import { type RoutePolicy, routeResource } from '../../src/otlp/routing/route.ts';
import { scanRequest } from '../../src/otlp/scan/scan.ts';
import { field } from '../support/otlp-wire.ts';

const NOW = 1_000;

function routed(streamAttribute: readonly number[] | undefined, policy: RoutePolicy) {
  const attribute = streamAttribute && field(1, [...field(1, 's2.stream'), ...field(2, streamAttribute)]);
  const resource = [...(attribute === undefined ? [] : field(1, attribute)), ...field(2, field(2, []))];
  const scanned = scanRequest('logs', Uint8Array.from(field(1, resource)), { requestRecordsMax: 10 });
  return routeResource(scanned, 0, policy);
}

describe('the fixed stream', () => {
  test('comes after s2.stream and before the template of the basin', () => {
    expect(routed(field(1, 'named'), { fixed: 'fixed', fallback: 'fallback' })).toEqual({ stream: 'named' });
    expect(routed(undefined, { fixed: 'fixed', fallback: 'fallback' })).toEqual({ stream: 'fixed' });
    expect(routed(undefined, { fixed: undefined, fallback: 'fallback' })).toEqual({ stream: 'fallback' });
  });

  test('does not replace an invalid s2.stream', () => {
    expect(routed([0x18, 1], { fixed: 'fixed', fallback: 'fallback' })).toHaveProperty('rejected');
  });

  test('is a name, never a template', () => {
    expect(routed(undefined, { fixed: 'of-{service.name}', fallback: '' })).toEqual({ stream: 'of-{service.name}' });
  });
});

describe('issuing a token with a fixed stream', () => {
  test('takes an absolute name: that of an auto-prefixed token begins with the prefix', () => {
    const issued = issue(unlimited('root'), { auto: true, streams: { prefix: 'a/' }, stream: 'a/in' });
    expect([issued.autoPrefix, issued.stream]).toEqual(['a/', 'a/in']);
    expect(principalOf(issued).shown('a/in')).toBe('in');
  });

  test.each(['in', 'a', 'a/', 'b/in'])('refuses the name %s, which lacks the prefix', (stream) => {
    const asked = { auto: true, streams: { prefix: 'a/' }, stream };
    expect(refusal(() => issue(unlimited('root'), asked)).code).toBe('invalid');
  });

  test('accepts any name without auto-prefix', () => {
    expect(issue(unlimited('root'), { auto: false, streams: { prefix: 'a/' }, stream: 'b' }).stream).toBe('b');
  });

  test('binds a child to the prefix and the stream of its parent', () => {
    const parent = principalOf(issue(unlimited('root'), { auto: true, streams: { prefix: 'a/' }, stream: 'a/in' }));
    const prefixed = { auto: false, streams: { prefix: 'a/b/' } };
    expect(issue(parent, prefixed)).toMatchObject({ autoPrefix: 'a/', stream: 'a/in' });
    // The longer prefix cannot express what the parent is bound to.
    expect(refusal(() => issue(parent, { ...prefixed, auto: true })).code).toBe('invalid');
    const free = principalOf(issue(unlimited('root'), { auto: true, streams: { prefix: 'a/' } }));
    expect(refusal(() => issue(free, { auto: false, streams: { prefix: 'a/' }, stream: 'in' })).code).toBe('invalid');
  });
});

interface Asked {
  readonly auto: boolean;
  readonly streams: ResourceSet;
  readonly stream?: string;
}

function issue(issuer: Principal, { auto, streams, stream }: Asked): Token {
  const write = { read: false, write: true };
  const request: TokenRequest = {
    id: 'one',
    scope: {
      basins: { prefix: '' },
      streams,
      accessTokens: { prefix: '' },
      groups: { account: write, basin: write, stream: write },
      operations: [],
    },
    expiresAt: undefined,
    autoPrefixStreams: auto,
    stream,
    resourceAttributes: new Map(),
    limits: { profile: undefined, spansPerMinute: undefined },
    prefix: undefined,
  };
  checkIssue(issuer, request, NOW);
  return tokenFor(issuer, request, { number: 1, rotation: 0, createdAt: NOW });
}

function refusal(action: () => unknown): TailraceError {
  try {
    action();
  } catch (error) {
    if (error instanceof TailraceError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}
