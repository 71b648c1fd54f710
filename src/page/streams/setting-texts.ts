/** Settings of streams as people write and read them: `7d`, `10GB`, and sentences that say what they do. */

import { bytesText, spanText } from '../parts/time.ts';
import type { BasinSettings, StreamSettings } from '../wire/control.ts';

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, min: 60, h: 3_600, d: 86_400, w: 604_800 };
const BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

const SPAN_FORM = 'a number with s, m, h, d or w, such as 12h or 7d';
const SIZE_FORM = 'a number with MB, GB or TB, such as 500MB or 10GB';

/** Seconds of `90s`, `12h`, `7d`; undefined for what is no length of time. */
export function parseSpan(text: string): number | undefined {
  return parseWithUnit(text, SECONDS);
}

/** Bytes of `500MB`, `10GB`, `64KiB`; undefined for what is no size. */
export function parseSize(text: string): number | undefined {
  return parseWithUnit(text, BYTES);
}

function parseWithUnit(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text.trim()) ?? [];
  const factor = units[unit.toLowerCase()];
  return number === '' || factor === undefined ? undefined : Math.round(Number(number) * factor);
}

/** Exact, so that what is read again is the same: `7d`, `90s`. */
export function spanInput(seconds: number): string {
  for (const unit of ['w', 'd', 'h', 'm'] as const) {
    const factor = SECONDS[unit] ?? 1;
    if (seconds > 0 && seconds % factor === 0 && (unit !== 'w' || seconds > 4 * factor))
      return `${seconds / factor}${unit}`;
  }
  return `${seconds}s`;
}

