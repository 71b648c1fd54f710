/**
 * The basins, streams and access tokens that a file declares, for a start (`--init-file`) and for `tailrace apply`. The
 * format is that of s2-lite's init file; configurations may also have the API's form, and our own fields. What the file
 * does not name is left as it is.
 */

import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { unlimited } from '../access/grant.ts';
import { ROOT_TOKEN_ID } from '../access/tokens/credential.ts';
import { checkIssue } from '../access/tokens/issue.ts';
import { TailraceError } from '../model/error.ts';
import { LOCATION } from '../model/location.ts';
import { basinNameFault, streamNameFault } from '../model/names.ts';
import type { BasinConfigRequest, StreamConfigRequest } from '../model/stream-config.ts';
import type { TokenRequest } from '../model/token-request.ts';
import { parseBasinConfigRequest, parseStreamConfigRequest } from '../s2/config-json.ts';
import { POLICY_FIELDS } from '../s2/otlp-policy-json.ts';
import { parseTokenRequest } from '../s2/token-json.ts';
import { parseDocument, readText } from '../settings/text-document.ts';

/** The checked content of a file: none of it can be refused because of its form. */
export interface InitSpec extends Declared {
  /** Where it comes from, for messages. */
  readonly source: string;
  readonly tokens: readonly InitToken[];
}

/** What is declared. A list that is undefined is not in the file. */
export interface Declared {
  readonly basins: readonly InitBasin[];
  readonly tokens: readonly DeclaredToken[];
  readonly lists: { readonly basins: boolean; readonly tokens: boolean };
}

/** A token without its secret, which is in a file of its own. */
export interface DeclaredToken {
  /** Its place in the file, for messages. */
  readonly place: string;
  readonly request: TokenRequest;
  /** As `POST /v1/access-tokens` takes it. */
  readonly json: Readonly<Record<string, unknown>> & { readonly id: string };
  /** Absolute. */
  readonly secretFile: string | undefined;
}

/** The same for a start, which needs the file of each secret. */
export interface InitToken extends DeclaredToken {
  readonly secretFile: string;
}

export interface InitBasin {
  readonly name: string;
  readonly config: BasinConfigRequest;
  /** The same as `PUT /v1/basins` takes it. */
  readonly json: object;
  readonly streams: readonly InitStream[];
  /** Whether the file lists its streams. */
  readonly hasStreams: boolean;
}

export interface InitStream {
  readonly name: string;
  readonly config: StreamConfigRequest;
  readonly json: object;
}

/**
 * What the settings declare, inline or in a file. One message lists all faults, each with its place.
 * @throws TailraceError `config`
 */
export async function readInit(settings: {
  readonly init?: unknown;
  readonly initFile?: string | undefined;
}): Promise<InitSpec | undefined> {
  const { init, initFile } = settings;
  if (initFile !== undefined) return readInitFile(resolve(initFile));
  return init === undefined ? undefined : specOf('init', init, process.cwd());
}

/**
 * Reads and checks a file, JSON or YAML. One message lists all its faults, each with its place.
 * @throws TailraceError `config`
 */
