/** Lists and objects that senders spread over attributes with numbers in their names, such as `gen_ai.prompt.0.content`. */

import type { Attributes, Json } from '../wire/rows.ts';

/** What is built: numbers as keys make lists. */
interface NumberedLevel {
  [key: string]: Json | NumberedLevel;
}

/** No sender has so many; a list of them must not be larger than what was sent. */
const NUMBER_MAX = 10_000;

/** The items under a prefix, in the order of their numbers; names with dots become objects in objects. */
export function numberedObjects(attributes: Attributes, prefix: string): readonly unknown[] {
  const root: NumberedLevel = Object.create(null) as NumberedLevel;
  for (const [key, value] of Object.entries(attributes)) {
    if (!key.startsWith(`${prefix}.`)) continue;
    const path = key.slice(prefix.length + 1).split('.');
    if (/^\d+$/.test(path[0] ?? '')) put(root, path, value);
  }
  const list = listed(root);
  return Array.isArray(list) ? list : [];
}

function put(root: NumberedLevel, path: readonly string[], value: Json): void {
  let level = root;
  for (const name of path.slice(0, -1)) {
    const there = level[name];
    const next: NumberedLevel =
      typeof there === 'object' && there !== null && !Array.isArray(there)
        ? (there as NumberedLevel)
        : (Object.create(null) as NumberedLevel);
    level[name] = next;
    level = next;
  }
  level[path.at(-1) ?? ''] = value;
}

/** Objects whose keys are all numbers become lists, without holes. */
function listed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, listed(item)] as const);
  if (entries.length === 0 || !entries.every(([key]) => /^\d+$/.test(key) && Number(key) < NUMBER_MAX)) {
    return Object.fromEntries(entries);
  }
  return entries.sort(([a], [b]) => Number(a) - Number(b)).map(([, item]) => item);
}
