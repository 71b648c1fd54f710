/** A unit file of systemd, as far as tests need it: its keys, with all values that a key has. */

import { readFileSync } from 'node:fs';

export interface UnitFile {
  /** Of one key in one section, in their order. */
  all(section: string, key: string): readonly string[];
  /** The last one. @throws Error when there is none */
  one(section: string, key: string): string;
}

export function readUnit(file: string): UnitFile {
  const values = new Map<string, string[]>();
  let section = '';
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const header = /^\[(\w+)\]$/.exec(line)?.[1];
    if (header !== undefined) section = header;
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined) continue;
    const id = `${section}.${key}`;
    values.set(id, [...(values.get(id) ?? []), value]);
  }
  const all = (name: string, key: string): readonly string[] => values.get(`${name}.${key}`) ?? [];
  return {
    all,
    one: (name, key) => {
      const value = all(name, key).at(-1);
      if (value === undefined) throw new Error(`${file} has no ${key} in [${name}]`);
      return value;
    },
  };
}
