/**
 * What a basin asks of the OTLP data that is sent to it: where it goes, what it must have, what is taken out or cut, how
 * much may come, and how long repeats are told apart. All of it is optional.
 */

import { POLICY_LIMITS, POLICY_RATES, type PolicyLimit, type PolicyRate, profileNamed } from './limit-profiles.ts';

/** Single values over those of a profile; null takes a limit of the profile away. */
export type PolicyValues<Name extends string> = { readonly [Each in Name]?: number | null };

export interface OtlpPolicy {
  /** Whether `service.name` names an existing stream, for resources that name none. */
  readonly serviceRouting: boolean;
  /** A resource without one of them is rejected. */
  readonly requiredAttributes: readonly string[];
  /** A limit profile by its name; its rates count too. */
  readonly profile: string | undefined;
  readonly limits: PolicyValues<PolicyLimit>;
  readonly rates: PolicyValues<PolicyRate>;
  /** For how many seconds a repeated request is known; 0 is off. */
  readonly dedupeSeconds: number;
  /** Keys of attributes that are never stored; those that end with an asterisk are prefixes. */
  readonly dropAttributes: readonly string[];
  /** Metered bytes of a record that is stored whole though it is larger than S2 allows; undefined: none is. */
  readonly largeItemsMax: number | undefined;
}

/** The fields of a policy that a caller sends: null is the default. */
export type OtlpPolicyRequest = { readonly [Field in keyof OtlpPolicy]?: OtlpPolicy[Field] | null };

const NO_POLICY: OtlpPolicy = {
  serviceRouting: false,
  requiredAttributes: [],
  profile: undefined,
  limits: {},
  rates: {},
  dedupeSeconds: 0,
  dropAttributes: [],
  largeItemsMax: undefined,
};

/** The policy after a change: what the request does not name stays. Undefined when nothing is set. */
export function changedPolicy(before: OtlpPolicy | undefined, request: OtlpPolicyRequest): OtlpPolicy | undefined {
  const old = before ?? NO_POLICY;
  const field = <K extends keyof OtlpPolicy>(name: K): OtlpPolicy[K] => {
    const asked: OtlpPolicyRequest[K] = request[name];
    return asked === undefined ? old[name] : ((asked ?? NO_POLICY[name]) as OtlpPolicy[K]);
  };
  const after: OtlpPolicy = {
    serviceRouting: field('serviceRouting'),
    requiredAttributes: field('requiredAttributes'),
    profile: field('profile'),
    limits: ordered(POLICY_LIMITS, field('limits')),
    rates: ordered(POLICY_RATES, field('rates')),
    dedupeSeconds: field('dedupeSeconds'),
    dropAttributes: field('dropAttributes'),
    largeItemsMax: field('largeItemsMax'),
  };
  return isDefault(after) ? undefined : after;
}

/** A limit that counts in the basin: its own value, else that of its profile; undefined is no limit. */
export function limitOf(policy: OtlpPolicy | undefined, name: PolicyLimit): number | undefined {
  if (policy === undefined) return undefined;
  const own = policy.limits[name];
  return own === undefined ? profileNamed(policy.profile)?.limits[name] : (own ?? undefined);
}

/** The same for a rate. */
export function rateOf(policy: OtlpPolicy | undefined, name: PolicyRate): number | undefined {
  if (policy === undefined) return undefined;
  const own = policy.rates[name];
  return own === undefined ? profileNamed(policy.profile)?.rates[name] : (own ?? undefined);
}

/** In a fixed order, so that equal values have equal bytes in the store. */
function ordered<Name extends string>(names: readonly Name[], values: PolicyValues<Name>): PolicyValues<Name> {
  const set = names.filter((name) => values[name] !== undefined).map((name) => [name, values[name]]);
  return Object.fromEntries(set) as PolicyValues<Name>;
}

function isDefault(policy: OtlpPolicy): boolean {
  return (
    !policy.serviceRouting &&
    policy.profile === undefined &&
    policy.largeItemsMax === undefined &&
    policy.dedupeSeconds === 0 &&
    policy.requiredAttributes.length === 0 &&
    policy.dropAttributes.length === 0 &&
    Object.keys(policy.limits).length === 0 &&
    Object.keys(policy.rates).length === 0
  );
}