export async function readInitFile(file: string): Promise<InitSpec> {
  const text = await readText(file).catch((error: unknown) => {
    throw refusal(sourceOf(file), [error instanceof Error ? error.message : String(error)]);
  });
  if (/^\s*[[{]/.test(text)) return parseInitFile(file, text);
  const { value } = await parseDocument(sourceOf(file), text);
  return specOf(sourceOf(file), value ?? {}, dirname(file));
}

/** The same for a text of JSON. @throws TailraceError `config` */
export function parseInitFile(file: string, text: string): InitSpec {
  return specOf(sourceOf(file), jsonOf(file, text), dirname(file));
}

function specOf(source: string, json: unknown, folder: string): InitSpec {
  const faults: string[] = [];
  const declared = readDeclared(json, { folder, secretFiles: 'required' }, faults);
  if (declared === undefined || faults.length > 0) throw refusal(source, faults);
  const tokens = declared.tokens.flatMap((token) => {
    const { secretFile: file } = token;
    return file === undefined ? [] : [{ ...token, secretFile: file }];
  });
  return { ...declared, source, tokens };
}

export interface DeclaredOptions {
  /** Where relative paths start. */
  readonly folder: string;
  /** Whether each token must name the file of its secret. */
  readonly secretFiles: 'required' | 'optional';
}

/** Checks what a file declares, and adds each fault to `faults`, as a place in the file, a colon and a sentence. */
export function readDeclared(json: unknown, options: DeclaredOptions, faults: string[]): Declared | undefined {
  const parsed = SHAPES[options.secretFiles].safeParse(json);
  if (!parsed.success) {
    faults.push(...parsed.error.issues.map(describeIssue));
    return undefined;
  }
  const { basins: listed, access_tokens: tokensListed } = parsed.data;
  const basins = (listed ?? []).map((basin, i) => readBasin(basin, `basins[${i}]`, faults));
  expectOnce(basins, 'basins', faults);
  const tokens = (tokensListed ?? []).flatMap((token, i) =>
    readToken(options.folder, token, `access_tokens[${i}]`, faults),
  );
  expectApart(tokens, faults);
  return { basins, tokens, lists: { basins: listed !== undefined, tokens: tokensListed !== undefined } };
}

/** The path in front of a fault, such as `basins[0].streams[1].name: …`. */
export function pathIn(fault: string): (string | number)[] {
  const [place = ''] = /^[\w$]+(\.[\w$]+|\[\d+\])*(?=[:\s.])/.exec(fault) ?? [];
  const rest = fault.slice(place.length);
  const [, field] = /^ \(.*?\)\.(\w+):/.exec(rest) ?? [];
  const steps = [...place.matchAll(/[\w$]+/g)].map(([step]) => (/^\d+$/.test(step) ? Number(step) : step));
  return field === undefined ? steps : [...steps, field];
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
  streams: z.array(z.strictObject({ name: z.string(), config: streamConfigShape })).optional(),
});

const anything = z.unknown().optional();
/**
 * Values are checked by the API's own parser. That ignores unknown fields, but in a file an unknown field is a fault.
 */
const tokenShape = <File extends z.ZodType>(secretFile: File) =>
  z.strictObject({
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
    secret_file: secretFile,
  });

const secretFile = z.string({ error: 'must name the file that holds the secret, or shall hold it' }).min(1);
const specShape = <File extends z.ZodType>(file: File) =>
  z.strictObject({
    $schema: z.string().optional(),
    basins: z.array(basinShape).optional(),
    access_tokens: z.array(tokenShape(file)).optional(),
  });

const SHAPES = { required: specShape(secretFile), optional: specShape(secretFile.optional()) };
type TokenShape = NonNullable<z.output<(typeof SHAPES)['optional']>['access_tokens']>[number];

/** The shape of an init file, for a JSON Schema of it. */
export const INIT_SHAPE: z.ZodType = SHAPES.required;

function readBasin(basin: z.output<typeof basinShape>, place: string, faults: string[]): InitBasin {
  const fault = basinNameFault(basin.name);
  if (fault !== undefined) faults.push(`${place}.name: ${fault}`);
  const config = orFault(`${place}.config`, faults, () => parseBasinConfigRequest(basin.config ?? {}));
  const streams = (basin.streams ?? []).map((stream, i) => {
    const here = `${place}.streams[${i}]`;
    const wrong = streamNameFault(stream.name);
    if (wrong !== undefined) faults.push(`${here}.name: ${wrong}`);
    const own = orFault(`${here}.config`, faults, () => parseStreamConfigRequest(stream.config ?? {}));
    return { name: stream.name, config: own ?? {}, json: stream.config ?? {} };
  });
  expectOnce(streams, `${place}.streams`, faults);
  const { name, config: json } = basin;
  return { name, config: config ?? {}, json: json ?? {}, streams, hasStreams: basin.streams !== undefined };
}

/** Finds all faults that the API would refuse, except an expired token: that depends on the time of the start. */
function readToken(
  folder: string,
  { secret_file: file, ...json }: TokenShape,
  at: string,
  faults: string[],
): DeclaredToken[] {
  const place = `${at} (${json.id})`;
  const request = orFault(place, faults, () => {
    const parsed = parseTokenRequest(json);
    checkIssue(unlimited(ROOT_TOKEN_ID), { ...parsed, expiresAt: undefined }, 0);
    return parsed;
  });
  const secretFile = file === undefined ? undefined : resolve(folder, file);
  return request === undefined ? [] : [{ place, request, json, secretFile }];
}

function expectApart(tokens: readonly DeclaredToken[], faults: string[]): void {
  const ids = new Set<string>();
  const files = new Set<string>();
  for (const { place, request, secretFile } of tokens) {
    if (ids.has(request.id)) faults.push(`${place}.id: it is there twice: keep one of them`);
    else if (secretFile !== undefined && files.has(secretFile))
      faults.push(`${place}.secret_file: another token has that file: name one of its own`);
    ids.add(request.id);
    if (secretFile !== undefined) files.add(secretFile);
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
    throw refusal(sourceOf(file), [`${why}${lineOf(why, text)}`]);
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

function sourceOf(file: string): string {
  return `the init file ${file} (--init-file)`;
}

/** The error for the faults of a file, which stops the start. */
export function refusal(source: string, faults: readonly string[]): TailraceError {
  return new TailraceError('config', `${source}: ${faults.join('; ')}`);
}
