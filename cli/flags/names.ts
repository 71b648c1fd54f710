/** Names as users write them: s2://basin/stream, or a bare stream name; and names that are similar to one. */

import { nearest } from '../../src/encoding/nearest.ts';
import { TailraceError } from '../../src/model/error.ts';
import { basinNameFault, streamNameFault } from '../../src/model/names.ts';

/** A stream as the command line names it. */
export interface StreamUri {
  readonly basin: string;
  readonly stream: string;
}

const SCHEME = 's2://';
const NEAREST_MAX = 3;
const COMPARED_MAX = 1_000;
/** The default basin of `tailrace serve` when none is configured. */
const DEFAULT_BASIN = 'telemetry';

/**
 * Reads `s2://basin/stream` or a bare stream name, which may have slashes and lies in the default basin.
 * @throws TailraceError `config` with what is wrong with it.
 */
export function parseStreamUri(text: string, env: NodeJS.ProcessEnv = process.env): StreamUri {
  if (!text.startsWith(SCHEME)) return { basin: defaultBasin(env), stream: checkedStream(text) };
  const { basin, rest } = splitBasin(text.slice(SCHEME.length));
  if (rest === undefined || rest === '') {
    throw new TailraceError('config', `${text}: the stream name is missing: write s2://${basin}/<stream>`);
  }
  return { basin, stream: checkedStream(rest) };
}

/**
 * Reads `s2://basin`, `s2://basin/prefix`, or the same without the scheme.
 * @throws TailraceError `config` with what is wrong with it.
 */
export function parseBasinUri(text: string): { basin: string; prefix: string } {
  const { basin, rest } = splitBasin(text.startsWith(SCHEME) ? text.slice(SCHEME.length) : text);
  return { basin, prefix: rest ?? '' };
}

/**
 * Reads `s2://basin`, or a bare name.
 * @throws TailraceError `config` with what is wrong with it.
 */
export function parseBasinName(text: string): string {
  const { basin, prefix } = parseBasinUri(text);
  if (prefix === '') return basin;
  throw new TailraceError('config', `${text}: this command is for a whole basin: write s2://${basin}`);
}

/** The basin of bare stream names. */
export function defaultBasin(env: NodeJS.ProcessEnv = process.env): string {
  return env.TAILRACE_DEFAULT_BASIN || DEFAULT_BASIN;
}

export function formatStreamUri(uri: StreamUri): string {
  return `${SCHEME}${uri.basin}/${uri.stream}`;
}

/** The names that are most similar to the wanted one, best first. Leaves out what is too different. */
export async function nearestNames(
  wanted: string,
  names: AsyncIterable<{ readonly name: string }> | readonly { readonly name: string }[],
): Promise<string[]> {
  const known: string[] = [];
  for await (const { name } of names) {
    known.push(name);
    if (known.length >= COMPARED_MAX) break;
  }
  return nearest(wanted, known).slice(0, NEAREST_MAX);
}

function splitBasin(text: string): { basin: string; rest: string | undefined } {
  const slash = text.indexOf('/');
  const basin = slash === -1 ? text : text.slice(0, slash);
  const fault = basinNameFault(basin);
  if (fault !== undefined) throw new TailraceError('config', `${JSON.stringify(basin)}: ${fault}`);
  return { basin, rest: slash === -1 ? undefined : text.slice(slash + 1) };
}

function checkedStream(name: string): string {
  const fault = streamNameFault(name);
  if (fault !== undefined) throw new TailraceError('config', `${JSON.stringify(name)}: ${fault}`);
  return name;
}
