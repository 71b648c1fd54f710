/** An access token as flags: its scope, its operations, its expiry, and what the server does with data sent with it. */

import type { Command } from 'commander';
import type { GroupJson, ResourceSetJson, ScopeJson, TokenJson } from '../../src/client/tokens.ts';
import { TailraceError } from '../../src/model/error.ts';
import {
  GRANTED_OPERATIONS,
  OPERATION_RESOURCES,
  type OperationResource,
  operationNamed,
} from '../../src/model/operation.ts';
import { byteSize, collect, duration, instant, pairs, wholeNumber } from './arguments.ts';
import { nearestNames } from './names.ts';

type KeyValuePair = readonly [key: string, value: string];

/** What the flags of `tokens issue` parse to. */
export interface TokenOptions {
  readonly basinsExact?: string;
  readonly basinsPrefix?: string;
  readonly streamsExact?: string;
  readonly streamsPrefix?: string;
  readonly accessTokensExact?: string;
  readonly accessTokensPrefix?: string;
  readonly opGroups?: readonly KeyValuePair[];
  readonly ops?: readonly string[];
  readonly expiresIn?: number;
  readonly expiresAt?: number;
  readonly autoPrefix?: boolean;
  readonly stream?: string;
  readonly attribute?: readonly string[];
  readonly tenant?: readonly KeyValuePair[];
  readonly spansPerMinute?: number;
  readonly bytesPerSecond?: number;
  readonly burstBytes?: number;
  readonly limits?: string;
  readonly prefix?: string;
}

const TENANT_KEYS = ['workspace_id', 'vpc_id'] as const;
/** A namespace is named by this many characters of the VPC's id. */
const NAMESPACE_CHARS = 8;
const KINDS = ['basins', 'streams', 'access-tokens'] as const;

export function addTokenFlags(command: Command): Command {
  command.optionsGroup('What it reaches (by default nothing; an empty prefix is everything):');
  for (const kind of KINDS) {
    const one = kind === 'access-tokens' ? 'the access token with this id' : `the ${kind.slice(0, -1)} of this name`;
    const all = kind === 'access-tokens' ? 'the access tokens whose ids' : `the ${kind} whose names`;
    command.option(`--${kind}-exact <name>`, one).option(`--${kind}-prefix <prefix>`, `${all} start with this`);
  }
  return command
    .optionsGroup('What it may do:')
    .option('--op-groups <groups>', 'groups of operations, such as account=rw,basin=r,stream=w', morePairs)
    .option('--ops <operations>', 'single operations, such as append,read (repeatable)', commaList)
    .option(
      '--expires-in <span>',
      'how long it is valid, such as 12h or 30d (default: as long as its issuer)',
      duration,
    )
    .option('--expires-at <time>', 'until when it is valid, such as 2030-01-31T12:00:00Z', instant)
    .optionsGroup('What the server does with what it sends:')
    .option('--auto-prefix', 'put --streams-prefix before every stream name in its requests, and hide it in responses')
    .option('--stream <name>', 'stream of OTLP data that does not name one')
    .option('--attribute <key=value>', 'set this attribute on every OTLP resource (repeatable)', collect)
    .option('--tenant <ids>', 'workspace_id=…,vpc_id=…: set these, stream_id, source and namespace', morePairs)
    .option('--limits <profile>', 'a named limit profile')
    .option('--spans-per-minute <count>', 'take at most this many spans a minute', wholeNumber)
    .option('--bytes-per-second <size>', 'take at most so much OTLP data a second, such as 1MiB', byteSize)
    .option('--burst-bytes <size>', 'how much of it may come at once (default: that of two seconds)', byteSize)
    .option('--prefix <letters>', 'what its secrets begin with: 2 to 8 lower-case letters (default trk)');
}

/**
 * The token that the flags ask for.
 * @throws TailraceError `config` with how to say it right
 */
export async function tokenOf(id: string, options: TokenOptions, now: number): Promise<TokenJson> {
  const scope = await scopeOf(options);
  if (options.autoPrefix === true && options.streamsPrefix === undefined) {
    throw new TailraceError('config', '--auto-prefix needs the prefix: add --streams-prefix <prefix>');
  }
  const expiresAt = expiryOf(options, now);
  return {
    id,
    scope,
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
    ...(options.autoPrefix === true ? { auto_prefix_streams: true } : {}),
    ...(options.stream === undefined ? {} : { stream: options.stream }),
    resource_attributes: attributesOf(id, options),
    limits: {
      profile: options.limits ?? null,
      spans_per_minute: options.spansPerMinute ?? null,
      ...(options.bytesPerSecond === undefined ? {} : { bytes_per_second: options.bytesPerSecond }),
      ...(options.burstBytes === undefined ? {} : { burst_bytes: options.burstBytes }),
    },
    ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
  };
}

/** A warning when the scope allows operations but reaches nothing that they work on. */
export function uselessGrants({ basins, streams, op_groups: groups, ops }: ScopeJson): string | undefined {
  const onStreams = groups?.stream != null || (ops ?? []).some((name) => STREAM_OPERATIONS.has(name));
  if (!onStreams && groups?.basin == null) return undefined;
  if (basins === undefined) return 'it reaches no basin: --basins-prefix "" is all of them';
  if (onStreams && streams === undefined) return 'it reaches no stream: --streams-prefix "" is all of them';
  return undefined;
}

