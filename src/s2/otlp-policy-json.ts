/**
 * The OTLP policy in the configuration of a basin: JSON ↔ ours. Its fields begin with `otlp_`, but for `large_items_max`. One that is not known is
 * refused, because a policy that is believed in must not be dropped in silence.
 */

import { z } from 'zod';
import { TailraceError } from '../model/error.ts';
import {
  POLICY_LIMITS,
  POLICY_RATES,
  type PolicyLimit,
  type PolicyRate,
  PROFILE_NAMES,
  profileNamed,
} from '../model/limit-profiles.ts';
import {
  DEDUPE_WINDOW_SECONDS_MAX,
  LARGE_ITEM_BYTES_MAX,
  POLICY_ATTRIBUTE_BYTES_MAX,
  POLICY_ATTRIBUTES_MAX,
  RECORD_METERED_BYTES_MAX,
} from '../model/limits.ts';
import type { OtlpPolicy, OtlpPolicyRequest, PolicyValues } from '../model/otlp-policy.ts';

const attributeName = z
  .string()
  .min(1, 'must name an attribute')
  .refine((text) => Buffer.byteLength(text) <= POLICY_ATTRIBUTE_BYTES_MAX && !UNFIT_TEXT.test(text), {
    error: `must be text of at most ${POLICY_ATTRIBUTE_BYTES_MAX} bytes without NUL`,
  });
const UNFIT_TEXT = /\0|\p{Surrogate}/u;

const names = (name: z.ZodType<string>) =>
  z
    .array(name)
    .max(POLICY_ATTRIBUTES_MAX, `must have at most ${POLICY_ATTRIBUTES_MAX} entries`)
    .transform((list) => [...new Set(list)]);

const WHERE_ASTERISK = 'must be a key, or the beginning of keys and an asterisk at the end, such as gen_ai.prompt*';
const dropped = attributeName.refine((text) => !text.slice(0, -1).includes('*'), WHERE_ASTERISK);

const MUST_BE_COUNT = 'must be a whole number from 1 on, or null for no limit';
const value = z.number(MUST_BE_COUNT).int(MUST_BE_COUNT).positive(MUST_BE_COUNT).nullish();

const LARGE_ITEMS = `must be a whole number of bytes above ${RECORD_METERED_BYTES_MAX}, which S2 takes, and at most ${LARGE_ITEM_BYTES_MAX}; or null`;

/** The shape of the fields, for the shape of the configuration that they are in. */
export const policyShape = {
  otlp_service_routing: z.boolean().nullish(),
  otlp_required_resource_attributes: names(attributeName).nullish(),
  otlp_limits: z.strictObject({ profile: z.string().nullish(), ...valuesShape(POLICY_LIMITS) }).nullish(),
  otlp_rates: z.strictObject(valuesShape(POLICY_RATES)).nullish(),
  otlp_dedupe_window: z
    .number()
    .int('must be whole seconds')
    .min(0, 'must be a whole number of seconds from 0 on')
    .max(DEDUPE_WINDOW_SECONDS_MAX, `must be at most ${DEDUPE_WINDOW_SECONDS_MAX} seconds`)
    .nullish(),
  otlp_drop_attributes: names(dropped).nullish(),
  large_items_max: z
    .number(LARGE_ITEMS)
    .int(LARGE_ITEMS)
    .gt(RECORD_METERED_BYTES_MAX, LARGE_ITEMS)
    .max(LARGE_ITEM_BYTES_MAX, LARGE_ITEMS)
    .nullish(),
};

export const POLICY_FIELDS: readonly string[] = Object.keys(policyShape);

type PolicyShape = z.output<z.ZodObject<typeof policyShape>>;

/**
 * Undefined when no field is there. The profile and the single limits are one field, which is replaced as a whole.
 * @throws TailraceError `invalid` for an unknown profile
 */
