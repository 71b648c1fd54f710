/**
 * Creates or updates the basins, streams and access tokens that a file declares (`--init-file`), at each start. The
 * format is that of s2-lite's init file; configurations may also have the API's form, and our own fields. What the file
 * does not name is left as it is. Tokens are applied in `init-tokens.ts`.
 */

import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { unlimited } from './access/grant.ts';
import { ROOT_TOKEN_ID } from './access/tokens/credential.ts';
import { checkIssue } from './access/tokens/issue.ts';
import type { Basin } from './log/basins.ts';
import type { Log } from './log/log.ts';
import type { Clock } from './model/clock.ts';
import { TailraceError } from './model/error.ts';
import { INIT_BASIN_DELETION_WAIT_MS, INIT_STREAMS_AT_ONCE } from './model/limits.ts';
import { LOCATION } from './model/location.ts';
import { basinNameFault, streamNameFault } from './model/names.ts';
import type { BasinConfigRequest, StreamConfigRequest } from './model/stream-config.ts';
import type { TokenRequest } from './model/token-request.ts';
import { parseBasinConfigRequest, parseStreamConfigRequest } from './s2/config-json.ts';
import { POLICY_FIELDS } from './s2/otlp-policy-json.ts';
import { parseTokenRequest } from './s2/token-json.ts';

/** The checked content of a file: none of it can be refused because of its form. */
export interface InitSpec {
  /** The file, for messages. */
  readonly file: string;
  readonly basins: readonly InitBasin[];
  readonly tokens: readonly InitToken[];
}

/** A token without its secret, which is in a file of its own. */
export interface InitToken {
  /** Its place in the file, for messages. */
  readonly place: string;
  readonly request: TokenRequest;
  /** Absolute. */
  readonly secretFile: string;
}

interface InitBasin {
  readonly name: string;
  readonly config: BasinConfigRequest;
  readonly streams: readonly { readonly name: string; readonly config: StreamConfigRequest }[];
}

/** How many there were of each outcome. */
export interface InitOutcome {
  readonly created: number;
  readonly updated: number;
  readonly unchanged: number;
}

/**
 * Reads and checks a file. One message lists all its faults, each with its place.
 * @throws TailraceError `config`
 */
export async function readInitFile(file: string): Promise<InitSpec> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw refusal(file, [`it cannot be read: ${String(cause)}`]);
  });
  return parseInitFile(file, text);
}

/** @throws TailraceError `config` */
export function parseInitFile(file: string, text: string): InitSpec {
  const parsed = specShape.safeParse(jsonOf(file, text));
  if (!parsed.success) throw refusal(file, parsed.error.issues.map(describeIssue));
  const faults: string[] = [];
  const basins = parsed.data.basins.map((basin, i) => readBasin(basin, `basins[${i}]`, faults));
  expectOnce(basins, 'basins', faults);
  const tokens = parsed.data.access_tokens.flatMap((token, i) => readToken(file, token, `access_tokens[${i}]`, faults));
  expectApart(tokens, faults);
  if (faults.length > 0) throw refusal(file, faults);
  return { file, basins, tokens };
}

/**
 * Creates or updates all basins and streams that the file declares; durable when it resolves. Waits for a deletion of
 * one that is still going on.
 * @throws TailraceError `config` with the place in the file; `storage_full`, `storage`
 */
export async function applyInitFile(spec: InitSpec, log: Log, clock: Clock): Promise<InitOutcome> {
  const count = { created: 0, updated: 0, noop: 0 };
  for (const [i, { name, config, streams }] of spec.basins.entries()) {
    const place = `basins[${i}] (${name})`;
    const { outcome, it: basin } = await placed(spec, place, () => ensureBasin(log, clock, name, config));
    count[outcome] += 1;
    for (let at = 0; at < streams.length; at += INIT_STREAMS_AT_ONCE) {
      const some = streams.slice(at, at + INIT_STREAMS_AT_ONCE);
      // At the same time, so that they share transactions.
      const outcomes = await Promise.all(some.map((stream) => ensureStream(spec, log, clock, basin, stream)));
      for (const each of outcomes) count[each] += 1;
    }
  }
  return { created: count.created, updated: count.updated, unchanged: count.noop };
}

/** The units of durations in s2-lite's file, such as `7days` and `1h 30m`. */
const UNIT_MS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    'ms msec millis': 1,
    's sec secs second seconds': 1_000,
    'm min mins minute minutes': 60_000,
    'h hr hrs hour hours': 3_600_000,
    'd day days': 86_400_000,
    'w wk wks week weeks': 604_800_000,
    'M month months': 2_630_016_000,
    'y yr yrs year years': 31_557_600_000,
  }).flatMap(([names, ms]) => names.split(' ').map((name): [string, number] => [name, ms])),
);
const DURATION = /^(\s*\d+\s*[a-zA-Z]+)+\s*$/;
const DURATION_PART = /(\d+)\s*([a-zA-Z]+)/g;

