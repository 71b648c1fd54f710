/**
 * The OTLP policy in the row of a basin: an array of pairs, of which only those that are set are there. A later field is
 * one more pair.
 */

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
  ];
  return pairs.filter(([, value]) => value !== null);
}

/** Undefined when it is damaged. */
export function readPolicyFields(value: unknown): OtlpPolicy | undefined {
  const pairs = pairsOf(value);
  const fields = pairs === undefined ? undefined : new Map(pairs);
  if (fields === undefined || [...fields.keys()].some((name) => !NAMES.includes(name))) return undefined;
  const requiredAttributes = textsOf(fields.get('requiredAttributes'));
  const dropAttributes = textsOf(fields.get('dropAttributes'));
  const limits = valuesOf(POLICY_LIMITS, fields.get('limits'));
  const rates = valuesOf(POLICY_RATES, fields.get('rates'));
  const { serviceRouting = false, profile, dedupeSeconds = 0 } = Object.fromEntries(fields);
  const isWhole =
    typeof serviceRouting === 'boolean' &&
    (profile === undefined || typeof profile === 'string') &&
    isCount(dedupeSeconds) &&
    requiredAttributes !== undefined &&
    dropAttributes !== undefined &&
    limits !== undefined &&
    rates !== undefined;
  return isWhole
    ? { serviceRouting, requiredAttributes, profile, limits, rates, dedupeSeconds, dropAttributes }
    : undefined;
}

const NAMES = ['serviceRouting', 'requiredAttributes', 'profile', 'limits', 'rates', 'dedupeSeconds', 'dropAttributes'];

function nonEmpty<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}

function pairsOf(value: unknown): readonly (readonly [string, unknown])[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const pairs = value.filter(isPair);
  return pairs.length === value.length ? pairs : undefined;
}

function isPair(pair: unknown): pair is readonly [string, unknown] {
  return Array.isArray(pair) && pair.length === 2 && typeof pair[0] === 'string';
}

function textsOf(value: unknown): readonly string[] | undefined {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return undefined;
  const texts = value.filter((text): text is string => typeof text === 'string');
  return texts.length === value.length ? texts : undefined;
}

function valuesOf<Name extends string>(names: readonly Name[], value: unknown): PolicyValues<Name> | undefined {
  const pairs = value === undefined ? [] : pairsOf(value);
  const isWhole = pairs?.every(([name, one]) => names.some((each) => each === name) && (one === null || isCount(one)));
  return isWhole === true ? (Object.fromEntries(pairs ?? []) as PolicyValues<Name>) : undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
