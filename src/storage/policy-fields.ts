/**
 * The OTLP policy in the row of a basin: an array of pairs, of which only those that are set are there. A later field is
 * one more pair.
 */

import { TailraceError } from '../model/error.ts';
import { POLICY_LIMITS, POLICY_RATES } from '../model/limit-profiles.ts';
import type { OtlpPolicy, PolicyValues } from '../model/otlp-policy.ts';

export function policyFields(policy: OtlpPolicy): readonly unknown[] {
  const { limits, rates } = policy;
  const pairs: (readonly [string, unknown])[] = [
    ['serviceRouting', policy.serviceRouting || null],
    ['requiredAttributes', nonEmpty(policy.requiredAttributes)],
    ['profile', policy.profile ?? null],
    ['limits', nonEmpty(Object.entries(limits))],
    ['rates', nonEmpty(Object.entries(rates))],
    ['dedupeSeconds', policy.dedupeSeconds || null],
    ['dropAttributes', nonEmpty(policy.dropAttributes)],
    ['largeItemsMax', policy.largeItemsMax ?? null],
  ];
  return pairs.filter(([, value]) => value !== null);
}

/** Undefined for nil: the basin has no policy. @throws TailraceError `corrupt` */
export function readPolicyFields(value: unknown): OtlpPolicy | undefined {
  if (value === null) return undefined;
  const fields = new Map(pairsOf(value));
  if ([...fields.keys()].some((name) => !NAMES.includes(name))) throw damaged();
  const { serviceRouting = false, profile, dedupeSeconds = 0, largeItemsMax } = Object.fromEntries(fields);
  const isWhole =
    typeof serviceRouting === 'boolean' &&
    (profile === undefined || typeof profile === 'string') &&
    (largeItemsMax === undefined || isCount(largeItemsMax)) &&
    isCount(dedupeSeconds);
  if (!isWhole) throw damaged();
  return {
    serviceRouting,
    requiredAttributes: textsOf(fields.get('requiredAttributes')),
    profile,
    limits: valuesOf(POLICY_LIMITS, fields.get('limits')),
    rates: valuesOf(POLICY_RATES, fields.get('rates')),
    dedupeSeconds,
    dropAttributes: textsOf(fields.get('dropAttributes')),
    largeItemsMax,
  };
}

const NAMES = [
  'serviceRouting',
  'requiredAttributes',
  'profile',
  'limits',
  'rates',
  'dedupeSeconds',
  'dropAttributes',
  'largeItemsMax',
];

function nonEmpty<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}

function pairsOf(value: unknown): readonly (readonly [string, unknown])[] {
  if (Array.isArray(value) && value.every(isPair)) return value;
  throw damaged();
}

function isPair(pair: unknown): pair is readonly [string, unknown] {
  return Array.isArray(pair) && pair.length === 2 && typeof pair[0] === 'string';
}

function textsOf(value: unknown): readonly string[] {
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every((text): text is string => typeof text === 'string')) return value;
  throw damaged();
}

function valuesOf<Name extends string>(names: readonly Name[], value: unknown): PolicyValues<Name> {
  const pairs = value === undefined ? [] : pairsOf(value);
  const isWhole = pairs.every(([name, one]) => names.some((each) => each === name) && (one === null || isCount(one)));
  if (!isWhole) throw damaged();
  return Object.fromEntries(pairs) as PolicyValues<Name>;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function damaged(): TailraceError {
  return new TailraceError('corrupt', 'a stored basin is damaged: its policy');
}
