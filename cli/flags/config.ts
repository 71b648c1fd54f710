/** Configurations as flags: one flag for each leaf, by the names of S2's own command line. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import type { BasinConfigJson, StreamConfigJson } from '../../src/client/config-json.ts';
import { TailraceError } from '../../src/model/error.ts';
import { STORAGE_CLASSES, STREAM_CIPHERS, TIMESTAMPING_MODES } from '../../src/model/stream-config.ts';
import { byteSize, truth, wholeSeconds } from './arguments.ts';
import { addOidcFlags, type OidcOptions, oidcOf } from './oidc.ts';
import { addOtlpPolicyFlags, type OtlpPolicyOptions, otlpPolicyOf, POLICY_LEAVES } from './otlp-policy.ts';

type Retention = { readonly age: number } | { readonly infinite: object };

/** What the flags of a stream's configuration parse to. */
export interface StreamConfigOptions {
  readonly storageClass?: string;
  readonly retentionPolicy?: Retention;
  readonly retentionAge?: Retention;
  readonly retentionBytes?: number;
  readonly timestampingMode?: string;
  readonly timestampingUncapped?: boolean;
  readonly deleteOnEmptyMinAge?: number;
  readonly unset?: readonly string[];
}

/** What the flags of a basin's configuration parse to. */
export interface BasinConfigOptions extends StreamConfigOptions, OidcOptions, OtlpPolicyOptions {
  readonly streamCipher?: string;
  readonly cipher?: string;
  readonly createStreamOnAppend?: boolean;
  readonly createStreamOnRead?: boolean;
}

const STREAM_LEAVES = [
  'storage-class',
  'retention-policy',
  'retention-bytes',
  'timestamping-mode',
  'timestamping-uncapped',
  'delete-on-empty-min-age',
] as const;
const BASIN_LEAVES = [...STREAM_LEAVES, 'stream-cipher', 'oidc', ...POLICY_LEAVES] as const;

/** Adds a flag for each leaf of a stream's configuration. */
export function addStreamConfigFlags(command: Command, group = 'Configuration:'): Command {
  return command
    .optionsGroup(group)
    .addOption(new Option('--storage-class <class>', 'class that clients are shown').choices(STORAGE_CLASSES))
    .option('--retention-policy <age>', 'how long records are kept: 12h, 7d, 1y, or infinite', retention)
    .addOption(new Option('--retention-age <age>').argParser(retention).hideHelp().conflicts('retentionPolicy'))
    .option(
      '--retention-bytes <size>',
      'how much is kept, such as 10GiB: the oldest records are deleted first',
      positiveSize,
    )
    .addOption(new Option('--timestamping-mode <mode>', 'whose timestamps count').choices(TIMESTAMPING_MODES))
    .option('--timestamping-uncapped <bool>', 'whether timestamps may lie ahead of the clock of the server', truth)
    .option('--delete-on-empty-min-age <age>', 'delete it when it was empty for this long; 0s is off', wholeSeconds);
}

/** Adds the flags of a basin: its own, and the defaults of its streams. */
export function addBasinConfigFlags(command: Command): Command {
  command
    .optionsGroup('Configuration:')
    .option('--create-stream-on-append', 'the first append creates a stream')
    .option('--no-create-stream-on-append', 'an append to a missing stream fails')
    .option('--create-stream-on-read', 'the first read creates a stream')
    .option('--no-create-stream-on-read', 'a read of a missing stream fails')
    .addOption(
      new Option('--stream-cipher <cipher>', 'encrypt the streams that are created from now on').choices(
        STREAM_CIPHERS,
      ),
    )
    .addOption(new Option('--cipher <cipher>').choices(STREAM_CIPHERS).hideHelp().conflicts('streamCipher'));
  addOtlpPolicyFlags(command);
  addOidcFlags(command);
  return addStreamConfigFlags(command, 'Default configuration of streams that are created from now on:');
}