const duration = z.string().transform((text, context) => {
  const seconds = secondsOf(text);
  if (seconds !== undefined) return seconds;
  context.addIssue({ code: 'custom', message: `"${text}" is not a duration of whole seconds: write it as "7days"` });
  return z.NEVER;
});

/** The file's own forms of a retention policy and a minimum age become those of the API, which it accepts too. */
const streamConfigShape = z
  .strictObject({
    storage_class: z.string().nullish(),
    retention_policy: z
      .union([
        z
          .string()
          .regex(/^infinite$/i)
          .transform(() => ({ infinite: {} })),
        z.object({ age: z.number() }).or(z.object({ infinite: z.object({}) })),
        duration.transform((age) => ({ age })),
      ])
      .nullish(),
    retention_bytes: z.number().nullish(),
    timestamping: z.strictObject({ mode: z.string().nullish(), uncapped: z.boolean().nullish() }).nullish(),
    delete_on_empty: z
      .strictObject({ min_age: duration.nullish(), min_age_secs: z.number().nullish() })
      .transform(({ min_age: age, min_age_secs: seconds }) => ({ min_age_secs: age ?? seconds }))
      .nullish(),
  })
  .nullish();

const basinConfigShape = z
  .strictObject({
    default_stream_config: streamConfigShape,
    stream_cipher: z.string().nullish(),
    create_stream_on_append: z.boolean().nullish(),
    create_stream_on_read: z.boolean().nullish(),
    otlp_default_stream: z.string().nullish(),
    oidc: z.unknown().optional(),
    // Values are checked by the API's own parser.
    ...Object.fromEntries(POLICY_FIELDS.map((field) => [field, z.unknown().optional()])),
  })
  .nullish();

const basinShape = z.strictObject({
  name: z.string(),
  location: z.literal(LOCATION.name, { error: `must be "${LOCATION.name}", the one location here` }).nullish(),
  config: basinConfigShape,
  streams: z.array(z.strictObject({ name: z.string(), config: streamConfigShape })).default([]),
});

const anything = z.unknown().optional();
/**
 * Values are checked by the API's own parser. That ignores unknown fields, but in a file an unknown field is a fault.
 */
const tokenShape = z.strictObject({
  id: z.string(),
  scope: z.strictObject({
    basins: anything,
    streams: anything,
    access_tokens: anything,
    op_groups: anything,
    ops: anything,
  }),
  expires_at: anything,
  auto_prefix_streams: anything,
  stream: anything,
  resource_attributes: anything,
  limits: anything,
  prefix: anything,
  secret_file: z.string({ error: 'must name the file that holds the secret, or shall hold it' }).min(1),
});

const specShape = z.strictObject({
  $schema: z.string().optional(),
  basins: z.array(basinShape).default([]),
  access_tokens: z.array(tokenShape).default([]),
});

function readBasin(basin: z.output<typeof basinShape>, place: string, faults: string[]): InitBasin {
  const fault = basinNameFault(basin.name);
  if (fault !== undefined) faults.push(`${place}.name: ${fault}`);
  const config = orFault(`${place}.config`, faults, () => parseBasinConfigRequest(basin.config ?? {}));
  const streams = basin.streams.map((stream, i) => {
    const here = `${place}.streams[${i}]`;
    const wrong = streamNameFault(stream.name);
    if (wrong !== undefined) faults.push(`${here}.name: ${wrong}`);
    const own = orFault(`${here}.config`, faults, () => parseStreamConfigRequest(stream.config ?? {}));
    return { name: stream.name, config: own ?? {} };
  });
  expectOnce(streams, `${place}.streams`, faults);
  return { name: basin.name, config: config ?? {}, streams };
}

/** Finds all faults that the API would refuse, except an expired token: that depends on the time of the start. */
function readToken(
  file: string,
  { secret_file: secretFile, ...json }: z.output<typeof tokenShape>,
  at: string,
  faults: string[],
): InitToken[] {
  const place = `${at} (${json.id})`;
  const request = orFault(place, faults, () => {
    const parsed = parseTokenRequest(json);
    checkIssue(unlimited(ROOT_TOKEN_ID), { ...parsed, expiresAt: undefined }, 0);
    return parsed;
  });
  return request === undefined ? [] : [{ place, request, secretFile: resolve(dirname(file), secretFile) }];
}

