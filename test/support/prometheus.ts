/** Parses Prometheus's text format 0.0.4 as strictly as its grammar, and refuses what a scraper would refuse. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** The type of its family. */
  readonly type: string;
  /** Name and labels: there is one sample of each. */
  readonly series: string;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)/;
const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];

/** All samples, in their order. @throws Error for text that is not of the format */
export function parsePrometheus(text: string): readonly Sample[] {
  if (!text.endsWith('\n')) throw new Error('the last line must end');
  const types = new Map<string, string>();
  const helped = new Set<string>();
  const seen = new Map<string, Sample>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment !== null) readComment(comment, types, helped);
    else readSample(line, types, seen);
  }
  for (const name of types.keys()) if (!helped.has(name)) throw new Error(`${name} has no help`);
  const samples = [...seen.values()];
  for (const [name, type] of types) if (type === 'histogram') checkHistogram(name, samples);
  return samples;
}

/** The family of a histogram sample, or its own name. */
export function familyOf(name: string): string {
  return name.replace(/_(bucket|sum|count)$/, '');
}

/** The value of a series, 0 when it does not exist. */
export function sumOf(samples: readonly Sample[], name: string, labels: Readonly<Record<string, string>> = {}): number {
  const entries = Object.entries(labels);
  const found = samples.filter(
    (sample) => sample.name === name && entries.every(([label, value]) => sample.labels[label] === value),
  );
  return found.reduce((sum, { value }) => sum + value, 0);
}

function readComment(
  [, kind, name = '', rest = '']: RegExpExecArray,
  types: Map<string, string>,
  helped: Set<string>,
): void {
  if (!NAME.test(name)) throw new Error(`${name} is no name`);
  if (kind === 'HELP') {
    if (helped.has(name)) throw new Error(`${name} is explained twice`);
    helped.add(name);
    return;
  }
  if (types.has(name) || !TYPES.includes(rest)) throw new Error(`${name} has a wrong type, or two`);
  types.set(name, rest);
}

function readSample(line: string, types: ReadonlyMap<string, string>, seen: Map<string, Sample>): void {
  const [, name = '', labelText = '', number = ''] = SAMPLE.exec(line) ?? [];
  const type = types.get(name) ?? (types.get(familyOf(name)) === 'histogram' ? 'histogram' : undefined);
  if (type === undefined) throw new Error(`this is no sample of a family above: ${line}`);
  const labels = readLabels(labelText);
  const value = number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number);
  if (Number.isNaN(value)) throw new Error(`no number: ${line}`);
  if (type === 'counter' && value < 0) throw new Error(`a counter below zero: ${line}`);
  const series = `${name}{${Object.entries(labels).sort().join(';')}}`;
  if (seen.has(series)) throw new Error(`there twice: ${line}`);
  seen.set(series, { name, labels, value, type, series });
}

function readLabels(text: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (let rest = text; rest !== ''; ) {
    const [whole = '', name = '', value = ''] = LABEL.exec(rest) ?? [];
    if (whole === '' || name in labels) throw new Error(`wrong labels: ${text}`);
    labels[name] = value;
    rest = rest.slice(whole.length);
  }
  return labels;
}

/** Each set of labels is a histogram of its own. */
function checkHistogram(name: string, samples: readonly Sample[]): void {
  const byLabels = new Map<string, Sample[]>();
  for (const sample of samples) {
    if (familyOf(sample.name) !== name) continue;
    const { le: _bound, ...others } = sample.labels;
    const key = JSON.stringify(others);
    byLabels.set(key, [...(byLabels.get(key) ?? []), sample]);
  }
  for (const alike of byLabels.values()) checkBuckets(name, alike);
}

function checkBuckets(name: string, samples: readonly Sample[]): void {
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  const bounds = buckets.map(({ labels }) => (labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le)));
  const isRising = (numbers: readonly number[]): boolean =>
    numbers.every((n, i) => i === 0 || n >= (numbers[i - 1] ?? 0));
  if (!isRising(bounds) || !isRising(buckets.map(({ value }) => value))) throw new Error(`${name} does not rise`);
  if (bounds.at(-1) !== Number.POSITIVE_INFINITY) throw new Error(`${name} has no last bucket`);
  if (buckets.at(-1)?.value !== sumOf(samples, `${name}_count`)) throw new Error(`${name} counts something else`);
}