const STREAM_OPERATIONS: ReadonlySet<string> = new Set(['append', 'read', 'check-tail', 'trim', 'fence']);

async function scopeOf(options: TokenOptions): Promise<ScopeJson> {
  const { opGroups = [] } = options;
  const ops = [...new Set((options.ops ?? []).map(operationNamed))];
  if (ops.length === 0 && opGroups.length === 0) {
    throw new TailraceError(
      'config',
      'the token may do nothing: allow something, such as --ops append or --op-groups stream=rw',
    );
  }
  for (const name of ops) await expectKnown('operation', name, GRANTED_OPERATIONS);
  return {
    ...setOf('basins', options.basinsExact, options.basinsPrefix),
    ...setOf('streams', options.streamsExact, options.streamsPrefix),
    ...setOf('access_tokens', options.accessTokensExact, options.accessTokensPrefix),
    op_groups: await groupsOf(opGroups),
    ops,
  };
}

function setOf(
  key: 'basins' | 'streams' | 'access_tokens',
  exact: string | undefined,
  prefix: string | undefined,
): Partial<Record<typeof key, ResourceSetJson>> {
  if (exact !== undefined && prefix !== undefined) {
    const flag = key.replace('_', '-');
    throw new TailraceError('config', `--${flag}-exact and --${flag}-prefix are two different sets: give one`);
  }
  if (exact !== undefined) return { [key]: { exact } };
  return prefix === undefined ? {} : { [key]: { prefix } };
}

async function groupsOf(given: readonly KeyValuePair[]): Promise<Partial<Record<OperationResource, GroupJson>>> {
  const groups: Partial<Record<string, GroupJson>> = {};
  for (const [name, modes] of given) {
    await expectKnown('group of operations', name, OPERATION_RESOURCES);
    if (!/^(r|w|rw|wr)$/.test(modes)) {
      throw new TailraceError('config', `--op-groups ${name}=${modes}: it must be ${name}=r, ${name}=w or ${name}=rw`);
    }
    groups[name] = { read: modes.includes('r'), write: modes.includes('w') };
  }
  return groups;
}

/** @throws TailraceError `config` with the most similar name */
async function expectKnown(what: string, name: string, known: readonly string[]): Promise<void> {
  if (known.includes(name)) return;
  const [nearest] = await nearestNames(
    name,
    known.map((one) => ({ name: one })),
  );
  const hint = nearest === undefined ? `there are ${known.join(', ')}` : `did you mean ${nearest}?`;
  throw new TailraceError('config', `unknown ${what} ${JSON.stringify(name)}: ${hint}`);
}

function expiryOf({ expiresIn, expiresAt }: TokenOptions, now: number): string | undefined {
  if (expiresIn !== undefined && expiresAt !== undefined) {
    throw new TailraceError('config', '--expires-in and --expires-at contradict each other: give one');
  }
  const at = expiresIn === undefined ? expiresAt : now + expiresIn;
  if (at === undefined) return undefined;
  if (at > LATEST_MS) throw new TailraceError('config', 'that is after the year 9999: leave the expiry out');
  return new Date(at).toISOString();
}

/** Years of more than four digits are not RFC 3339. */
const LATEST_MS = Date.UTC(9999, 11, 31);

/** The attributes of a tenant, and single ones, which may not contradict them. */
function attributesOf(id: string, { attribute = [], tenant }: TokenOptions): Readonly<Record<string, string>> {
  const attributes = new Map(tenant === undefined ? [] : tenantAttributes(id, tenant));
  for (const text of attribute) {
    const [key, value] = pair(text, '--attribute');
    const before = attributes.get(key);
    if (before !== undefined && before !== value) {
      throw new TailraceError('config', `--attribute ${key}: it is set to ${JSON.stringify(before)} already`);
    }
    attributes.set(key, value);
  }
  return Object.fromEntries(attributes);
}

/** The attributes that `--tenant` sets. */
function tenantAttributes(id: string, given: readonly KeyValuePair[]): readonly KeyValuePair[] {
  const ids = new Map(given);
  const [workspace = '', vpc = ''] = TENANT_KEYS.map((key) => ids.get(key));
  if (workspace === '' || vpc === '' || ids.size !== TENANT_KEYS.length || given.length !== ids.size) {
    throw new TailraceError('config', '--tenant takes exactly workspace_id and vpc_id: workspace_id=…,vpc_id=…');
  }
  return [
    ['workspace_id', workspace],
    ['vpc_id', vpc],
    ['stream_id', id],
    ['source', 'otel'],
    ['namespace', `vpc-${[...vpc].slice(0, NAMESPACE_CHARS).join('')}`],
  ];
}

/** Those of a flag that may be given several times. */
function morePairs(text: string, before: readonly KeyValuePair[] = []): readonly KeyValuePair[] {
  return [...before, ...pairs(text)];
}

function commaList(text: string, before: readonly string[] = []): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  return [...new Set([...before, ...names.filter((name) => name !== '')])];
}

/** @throws TailraceError `config` when there is no key or no equals sign */
function pair(text: string, flag: string): KeyValuePair {
  const equals = text.indexOf('=');
  if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
  throw new TailraceError('config', `${flag} ${text}: it must be key=value`);
}
