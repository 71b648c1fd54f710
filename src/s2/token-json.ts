/** S2's JSON of access tokens ↔ ours, with our own fields besides S2's (`src/access/README.md`). */

import { z } from 'zod';
import { TailraceError } from '../model/error.ts';
import { type Instant, instantText, parseInstant } from '../model/instant.ts';
import { profileNamed } from '../model/limit-profiles.ts';
import { TOKEN_ATTRIBUTE_BYTES_MAX, TOKEN_ATTRIBUTES_MAX, TOKEN_ID_BYTES_MAX } from '../model/limits.ts';
import { basinNameFault, streamNameFault, tokenIdFault } from '../model/names.ts';
import { GRANTED_OPERATIONS, type GrantedOperation, operationNamed } from '../model/operation.ts';
import type { ResourceSet } from '../model/scope.ts';
import type { TokenLimits, TokenRequest } from '../model/token-request.ts';
import { unknownProfile } from './otlp-policy-json.ts';

/** What responses show of a token: never its secret. */
export interface TokenInfo extends Omit<TokenRequest, 'autoPrefixStreams' | 'prefix'> {
  readonly autoPrefix: string;
  readonly prefix: string;
}

/** @throws TailraceError `bad_json` for a wrong shape, `invalid` for values that make no sense */
export function parseTokenRequest(json: unknown): TokenRequest {
  const shape = shaped(json);
  const { scope } = shape;
  const expires = shape.expires_at === undefined || shape.expires_at === null ? undefined : timeOf(shape.expires_at);
  return {
    id: shape.id,
    scope: {
      basins: setOf('basins', scope.basins),
      streams: setOf('streams', scope.streams),
      accessTokens: setOf('access_tokens', scope.access_tokens),
      groups: {
        account: groupOf(scope.op_groups?.account),
        basin: groupOf(scope.op_groups?.basin),
        stream: groupOf(scope.op_groups?.stream),
      },
      operations: [...new Set(scope.ops ?? [])],
    },
    expiresAt: expires?.ms,
    expiresFraction: expires?.fraction,
    autoPrefixStreams: shape.auto_prefix_streams ?? false,
    stream: shape.stream ?? undefined,
    resourceAttributes: attributesOf(shape.resource_attributes ?? {}),
    limits: limitsOf(shape.limits ?? {}),
    prefix: prefixOf(shape.prefix ?? undefined),
  };
}

/**
 * A token in S2's JSON, as lists show it: sets are objects or null, all groups are spelled out, operations are a list.
 * `lastUse` is in milliseconds, null for one that was never used, undefined where that is not known.
 */
export function tokenInfoJson(token: TokenInfo, lastUse?: number | null): Record<string, unknown> {
  const { scope, limits, expiresAt, expiresFraction: fraction } = token;
  return {
    id: token.id,
    expires_at: expiresAt === undefined ? null : instantText({ ms: expiresAt, fraction }),
    auto_prefix_streams: token.autoPrefix !== '',
    scope: {
      basins: scope.basins ?? null,
      streams: scope.streams ?? null,
      access_tokens: scope.accessTokens ?? null,
      op_groups: scope.groups,
      ops: scope.operations,
    },
    stream: token.stream ?? null,
    resource_attributes: Object.fromEntries(token.resourceAttributes),
    limits: {
      profile: limits.profile ?? null,
      spans_per_minute: limits.spansPerMinute ?? null,
      ...(limits.bytesPerSecond === undefined ? {} : { bytes_per_second: limits.bytesPerSecond }),
      ...(limits.burstBytes === undefined ? {} : { burst_bytes: limits.burstBytes }),
    },
    prefix: token.prefix,
    ...(lastUse === undefined ? {} : { last_used_at: lastUse === null ? null : new Date(lastUse).toISOString() }),
  };
}

export const set = z
  .object({ exact: z.string().optional(), prefix: z.string().optional() })
  .refine(
    ({ exact, prefix }) => (exact === undefined) !== (prefix === undefined),
    'must be {"exact": …} or {"prefix": …}',
  )
  .nullish();

const group = z.object({ read: z.boolean().nullish(), write: z.boolean().nullish() }).nullish();

const operation = z.preprocess(
  (name) => (typeof name === 'string' ? operationNamed(name) : name),
  z.enum(GRANTED_OPERATIONS as readonly [GrantedOperation, ...GrantedOperation[]]),
);