export function policyOf(shape: PolicyShape): OtlpPolicyRequest | undefined {
  const { otlp_limits: limits, otlp_rates: rates } = shape;
  const { profile, ...values } = limits ?? {};
  const request: OtlpPolicyRequest = defined<OtlpPolicyRequest>({
    serviceRouting: shape.otlp_service_routing,
    requiredAttributes: shape.otlp_required_resource_attributes,
    ...(limits === undefined ? {} : { profile: profileOf(profile), limits: valuesOf(values) }),
    rates: rates == null ? rates : valuesOf(rates),
    dedupeSeconds: shape.otlp_dedupe_window,
    dropAttributes: shape.otlp_drop_attributes,
    largeItemsMax: shape.large_items_max,
  });
  return Object.keys(request).length === 0 ? undefined : request;
}

/** The fields that are set; the others are left out, so that a basin without a policy looks as it does to S2. */
export function policyJson(policy: OtlpPolicy | undefined): Record<string, unknown> {
  if (policy === undefined) return {};
  const limits = { ...(policy.profile === undefined ? {} : { profile: policy.profile }), ...policy.limits };
  return {
    ...(policy.serviceRouting ? { otlp_service_routing: true } : {}),
    ...unlessEmpty('otlp_required_resource_attributes', policy.requiredAttributes),
    ...unlessEmpty('otlp_limits', limits),
    ...unlessEmpty('otlp_rates', policy.rates),
    ...(policy.dedupeSeconds === 0 ? {} : { otlp_dedupe_window: policy.dedupeSeconds }),
    ...unlessEmpty('otlp_drop_attributes', policy.dropAttributes),
    ...(policy.largeItemsMax === undefined ? {} : { large_items_max: policy.largeItemsMax }),
  };
}

/** @throws TailraceError `bad_json` when an object has a key that begins like a field of a policy and is none of them */
export function expectKnownPolicy(json: unknown, known: readonly string[]): void {
  if (typeof json !== 'object' || json === null) return;
  const unknown = Object.keys(json).find((key) => isPolicyKey(key) && !known.includes(key));
  if (unknown === undefined) return;
  const fields = ['otlp_default_stream', ...POLICY_FIELDS].join(', ');
  throw new TailraceError(
    'bad_json',
    `\`${unknown.slice(0, 64)}\`: there is no such field here: the policy is in the configuration of a basin, in ${fields}`,
  );
}

function isPolicyKey(key: string): boolean {
  return /^otlp_/i.test(key) || key === 'large_items_max';
}

/** @throws TailraceError `invalid` */
function profileOf(name: string | null | undefined): string | null {
  if (name == null) return null;
  if (profileNamed(name) !== undefined) return name;
  throw unknownProfile(name, 'otlp_limits.profile');
}

/** The error for a profile that there is not. */
export function unknownProfile(name: string, field: string): TailraceError {
  const quoted = JSON.stringify(name.slice(0, 64));
  const message = `unknown limit profile ${quoted}: there are ${PROFILE_NAMES.join(', ')}`;
  return new TailraceError('invalid', message, { detail: { field } });
}

function valuesShape<Name extends PolicyLimit | PolicyRate>(list: readonly Name[]): Record<Name, typeof value> {
  return Object.fromEntries(list.map((name) => [name, value])) as Record<Name, typeof value>;
}

type Fields<T> = { readonly [K in keyof T]?: T[K] | undefined };

function valuesOf<Name extends string>(values: Fields<PolicyValues<Name>>): PolicyValues<Name> {
  return defined<PolicyValues<Name>>(values);
}

/** Without the keys that are undefined. */
function defined<T extends object>(fields: Fields<T>): T {
  return Object.fromEntries(Object.entries(fields).filter(([, field]) => field !== undefined)) as T;
}

function unlessEmpty(key: string, content: object): Record<string, unknown> {
  return Object.keys(content).length === 0 ? {} : { [key]: content };
}
