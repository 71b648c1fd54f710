/** Which streams a program reads together, and how the URL of `/v1/records` says it. */

import { expectList, expectObject, expectText, invalid } from './arguments.ts';

/** All with a prefix (the empty one is that of all), all that match a pattern with `*`, or exactly some. */
export type StreamSelection =
  | { readonly prefix: string }
  | { readonly glob: string }
  | { readonly streams: readonly string[] };

/** One of the three, and nothing beside it. */
export function expectSelection(value: unknown, name: string): asserts value is StreamSelection {
  expectObject(value, name);
  const [[key, chosen] = [], ...others] = Object.entries(value);
  if (others.length > 0 || (key !== 'prefix' && key !== 'glob' && key !== 'streams')) {
    throw invalid(`${name} must have one of prefix, glob, streams and nothing else, such as { prefix: '' }`);
  }
  if (key !== 'streams') {
    expectText(chosen, `${name}.${key}`);
    return;
  }
  expectList(chosen, `${name}.streams`);
  if (chosen.length === 0) throw invalid(`${name}.streams is empty: name a stream, or use { prefix: '' } for all`);
  for (const [index, stream] of chosen.entries()) expectText(stream, `${name}.streams[${index}]`);
}

/** Names and values of query parameters. */
export function selectionPairs(selection: StreamSelection): [name: string, value: string][] {
  if (!('streams' in selection)) return Object.entries(selection);
  return selection.streams.map((stream) => ['stream', stream]);
}

/** `*` stands for any characters, also none and also slashes; all others stand for themselves. */
export function globMatcher(glob: string): (name: string) => boolean {
  const parts = glob.split('*');
  const [first = ''] = parts;
  const last = parts.at(-1) ?? '';
  if (parts.length === 1) return (name) => name === glob;
  const middle = parts.slice(1, -1);
  return (name) => {
    if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
    let at = first.length;
    for (const part of middle) {
      const found = name.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return at <= name.length - last.length;
  };
}
