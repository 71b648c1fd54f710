/**
 * What a shell shows when its user asks for the rest of a word: words of the command line, and names that a server, the
 * contexts or the disk know. It never asks and never complains: whatever goes wrong, there are no candidates.
 */

import type { Command } from 'commander';
import { readContexts } from '../contexts.ts';
import { EXIT } from '../exit.ts';
import { type ConnectionOptions, connect } from '../flags/connection.ts';
import { defaultBasin } from '../flags/names.ts';
import { escapeControls } from '../print/format.ts';
import { type CompletedWord, type CursorPlace, type NameKind, placeOf } from './place.ts';

/** Whoever presses Tab does not wait for a server for longer. */
const SERVER_MS_MAX = 1_000;
/** A shell that shows more than this is of no use. */
const NAMES_MAX = 500;
const SCHEME = 's2://';

/**
 * Prints `words`, then a line for each candidate with its description behind a tab; or `files`, which shells find by
 * themselves. Ends the process.
 */
export async function complete(words: readonly string[], build: (words: readonly string[]) => Promise<Command>) {
  let text = '';
  try {
    const place = placeOf(await build(words), words);
    text = place.names === 'files' ? 'files\n' : await candidatesText(place);
  } catch {
    // A file of contexts that is damaged, a token that cannot be read: the command itself will say so.
  }
  process.stdout.write(text, () => process.exit(EXIT.ok));
}

async function candidatesText(place: CursorPlace): Promise<string> {
  const found = place.names === undefined ? place.words : await namesFor(place, place.names);
  const lines = found
    .filter(({ value }) => value.startsWith(place.begun) && escapeControls(value) === value)
    .map(({ value, description }) => `${place.before}${value}\t${escapeControls(description)}`);
  return ['words', ...lines, ''].join('\n');
}

async function namesFor(place: CursorPlace, kind: NameKind): Promise<CompletedWord[]> {
  if (kind === 'contexts' || kind === 'endpoints') {
    return [...readContexts(process.env).byName].map(([name, { endpoint }]) =>
      kind === 'contexts' ? { value: name, description: endpoint } : { value: endpoint, description: name },
    );
  }
  const names: CompletedWord[] = [];
  // A call that is aborted ends at once, also while the name of the server is still being looked up.
  const signal = AbortSignal.timeout(SERVER_MS_MAX);
  try {
    for await (const name of namesOnServer(place, kind, signal)) if (names.push(name) >= NAMES_MAX) break;
  } catch {
    // What has come in time is better than nothing.
  }
  return names;
}

async function* namesOnServer(place: CursorPlace, kind: NameKind, signal: AbortSignal): AsyncGenerator<CompletedWord> {
  const { client } = connect(connectionOf(place));
  const { begun } = place;
  if (kind === 'tokens') {
    for await (const { id } of client.listTokens({ prefix: begun, signal })) yield { value: id, description: '' };
    return;
  }
  const [, basin, prefix] = /^s2:\/\/([^/]+)\/(.*)$/s.exec(begun) ?? [];
  if (basin !== undefined && kind !== 'bare streams') {
    const listed = client.listStreams({ basin, prefix, signal });
    for await (const { name } of listed) yield { value: `${SCHEME}${basin}/${name}`, description: '' };
    return;
  }
  if (kind !== 'basins' && !begun.startsWith(SCHEME)) {
    const listed = client.listStreams({ basin: basinOf(place), prefix: begun, signal });
    for await (const { name } of listed) yield { value: name, description: '' };
    // `s2://` itself, so that the next Tab shows the basins.
    if (kind === 'streams' && SCHEME.startsWith(begun)) yield { value: SCHEME, description: 'a stream of any basin' };
    return;
  }
  const hasScheme = begun.startsWith(SCHEME) || SCHEME.startsWith(begun);
  const wanted = begun.startsWith(SCHEME) ? begun.slice(SCHEME.length) : hasScheme ? '' : begun;
  const end = kind === 'streams' ? '/' : '';
  for await (const { name } of client.listBasins({ prefix: wanted, signal })) {
    yield { value: `${hasScheme ? SCHEME : ''}${name}${end}`, description: '' };
  }
}

/** The server that the command itself would call. Standard input is the terminal of the person who presses Tab. */
function connectionOf({ given }: CursorPlace): ConnectionOptions {
  const values = [...given].flatMap(([flag, value]) => (value === true ? [] : [[flag, value] as const]));
  const { '--endpoint': endpoint, '--token': token, '--token-file': tokenFile } = Object.fromEntries(values);
  if (tokenFile === '-') throw new Error('no token: it would be read from the terminal');
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(token === undefined ? {} : { token }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
  };
}

function basinOf({ given }: CursorPlace): string {
  const basin = given.get('--basin');
  return typeof basin === 'string' ? basin.replace(/^s2:\/\//, '') : defaultBasin();
}
