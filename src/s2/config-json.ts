/**
 * S2's JSON of configurations ↔ ours. A wrong shape is `bad_json`; the right shape with a value that makes no sense is
 * `invalid`, which is checked last.
 */

import { z } from 'zod';
import { TailraceError } from '../model/error.ts';
import { STREAM_NAME_BYTES_MAX } from '../model/limits.ts';
import {
  type BasinConfig,
  type BasinConfigPatch,
  type BasinConfigRequest,
  STORAGE_CLASSES,
  STREAM_CIPHERS,
  type StorageClass,
  type StreamConfig,
  type StreamConfigPatch,
  type StreamConfigRequest,
  TIMESTAMPING_MODES,
} from '../model/stream-config.ts';
import { parseJsonValue } from './json-value.ts';
import { oidcJson, oidcShape, trustOf } from './oidc-json.ts';
import { expectKnownPolicy, policyJson, policyOf, policyShape } from './otlp-policy-json.ts';

/** A JSON integer. S2's go up to 2^64 - 1; one above 2^53 - 1 is clamped to that (`src/http/s2/README.md`). */
const count = z
  .number()
  .refine((value) => Number.isInteger(value) && value >= 0 && value < 2 ** 64, 'must be a whole number from 0 on')
  .transform((value) => Math.min(value, Number.MAX_SAFE_INTEGER));

const retentionPolicy = z
  .object({ age: count.optional(), infinite: z.object({}).optional() })
  .refine(
    ({ age, infinite }) => (age === undefined) !== (infinite === undefined),
    'must be {"age": seconds} or {"infinite": {}}',
  )
  .nullish();

export const streamShape = z.object({
  storage_class: z.string().nullish(),
  retention_policy: retentionPolicy,
  retention_bytes: count.nullish(),
  timestamping: z.object({ mode: z.enum(TIMESTAMPING_MODES).nullish(), uncapped: z.boolean().nullish() }).nullish(),
  delete_on_empty: z.object({ min_age_secs: count.nullish() }).nullish(),
});

/** A template is no longer than the names that it makes, because each used template is kept in memory. */
const TEMPLATE_FAULT = `must be text of at most ${STREAM_NAME_BYTES_MAX} bytes without NUL`;
const UNFIT_TEXT = /\0|\p{Surrogate}/u;
const isTemplate = (text: string): boolean =>
  !UNFIT_TEXT.test(text) && Buffer.byteLength(text) <= STREAM_NAME_BYTES_MAX;

export const basinShape = z.object({
  default_stream_config: streamShape.nullish(),
  stream_cipher: z.enum(STREAM_CIPHERS).nullish(),
  create_stream_on_append: z.boolean().nullish(),
  create_stream_on_read: z.boolean().nullish(),
  otlp_default_stream: z.string().refine(isTemplate, TEMPLATE_FAULT).nullish(),
  oidc: oidcShape.nullish(),
  ...policyShape,
});

/**
 * A stream's configuration in a create or ensure request: null means the same as absent. Only for `retention_bytes`,
 * which is our own field, null removes the bound, while absent keeps it (`src/http/s2/README.md`).
 * @throws TailraceError `bad_json`, `invalid`
 */
export function parseStreamConfigRequest(json: unknown): StreamConfigRequest {
  return requested(parseStreamConfigPatch(json ?? {}));
}

/** A change of a stream's configuration: null unsets a leaf. @throws TailraceError `bad_json`, `invalid` */
export function parseStreamConfigPatch(json: unknown): StreamConfigPatch {
  return streamPatch(shaped(streamShape, json));
}

/** A basin's configuration in a create or ensure request. @throws TailraceError `bad_json`, `invalid` */
export function parseBasinConfigRequest(json: unknown): BasinConfigRequest {
  const shape = shaped(basinShape, json ?? {});
  const { stream_cipher: cipher } = shape;
  return {
    defaultStream: requested(streamPatch(shape.default_stream_config ?? {})),
    ...flagsOf(shape),
    ...(cipher === undefined || cipher === null ? {} : { streamCipher: cipher }),
    ...(shape.oidc === undefined ? {} : { oidc: shape.oidc === null ? undefined : trustOf(shape.oidc) }),
    ...policyPart(shape),
  };
}

/**
 * A change of a basin's configuration: null unsets a leaf and a field of its OTLP policy, but does not change a flag.
 * @throws TailraceError `bad_json`, `invalid`
 */
export function parseBasinConfigPatch(json: unknown): BasinConfigPatch {
  const shape = shaped(basinShape, json);
  const { default_stream_config: leaves, stream_cipher: streamCipher } = shape;
  return {
    ...(leaves === undefined ? {} : { defaultStream: leaves === null ? null : streamPatch(leaves) }),
    ...(streamCipher === undefined ? {} : { streamCipher }),
    ...flagsOf(shape),
    ...(shape.oidc === undefined ? {} : { oidc: shape.oidc === null ? null : trustOf(shape.oidc) }),
    ...policyPart(shape),
  };
}

/**
 * The configuration in an S2-Stream-Config header.
 * @throws TailraceError `bad_header` for every fault
 */
export function parseStreamConfigHeader(text: string): StreamConfigRequest {
  try {
    return parseStreamConfigRequest(jsonOf(text));
  } catch (cause) {
    const why = cause instanceof TailraceError ? cause.message : 'invalid JSON';
    throw new TailraceError('bad_header', `invalid header \`s2-stream-config\`: ${why}`, { cause });
  }
}

