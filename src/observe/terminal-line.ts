/** Log lines for people: turns pino's JSON into one line for a terminal, without anything that controls a terminal. */

/** Control characters, also those of the C1 range, and the Unicode marks that reorder a line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not get through
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/**
 * `08:46:12 WARN  a sentence  key=value …` for a JSON log line; a line that is not JSON is only escaped. The result is
 * empty for lines of the audit log that a log file is for: what a start did by itself, which would fill the first
 * screen, and refusals, which a terminal shows as warnings, once a minute for each sender and reason.
 */
export function terminalLine(json: string): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return `${escaped(json.trimEnd())}\n`;
  }
  const { level, time, msg, err, ...rest } = fields;
  const isOfStart = rest.protocol === 'start' && rest.outcome === 'done';
  if (rest.audit === true && (rest.outcome === 'refused' || isOfStart)) return '';
  const pairs = Object.entries(rest).map(([key, value]) => `${key}=${shown(value)}`);
  const parts = [
    `${String(time).slice(11, 19)} ${String(level).toUpperCase().padEnd(5)} ${String(msg ?? '')}`,
    ...pairs,
  ];
  const stack = stackOf(err);
  return `${escaped(parts.join('  '))}\n${stack === undefined ? '' : `${stack.split('\n').map(escaped).join('\n')}\n`}`;
}

function shown(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

function stackOf(err: unknown): string | undefined {
  if (typeof err !== 'object' || err === null || !('stack' in err)) return undefined;
  return typeof err.stack === 'string' ? err.stack : undefined;
}

function escaped(text: string): string {
  return text.replace(UNSAFE, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