export function sizeInput(bytes: number): string {
  for (const unit of ['TB', 'GB', 'MB', 'kB', 'GiB', 'MiB', 'KiB'] as const) {
    const factor = BYTES[unit.toLowerCase()] ?? 1;
    if (bytes > 0 && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return `${bytes}B`;
}

/** What the fields of a form hold, as texts. The empty text leaves a setting to the basin, or to the server. */
export interface SettingFields {
  readonly age: string;
  readonly size: string;
  readonly mode: string;
  readonly uncapped: string;
  readonly empty: string;
}

export const NO_SETTINGS: SettingFields = { age: '', size: '', mode: '', uncapped: '', empty: '' };

export function fieldsOf(settings: StreamSettings | null | undefined): SettingFields {
  const { retention_policy: policy, retention_bytes: bytes, timestamping, delete_on_empty: onEmpty } = settings ?? {};
  const minAge = onEmpty?.min_age_secs;
  const uncapped = timestamping?.uncapped;
  return {
    age: policy === null || policy === undefined ? '' : 'age' in policy ? spanInput(policy.age) : 'forever',
    size: bytes === null || bytes === undefined ? '' : sizeInput(bytes),
    mode: timestamping?.mode ?? '',
    uncapped: uncapped === null || uncapped === undefined ? '' : String(uncapped),
    empty: minAge === null || minAge === undefined ? '' : minAge === 0 ? 'off' : spanInput(minAge),
  };
}

/** What is wrong with a field, with what is expected; undefined where nothing is. */
export function fieldFault(name: keyof SettingFields, text: string): string | undefined {
  const value = text.trim();
  if (value === '') return undefined;
  if (name === 'age' && !/^for ?ever$/i.test(value) && !(Number(parseSpan(value)) > 0))
    return `Write ${SPAN_FORM}, or forever.`;
  if (name === 'size' && !(Number(parseSize(value)) > 0)) return `Write ${SIZE_FORM}.`;
  if (name === 'empty' && value !== 'off' && !(Number(parseSpan(value)) > 0)) return `Write ${SPAN_FORM}, or off.`;
  return undefined;
}

/** Only what differs, so that other settings stay as they are. */
export function changedSettings(before: SettingFields, after: SettingFields): StreamSettings {
  const differs = (name: keyof SettingFields): boolean => before[name].trim() !== after[name].trim();
  const timestamping = {
    ...(differs('mode') ? { mode: after.mode === '' ? null : after.mode } : {}),
    ...(differs('uncapped') ? { uncapped: after.uncapped === '' ? null : after.uncapped === 'true' } : {}),
  };
  return {
    ...(differs('age') ? { retention_policy: policyOf(after.age.trim()) } : {}),
    ...(differs('size') ? { retention_bytes: parseSize(after.size) ?? null } : {}),
    ...(Object.keys(timestamping).length > 0 ? { timestamping } : {}),
    ...(differs('empty') ? { delete_on_empty: { min_age_secs: emptyOf(after.empty.trim()) } } : {}),
  };
}

function policyOf(age: string): NonNullable<StreamSettings['retention_policy']> | null {
  if (age === '') return null;
  const seconds = parseSpan(age);
  return seconds === undefined ? { infinite: {} } : { age: seconds };
}

function emptyOf(text: string): number | null {
  return text === '' ? null : (parseSpan(text) ?? 0);
}

/** `7 d`, `7 d, 10 GB`, `for ever`: how long records are kept. */
export function keptText({ retention_policy: policy, retention_bytes: bytes }: StreamSettings): string {
  const age = policy === null || policy === undefined || !('age' in policy) ? undefined : spanText(policy.age * 1_000);
  const size = bytes === null || bytes === undefined ? undefined : bytesText(bytes);
  return [age, size].filter((part) => part !== undefined).join(', ') || 'for ever';
}

/** Of a stream, or of the streams of a basin that do not set it themselves. */
export function streamSentences(settings: StreamSettings): readonly (readonly [string, string])[] {
  const { retention_policy: policy, retention_bytes: bytes, timestamping, delete_on_empty: onEmpty } = settings;
  const minAge = onEmpty?.min_age_secs;
  return [
    [
      'Kept for',
      policy === null || policy === undefined
        ? 'as long as the server says: 7 d'
        : 'age' in policy
          ? `${spanText(policy.age * 1_000)} after it came`
          : 'ever',
    ],
    ['Kept up to', bytes === null || bytes === undefined ? 'any size' : `${bytesText(bytes)}; then the oldest go`],
    ['Timestamps', MODES[timestamping?.mode ?? 'client-prefer'] ?? String(timestamping?.mode)],
    [
      'In the future',
      timestamping?.uncapped === true
        ? 'timestamps may lie ahead of the server'
        : 'timestamps are set back to the time of the server',
    ],
    [
      'When empty',
      minAge === null || minAge === undefined || minAge === 0
        ? 'it stays'
        : `it is deleted after ${spanText(minAge * 1_000)}`,
    ],
    ['Storage class', settings.storage_class ?? 'express'],
  ];
}

export const MODES: Readonly<Record<string, string>> = {
  'client-prefer': 'those of the writer, else the arrival',
  'client-require': 'those of the writer, which must be there',
  arrival: 'the arrival',
};

export function basinSentences(settings: BasinSettings): readonly (readonly [string, string])[] {
  const { otlp_default_stream: template, otlp_dedupe_window: window, large_items_max: large } = settings;
  const required = settings.otlp_required_resource_attributes ?? [];
  const dropped = settings.otlp_drop_attributes ?? [];
  return [
    ['A write to a missing stream', settings.create_stream_on_append === true ? 'creates it' : 'is refused'],
    ['A read of a missing stream', settings.create_stream_on_read === true ? 'creates it' : 'is refused'],
    [
      'OTLP data without s2.stream',
      template === null || template === undefined || template === '' ? 'is rejected' : `goes to ${template}`,
    ],
    ...(settings.otlp_service_routing === true
      ? [['OTLP data of a service', 'goes to the stream with its name, where there is one'] as const]
      : []),
    ...(required.length > 0 ? [['Resources must have', required.join(', ')] as const] : []),
    ...(dropped.length > 0 ? [['Never stored', dropped.join(', ')] as const] : []),
    ...(window ? [['Repeated requests', `are stored once within ${spanText(window * 1_000)}`] as const] : []),
    ...(large ? [['Large items', `are stored up to ${bytesText(large)}`] as const] : []),
    ['Cipher of new streams', settings.stream_cipher ?? 'none'],
  ];
}