/** The configuration of a stream in S2's JSON, with every field. */
export function streamConfigJson(config: StreamConfig): Record<string, unknown> {
  return {
    storage_class: config.storageClass,
    retention_policy: retentionJson(config.retentionAgeSeconds),
    timestamping: { mode: config.timestampingMode, uncapped: config.timestampingUncapped },
    delete_on_empty: { min_age_secs: config.deleteOnEmptyMinAgeSeconds },
    retention_bytes: config.retentionBytes ?? null,
  };
}

/** The configuration of a basin in S2's JSON: the storage class is resolved, other leaves are as set, or null. */
export function basinConfigJson(config: BasinConfig): Record<string, unknown> {
  return {
    default_stream_config: leavesJson(config.defaultStream),
    stream_cipher: config.streamCipher ?? null,
    create_stream_on_append: config.createStreamOnAppend,
    create_stream_on_read: config.createStreamOnRead,
    otlp_default_stream: config.otlpDefaultStream,
    oidc: config.oidc === undefined ? null : oidcJson(config.oidc),
    ...policyJson(config.otlp),
  };
}

type StreamShape = z.output<typeof streamShape>;
type BasinShape = z.output<typeof basinShape>;

function streamPatch(shape: StreamShape): StreamConfigPatch {
  const { storage_class: storageClass, retention_bytes: bytes, timestamping, delete_on_empty: onEmpty } = shape;
  if (bytes === 0) throw new TailraceError('invalid', 'retention_bytes must be greater than 0');
  return {
    ...(storageClass === undefined ? {} : { storageClass: storageClass === null ? null : classOf(storageClass) }),
    ...retentionLeaf(shape.retention_policy),
    ...(bytes === undefined ? {} : { retentionBytes: bytes }),
    ...leaf('timestampingMode', timestamping, timestamping?.mode),
    ...leaf('timestampingUncapped', timestamping, timestamping?.uncapped),
    ...leaf('deleteOnEmptyMinAgeSeconds', onEmpty, onEmpty?.min_age_secs),
  };
}

/** A leaf inside an object: null for the object unsets all leaves in it. */
function leaf(name: keyof StreamConfig, holder: object | null | undefined, value: unknown): StreamConfigPatch {
  if (holder === null) return { [name]: null };
  return value === undefined ? {} : { [name]: value };
}

function retentionLeaf(policy: StreamShape['retention_policy']): StreamConfigPatch {
  if (policy === undefined) return {};
  if (policy === null) return { retentionAgeSeconds: null };
  if (policy.age === 0) throw new TailraceError('invalid', 'age must be greater than 0 seconds');
  return { retentionAgeSeconds: policy.age };
}

function classOf(text: string): StorageClass {
  const found = STORAGE_CLASSES.find((one) => one === text);
  if (found !== undefined) return found;
  throw new TailraceError(
    'invalid',
    `unknown storage class ${JSON.stringify(text.slice(0, 64))}: this location has ${STORAGE_CLASSES.join(' and ')}`,
  );
}

function flagsOf(
  shape: BasinShape,
): Pick<BasinConfigPatch, 'createStreamOnAppend' | 'createStreamOnRead' | 'otlpDefaultStream'> {
  return {
    ...(typeof shape.create_stream_on_append === 'boolean'
      ? { createStreamOnAppend: shape.create_stream_on_append }
      : {}),
    ...(typeof shape.create_stream_on_read === 'boolean' ? { createStreamOnRead: shape.create_stream_on_read } : {}),
    ...(shape.otlp_default_stream === undefined ? {} : { otlpDefaultStream: shape.otlp_default_stream ?? '' }),
  };
}

function policyPart(shape: BasinShape): Pick<BasinConfigPatch, 'otlp'> {
  const otlp = policyOf(shape);
  return otlp === undefined ? {} : { otlp };
}

function requested({ retentionBytes, ...patch }: StreamConfigPatch): StreamConfigRequest {
  const leaves = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== null));
  return retentionBytes === undefined ? leaves : { ...leaves, retentionBytes: retentionBytes ?? undefined };
}

function retentionJson(ageSeconds: number | undefined): Record<string, unknown> {
  return ageSeconds === undefined ? { infinite: {} } : { age: ageSeconds };
}

function leavesJson(leaves: StreamConfigRequest): Record<string, unknown> {
  const { timestampingMode: mode, timestampingUncapped: uncapped, deleteOnEmptyMinAgeSeconds: minAge } = leaves;
  const timed = mode !== undefined || uncapped !== undefined;
  return {
    storage_class: leaves.storageClass ?? null,
    retention_policy: 'retentionAgeSeconds' in leaves ? retentionJson(leaves.retentionAgeSeconds) : null,
    timestamping: timed ? { mode: mode ?? null, uncapped: uncapped ?? null } : null,
    delete_on_empty: minAge === undefined ? null : { min_age_secs: minAge },
    retention_bytes: leaves.retentionBytes ?? null,
  };
}

/** @throws TailraceError `bad_json` that names the field */
function shaped<T extends z.ZodObject>(shape: T, json: unknown): z.output<T> {
  expectKnownPolicy(json, Object.keys(shape.shape));
  const parsed = shape.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue?.path.join('.') ?? '';
  const what = at === '' ? 'the configuration' : `\`${at}\``;
  const options = at === '' ? {} : { detail: { field: at } };
  throw new TailraceError('bad_json', `${what}: ${issue?.message ?? 'wrong'}`, options);
}

function jsonOf(text: string): unknown {
  // Node decodes headers as latin-1, so other characters would come out as the sender did not mean them.
  if (/[^\x20-\x7e\t]/.test(text)) throw new TailraceError('bad_header', 'invalid JSON: it must be ASCII');
  try {
    return parseJsonValue(text);
  } catch (cause) {
    throw new TailraceError('bad_header', 'invalid JSON', { cause });
  }
}
