/** A Dockerfile as its steps, and which files its build gets: as far as that of this repository goes. */

import { readFileSync } from 'node:fs';

export interface Step {
  /** `RUN`, `COPY` … */
  readonly name: string;
  readonly value: string;
  /** `--from=build` as `{ from: 'build' }` */
  readonly flags: Readonly<Record<string, string>>;
}

export interface Stage {
  /** What stands behind `FROM`. */
  readonly base: string;
  readonly name: string | undefined;
  readonly steps: readonly Step[];
}

export function readDockerfile(file: string): readonly Stage[] {
  const lines = readFileSync(file, 'utf8')
    .replaceAll(/^\s*#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const stages: { base: string; name: string | undefined; steps: Step[] }[] = [];
  for (const line of lines) {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === 'FROM') {
      const [base = '', , alias] = rest.split(/\s+/);
      stages.push({ base, name: alias, steps: [] });
      continue;
    }
    const current = stages.at(-1);
    if (name === '' || current === undefined) throw new Error(`${file}: no step of a stage: ${line}`);
    current.steps.push(stepOf(name, rest));
  }
  return stages;
}

function stepOf(name: string, rest: string): Step {
  const flags: Record<string, string> = {};
  let value = rest;
  for (let flag = FLAG.exec(value); flag !== null; flag = FLAG.exec(value)) {
    flags[flag[1] ?? ''] = flag[2] ?? '';
    value = value.slice(flag[0].length);
  }
  return { name, value, flags };
}

const FLAG = /^--([\w-]+)=(\S+)\s+/;

/** The values of `LABEL` and `ENV`: `NAME=value` and `NAME="value with spaces"`. */
export function pairsOf(value: string): Readonly<Record<string, string>> {
  const pairs = [...value.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)];
  return Object.fromEntries(pairs.map(([, name = '', quoted, plain]) => [name, quoted ?? plain ?? '']));
}

/** Whether a build gets a file: the last line of .dockerignore that matches it, or a folder above it, decides. */
export function isSent(ignore: string, file: string): boolean {
  let isIn = true;
  for (const line of ignore.split('\n').filter((text) => text !== '' && !text.startsWith('#'))) {
    const isException = line.startsWith('!');
    const pattern = isException ? line.slice(1) : line;
    if (patternOf(pattern).test(file)) isIn = isException;
  }
  return isIn;
}

function patternOf(pattern: string): RegExp {
  const escaped = pattern.replaceAll(/[.+^$()|[\]{}]/g, '\\$&');
  const source = escaped.replaceAll(/\*\*\/|\*/g, (found) => (found === '*' ? '[^/]*' : '(?:.*/)?'));
  return new RegExp(`^${source}(?:/.*)?$`);
}