const count = z.number().int().positive().nullish();
const limitsShape = z.object({
  profile: z.string().nullish(),
  spans_per_minute: count,
  bytes_per_second: count,
  burst_bytes: count,
});

export const requestShape = z.object({
  id: z.string().superRefine(faultOf(tokenIdFault)),
  scope: z.object({
    basins: set,
    streams: set,
    access_tokens: set,
    op_groups: z.object({ account: group, basin: group, stream: group }).nullish(),
    ops: z.array(operation).nullish(),
  }),
  expires_at: z.string().nullish(),
  auto_prefix_streams: z.boolean().nullish(),
  stream: z.string().superRefine(faultOf(streamNameFault)).nullish(),
  resource_attributes: z.record(z.string(), z.string()).nullish(),
  limits: limitsShape.nullish(),
  prefix: z.string().nullish(),
});

function shaped(json: unknown): z.output<typeof requestShape> {
  const parsed = requestShape.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue?.path.join('.') ?? '';
  throw new TailraceError('bad_json', `${at === '' ? 'the body' : `\`${at}\``}: ${issue?.message}`);
}

function faultOf(find: (name: string) => string | undefined) {
  return (name: string, context: z.RefinementCtx): void => {
    const fault = find(name);
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
  };
}

/** An exact name must be a valid name; the empty one matches nothing. */
function setOf(kind: 'basins' | 'streams' | 'access_tokens', given: z.output<typeof set>): ResourceSet | undefined {
  if (given === undefined || given === null) return undefined;
  const { exact, prefix = '' } = given;
  if (exact === undefined) {
    if (Buffer.byteLength(prefix) > PREFIX_BYTES_MAX[kind] || prefix.includes('\0')) {
      throw new TailraceError('invalid', `the prefix of ${kind} in the scope is no prefix of a name`);
    }
    return { prefix };
  }
  const fault = exact === '' ? undefined : FAULTS[kind](exact);
  if (fault !== undefined) throw new TailraceError('invalid', `${kind} in the scope: ${fault}`);
  return { exact };
}

const FAULTS = { basins: basinNameFault, streams: streamNameFault, access_tokens: tokenIdFault };
const PREFIX_BYTES_MAX = { basins: 48, streams: 512, access_tokens: TOKEN_ID_BYTES_MAX };

function groupOf(given: z.output<typeof group>): { read: boolean; write: boolean } {
  return { read: given?.read ?? false, write: given?.write ?? false };
}

/** Parses a time of RFC 3339. */
function timeOf(text: string): Instant {
  const instant = parseInstant(text);
  if (instant !== undefined) return instant;
  throw new TailraceError('bad_json', '`expires_at`: must be a time such as 2030-01-31T12:00:00Z');
}

function attributesOf(given: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  const attributes = new Map(Object.entries(given));
  if (attributes.size > TOKEN_ATTRIBUTES_MAX) {
    throw new TailraceError('invalid', `a token sets at most ${TOKEN_ATTRIBUTES_MAX} resource attributes`);
  }
  for (const [key, value] of attributes) {
    const long = Buffer.byteLength(key) + Buffer.byteLength(value) > TOKEN_ATTRIBUTE_BYTES_MAX;
    if (key === '' || long || /\p{Surrogate}/u.test(key + value)) {
      throw new TailraceError(
        'invalid',
        `a resource attribute has a key, and at most ${TOKEN_ATTRIBUTE_BYTES_MAX} bytes with it: ${JSON.stringify(key.slice(0, 64))}`,
      );
    }
  }
  return attributes;
}

/** A profile fills in what is not given. */
function limitsOf(given: z.output<typeof limitsShape>): TokenLimits {
  const profile = given.profile ?? undefined;
  const named = profileNamed(profile);
  if (profile !== undefined && named === undefined) throw unknownProfile(profile, 'limits.profile');
  const bytesPerSecond = given.bytes_per_second ?? named?.rates.bytes_per_second;
  const burstBytes = given.burst_bytes ?? named?.rates.burst_bytes;
  return {
    profile,
    spansPerMinute: given.spans_per_minute ?? named?.rates.spans_per_minute,
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    ...(burstBytes === undefined ? {} : { burstBytes }),
  };
}

function prefixOf(given: string | undefined): string | undefined {
  if (given === undefined || /^[a-z]{2,8}$/.test(given)) return given;
  throw new TailraceError('invalid', 'the prefix of a token must be 2 to 8 lower-case letters');
}