/** Adds `--unset`, for a command that changes a configuration. */
export function addUnsetFlag(command: Command, kind: 'basin' | 'stream'): Command {
  const leaves: readonly string[] = kind === 'basin' ? BASIN_LEAVES : STREAM_LEAVES;
  return command
    .optionsGroup('Configuration:')
    .option('--unset <setting>', `back to the default: ${leaves.join(', ')} (repeatable)`, unsetIn(leaves));
}

/** The configuration that the flags ask for, with null for what is unset. */
export function streamConfigOf(options: StreamConfigOptions): StreamConfigJson {
  const leaf = leavesOf(options);
  return defined({
    storage_class: leaf('storage-class', options.storageClass),
    retention_policy: leaf('retention-policy', options.retentionPolicy ?? options.retentionAge),
    retention_bytes: leaf('retention-bytes', options.retentionBytes),
    timestamping: group({
      mode: leaf('timestamping-mode', options.timestampingMode),
      uncapped: leaf('timestamping-uncapped', options.timestampingUncapped),
    }),
    delete_on_empty: group({ min_age_secs: leaf('delete-on-empty-min-age', options.deleteOnEmptyMinAge) }),
  });
}

/** The same for a basin. */
export function basinConfigOf(options: BasinConfigOptions): BasinConfigJson {
  const leaf = leavesOf(options);
  return defined({
    default_stream_config: group(streamConfigOf(options)),
    stream_cipher: leaf('stream-cipher', options.streamCipher ?? options.cipher),
    create_stream_on_append: options.createStreamOnAppend,
    create_stream_on_read: options.createStreamOnRead,
    ...otlpPolicyOf(options, leaf),
    oidc: leaf('oidc', oidcOf(options)),
  });
}

/** @throws TailraceError `config` when there is nothing in it. */
export function expectChange<T extends object>(patch: T, command: string): T {
  if (Object.keys(patch).length > 0) return patch;
  throw new TailraceError('config', `nothing to change: \`tailrace ${command} --help\` lists the settings`);
}

/** Null for a leaf that is unset. */
function leavesOf({
  unset = [],
}: StreamConfigOptions): <T>(name: string, value: T | undefined) => T | null | undefined {
  return (name, value) => {
    if (!unset.includes(name)) return value;
    if (value === undefined) return null;
    const flag = name === 'oidc' ? 'oidc-…' : name;
    throw new TailraceError('config', `--${flag} and --unset ${name} contradict each other`);
  };
}

/** Leaves that may be undefined. An object without any leaf is left out itself. */
type MaybeUndefined<T> = { readonly [K in keyof T]: T[K] | undefined };

function group<T extends object>(leaves: MaybeUndefined<T>): T | undefined {
  const kept = defined(leaves);
  return Object.keys(kept).length === 0 ? undefined : kept;
}

/** Without the keys that are undefined. */
function defined<T extends object>(leaves: MaybeUndefined<T>): T {
  return Object.fromEntries(Object.entries(leaves).filter(([, leaf]) => leaf !== undefined)) as T;
}

function retention(text: string): Retention {
  if (text === 'infinite') return { infinite: {} };
  const age = wholeSeconds(text);
  if (age === 0) throw new InvalidArgumentError('It must be longer than 0 seconds, or infinite.');
  return { age };
}

function positiveSize(text: string): number {
  const bytes = byteSize(text);
  if (bytes === 0) throw new InvalidArgumentError('It must be more than 0 bytes.');
  return bytes;
}

function unsetIn(leaves: readonly string[]) {
  return (text: string, before: readonly string[] = []): readonly string[] => {
    const names = text.split(',').map((name) => name.trim());
    const wrong = names.find((name) => !leaves.includes(name));
    if (wrong === undefined) return [...before, ...names];
    throw new InvalidArgumentError(`${JSON.stringify(wrong)} is not one of ${leaves.join(', ')}.`);
  };
}
