/** The kinds of values that settings have: each takes what users write, as text or number, and yields what the server uses. */

import { z } from 'zod';
import { normalOrigin, originWithin } from '../access/origins.ts';
import { networkFault, type TrustedProxySetting } from '../access/trusted-proxies.ts';
import { BASIN_NAME_BYTES_MAX, PROXY_HOPS_MAX, PROXY_NETWORKS_MAX } from '../model/limits.ts';
import { basinNameFault } from '../model/names.ts';

/** In place of the number of the gRPC port, whose 0 turns it off. */
export const ANY_PORT = 'auto';

export function wholeNumber(min: number, max: number) {
  return text(/^\d+$/, Number, `must be a whole number from ${min} to ${max}`, (n) => n >= min && n <= max);
}

export function grpcPort() {
  const fault = `must be a whole number from 0 to 65535, or ${ANY_PORT}`;
  return z.union([z.literal(ANY_PORT), wholeNumber(0, 65_535)], fault);
}

export function basinName() {
  return z.string().check((context) => {
    const fault = basinNameFault(context.value);
    if (fault !== undefined) context.issues.push({ code: 'custom', message: fault, input: context.value });
  });
}

const BYTE_UNITS = new Map([
  ['', 1],
  ['b', 1],
  ['kib', 2 ** 10],
  ['mib', 2 ** 20],
  ['gib', 2 ** 30],
  ['tib', 2 ** 40],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['tb', 1e12],
]);

export function byteSize(min: number) {
  const parse = (value: string): number => {
    const [, digits = '', unit = ''] = /^(\d+)\s*([a-zA-Z]*)$/.exec(value) ?? [];
    return Number(digits) * (BYTE_UNITS.get(unit.toLowerCase()) ?? Number.NaN);
  };
  const shape = /^\d+\s*([kKmMgGtT][iI]?[bB]|[bB])?$/;
  return text(shape, parse, `must be a number of bytes such as 512MiB, at least ${min}`, (n) => n >= min);
}

const TIME_UNITS = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
]);

export function duration(minMs = 0) {
  const parse = (value: string): number => {
    const [, digits = '', unit = 'ms'] = /^(\d+)\s*([a-z]+)?$/.exec(value) ?? [];
    return Number(digits) * (TIME_UNITS.get(unit) ?? Number.NaN);
  };
  const from = minMs === 0 ? '' : `at least ${minMs / 1_000}s and `;
  const fault = `must be a duration such as 10s or 500ms, ${from}at most 60m`;
  return text(/^\d+\s*(ms|s|m)?$/, parse, fault, (n) => n >= minMs && n <= 3_600_000);
}

/** A number, or text for one. */
function text(shape: RegExp, parse: (value: string) => number, fault: string, good: (value: number) => boolean) {
  // The pattern is for the JSON Schema only: the fault below says more than that of a pattern.
  return z.union([z.number(), z.string().meta({ pattern: shape.source })]).transform((value, context) => {
    const number = typeof value === 'number' ? value : shape.test(value.trim()) ? parse(value.trim()) : Number.NaN;
    if (Number.isSafeInteger(number) && number >= 0 && good(number)) return number;
    context.addIssue({ code: 'custom', message: fault });
    return z.NEVER;
  });
}

export function origins() {
  return textList(normalOrigin, noOrigin);
}

/**
 * One text or several; each holds one value, or several with commas between. An empty list means undefined.
 * @param normal a value as it is kept; undefined for a wrong one, of which `fault` says what is wrong
 */
export function textList(normal: (text: string) => string | undefined, fault: (text: string) => string) {
  return z
    .union([z.string(), z.array(z.string()).readonly()])
    .transform((value, context): readonly string[] | undefined => {
      const given = [value].flat().flatMap((text) => text.split(','));
      const known = new Set<string>();
      for (const text of given.map((each) => each.trim()).filter((each) => each !== '')) {
        const kept = normal(text);
        if (kept === undefined) context.addIssue({ code: 'custom', message: fault(text) });
        else known.add(kept);
      }
      return known.size === 0 ? undefined : [...known];
    });
}