function expectApart(tokens: readonly InitToken[], faults: string[]): void {
  const ids = new Set<string>();
  const files = new Set<string>();
  for (const { place, request, secretFile } of tokens) {
    if (ids.has(request.id)) faults.push(`${place}.id: it is there twice: keep one of them`);
    else if (files.has(secretFile))
      faults.push(`${place}.secret_file: another token has that file: name one of its own`);
    ids.add(request.id);
    files.add(secretFile);
  }
}

function expectOnce(list: readonly { readonly name: string }[], place: string, faults: string[]): void {
  const seen = new Set<string>();
  for (const [i, { name }] of list.entries()) {
    if (seen.has(name)) faults.push(`${place}[${i}].name: "${name}" is there twice: keep one of them`);
    seen.add(name);
  }
}

function orFault<T>(place: string, faults: string[], parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof TailraceError)) throw error;
    faults.push(`${place}: ${error.message}`);
    return undefined;
  }
}

/** A deletion of a basin with this name may still be going on: it continues while we wait. */
async function ensureBasin(log: Log, clock: Clock, name: string, config: BasinConfigRequest) {
  return untilDeleted(clock, 'basin_deletion_pending', () => log.ensureBasin(name, config));
}

async function ensureStream(
  spec: InitSpec,
  log: Log,
  clock: Clock,
  basin: Basin,
  { name, config }: InitBasin['streams'][number],
) {
  const ensure = () => untilDeleted(clock, 'stream_deletion_pending', () => log.ensureStream(basin, name, config));
  return (await placed(spec, `stream ${name} of basin ${basin.name}`, ensure)).outcome;
}

async function untilDeleted<T>(clock: Clock, pending: TailraceError['code'], call: () => Promise<T>): Promise<T> {
  const deadline = clock.monotonicMs() + INIT_BASIN_DELETION_WAIT_MS;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const waits = error instanceof TailraceError && error.code === pending && clock.monotonicMs() < deadline;
      if (!waits) throw error;
    }
    await new Promise<void>((resolve) => void clock.timer(RETRY_MS, resolve));
  }
}

const RETRY_MS = 50;

/** Adds the place in the file to what the log refuses; other errors are faults of the store and stay as they are. */
async function placed<T>({ file }: InitSpec, place: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof TailraceError) || !REFUSED.includes(error.code)) throw error;
    throw refusal(file, [`${place}: ${error.message}`]);
  }
}

const REFUSED: readonly TailraceError['code'][] = ['invalid', 'basin_deletion_pending', 'stream_deletion_pending'];

function secondsOf(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  let ms = 0;
  for (const [, digits, unit = ''] of text.matchAll(DURATION_PART)) {
    ms += Number(digits) * (UNIT_MS.get(unit) ?? Number.NaN);
  }
  return Number.isSafeInteger(ms / 1_000) ? ms / 1_000 : undefined;
}

function jsonOf(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // The parser's message quotes the text, with its line breaks.
    const why = String(cause).replace(/\s+/g, ' ');
    throw refusal(file, [`${why}${lineOf(why, text)}`]);
  }
}

/** The line and column where the parser stopped, when it says so. */
function lineOf(why: string, text: string): string {
  const at = /at position (\d+)/.exec(why)?.[1];
  if (at === undefined) return '';
  const lines = text.slice(0, Number(at)).split('\n');
  return ` (line ${lines.length}, column ${(lines.at(-1) ?? '').length + 1})`;
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const place = issue.path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  const here = place === '' ? 'the file' : place.replace(/^[.]/, '');
  if (issue.code !== 'unrecognized_keys') return `${here}: ${messageOf(issue)}`;
  const secrets = issue.path[0] === 'access_tokens' ? issue.keys.filter((key) => SECRET_KEY.test(key)) : [];
  if (secrets.length > 0) return `${here}.${secrets[0]}: ${NO_SECRETS}`;
  return `${here}: unknown field \`${issue.keys.join('`, `')}\`: take it out, or correct its name`;
}

const SECRET_KEY = /secret|token|hash|credential|password|key|value/i;
const NO_SECRETS =
  'no secret belongs into this file, which is kept and copied where many can read it: put it into a file of its own, and name that in `secret_file`';

/** When a value fits none of its forms, the message of the closest form is the most useful. */
function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_union') return issue.message;
  const custom = issue.errors.flat().find(({ code }) => code === 'custom');
  return custom?.message ?? 'must be a duration such as "7days", "infinite", {"age": seconds} or {"infinite": {}}';
}

/** The error for the faults of a file, which stops the start. */
export function refusal(file: string, faults: readonly string[]): TailraceError {
  return new TailraceError('config', `the init file ${file} (--init-file): ${faults.join('; ')}`);
}
