/** What a basin asks of OTLP data, as flags: one for each field of its policy. */

import type { Command } from 'commander';
import type { BasinConfigJson } from '../../src/client/config-json.ts';
import { byteSize, collect, pairs, wholeNumber, wholeSeconds } from './arguments.ts';

type Values = Readonly<Record<string, string | number | null>>;

/** What the flags of a policy parse to. */
export interface OtlpPolicyOptions {
  readonly otlpDefaultStream?: string;
  readonly otlpServiceRouting?: boolean;
  readonly otlpRequiredAttribute?: readonly string[];
  readonly otlpLimits?: Values;
  readonly otlpRates?: Values;
  readonly otlpDedupeWindow?: number;
  readonly otlpDropAttribute?: readonly string[];
  readonly largeItemsMax?: number;
}

/** What `--unset` knows. */
export const POLICY_LEAVES = [
  'otlp-default-stream',
  'otlp-service-routing',
  'otlp-required-attribute',
  'otlp-limits',
  'otlp-rates',
  'otlp-dedupe-window',
  'otlp-drop-attribute',
  'large-items-max',
] as const;

export function addOtlpPolicyFlags(command: Command): Command {
  return command
    .option('--otlp-default-stream <template>', 'stream of OTLP data without s2.stream; empty refuses such data')
    .option('--otlp-service-routing', 'service.name names the stream where one of that name exists')
    .option('--no-otlp-service-routing', 'it does not')
    .option('--otlp-required-attribute <key>', 'reject resources without this attribute (repeatable)', collect)
    .option('--otlp-limits <values>', 'such as profile=smll,streams_max=100; none is no limit', values)
    .option('--otlp-rates <values>', 'such as bytes_per_second=8MiB,burst_bytes=16MiB,spans_per_minute=1000', values)
    .option('--otlp-dedupe-window <span>', 'how long a repeated request is not stored again; 0s is off', wholeSeconds)
    .option(
      '--otlp-drop-attribute <key>',
      'never store this attribute, or those that begin with prefix* (repeatable)',
      collect,
    )
    .option('--large-items-max <bytes>', 'store OTLP items of up to so many bytes whole, at most 16MiB', byteSize);
}

/** The policy that the flags ask for. `leaf` is null for what is unset. */
export function otlpPolicyOf(
  options: OtlpPolicyOptions,
  leaf: <T>(name: string, value: T | undefined) => T | null | undefined,
): { readonly [Field in keyof BasinConfigJson]: BasinConfigJson[Field] | undefined } {
  return {
    otlp_default_stream: leaf('otlp-default-stream', options.otlpDefaultStream),
    otlp_service_routing: leaf('otlp-service-routing', options.otlpServiceRouting),
    otlp_required_resource_attributes: leaf('otlp-required-attribute', options.otlpRequiredAttribute),
    otlp_limits: leaf('otlp-limits', options.otlpLimits),
    otlp_rates: leaf('otlp-rates', options.otlpRates),
    otlp_dedupe_window: leaf('otlp-dedupe-window', options.otlpDedupeWindow),
    otlp_drop_attributes: leaf('otlp-drop-attribute', options.otlpDropAttribute),
    large_items_max: leaf('large-items-max', options.largeItemsMax),
  };
}

/** The server knows the names. */
function values(text: string, before: Values = {}): Values {
  const given = pairs(text).map(([name, value]) => [name, parsedValue(name, value)] as const);
  return { ...before, ...Object.fromEntries(given) };
}

function parsedValue(name: string, text: string): string | number | null {
  if (name === 'profile') return text;
  if (text === 'none') return null;
  return name.includes('bytes') ? byteSize(text) : wholeNumber(text);
}