/** A count of proxies, or addresses and networks as texts with commas between. An empty list means undefined. */
export function trustedProxies() {
  return z
    .union([z.number(), z.string(), z.array(z.string()).readonly()])
    .transform((value, context): TrustedProxySetting | undefined => {
      const refuse = (message: string): never => {
        context.addIssue({ code: 'custom', message });
        return z.NEVER;
      };
      const given = [value].flat().flatMap((text) => String(text).split(','));
      const known = [...new Set(given.map((each) => each.trim()).filter((each) => each !== ''))];
      const [first = ''] = known;
      if (typeof value === 'number' || (known.length === 1 && /^\d+$/.test(first))) {
        const hops = Number(first);
        if (Number.isInteger(hops) && hops >= 1 && hops <= PROXY_HOPS_MAX) return hops;
        return refuse(`takes the addresses of proxies, or how many there are, from 1 to ${PROXY_HOPS_MAX}`);
      }
      if (known.length > PROXY_NETWORKS_MAX)
        return refuse(`takes at most ${PROXY_NETWORKS_MAX} addresses and networks`);
      for (const text of known) {
        const fault = networkFault(text);
        if (fault !== undefined) return refuse(`${JSON.stringify(text)} ${fault}: write 10.0.0.7, or 10.0.0.0/8`);
      }
      return known.length === 0 ? undefined : known;
    });
}

/** Below a domain there may be names of basins; below an address there are none. */
export function domain() {
  return z.string().transform((value, context) => {
    const name = value.trim().toLowerCase().replace(/^\./, '');
    if (name.length <= DOMAIN_CHARS_MAX && DOMAIN.test(name)) return name;
    context.addIssue({
      code: 'custom',
      message: `must be a domain such as b.example.com, not ${JSON.stringify(value)}`,
    });
    return z.NEVER;
  });
}

const DOMAIN = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** A name of 253 characters at most (RFC 1035) has space for the longest basin and its dot. */
const DOMAIN_CHARS_MAX = 253 - BASIN_NAME_BYTES_MAX - 1;

function noOrigin(text: string): string {
  const meant = originWithin(text);
  const advice = meant === undefined ? 'write it as https://app.example' : `write ${meant}`;
  return `takes origins, scheme, host and port alone, and ${JSON.stringify(text)} is none: ${advice}`;
}

/** The target of the server's own telemetry that is its own store. */
export const OWN_STORE = 'self';

/** `self`, or the endpoint of an OTLP/HTTP receiver, to which `/v1/metrics` and `/v1/traces` are added. */
export function telemetryTarget() {
  return z.string().transform((value, context) => {
    const text = value.trim();
    if (text === OWN_STORE) return text;
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const isEndpoint = url !== undefined && /^https?:$/.test(url.protocol) && url.search + url.hash === '';
    if (isEndpoint && url.username + url.password === '') return text;
    const secret = 'credentials belong into TAILRACE_SELF_TELEMETRY_HEADERS';
    const message = `must be ${OWN_STORE}, or an endpoint such as http://127.0.0.1:4318 without query; ${secret}`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

/**
 * Headers as OpenTelemetry writes them in `OTEL_EXPORTER_OTLP_HEADERS`, or by their names. What is wrong is not shown: it
 * may be a secret.
 */
export function headerList() {
  return z
    .union([z.string(), z.record(z.string(), z.string()).readonly()])
    .transform((value, context): Readonly<Record<string, string>> => {
      const pairs = typeof value === 'string' ? value.split(',').map(headerPair) : Object.entries(value);
      const headers = new Map(pairs.flatMap((pair) => (pair === undefined ? [] : [pair])));
      const isFull = headers.size === pairs.length && [...headers].every(([name, text]) => isHeader(name, text));
      if (isFull) return Object.fromEntries(headers);
      context.addIssue({
        code: 'custom',
        message: 'must be name=value with commas between, such as Authorization=Bearer%20…',
      });
      return z.NEVER;
    });
}

/** Undefined for what is no pair, and for a value whose percent signs do not spell UTF-8. */
function headerPair(text: string): readonly [name: string, value: string] | undefined {
  const [, name = '', value = ''] = /^\s*([\w-]+)\s*=\s*([!-~]*)\s*$/.exec(text) ?? [];
  try {
    return name === '' ? undefined : [name.toLowerCase(), decodeURIComponent(value)];
  } catch {
    return undefined;
  }
}

/** RFC 9110, section 5.5: without what would end the line. */
function isHeader(name: string, value: string): boolean {
  return /^[\w-]+$/.test(name) && /^[\t -~\u0080-\u00ff]*$/.test(value);
}

export function toggle() {
  return z
    .union([z.boolean(), z.string().meta({ pattern: '^(1|true|yes|on|0|false|no|off)$' })])
    .transform((value, context) => {
      if (typeof value === 'boolean') return value;
      if (['1', 'true', 'yes', 'on'].includes(value.toLowerCase())) return true;
      if (['0', 'false', 'no', 'off'].includes(value.toLowerCase())) return false;
      context.addIssue({ code: 'custom', message: 'must be true or false' });
      return z.NEVER;
    });
}
