/** Log lines as logfmt (`key=value …`, one line each), which Loki, Heroku and grep read: made of pino's JSON. */

/** A value that needs no quotes. */
const PLAIN = /^[^\s"=\\\p{C}]+$/u;
/** What JSON leaves as it is and a terminal or a log reader may act on. */
const UNSAFE = /[\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Objects in objects are named by their fields down to so many levels; below that they are JSON in quotes. */
const LEVELS_MAX = 4;

/**
 * `time=… level=warn msg="a sentence" key=value …` for a JSON log line; a line that is not JSON is the message. Fields of
 * an object are named by its own (`err.message`), a list is JSON in quotes.
 */
export function logfmtLine(json: string): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return `msg=${shown(json.trimEnd())}\n`;
  }
  const { time, level, msg, ...rest } = fields;
  const pairs = [...pairsOf({ time, level, msg: msg ?? '' }), ...pairsOf(rest)];
  return `${pairs.map(([key, value]) => `${key}=${value}`).join(' ')}\n`;
}

function* pairsOf(fields: object, prefix = '', level = 1): Generator<readonly [string, string]> {
  for (const [name, value] of Object.entries(fields)) {
    const key = prefix + name.replace(/[\s="\p{C}]/gu, '_');
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (isObject && level < LEVELS_MAX) yield* pairsOf(value, `${key}.`, level + 1);
    else if (value !== undefined) yield [key, shown(value)];
  }
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (PLAIN.test(text)) return text;
  return JSON.stringify(text).replace(UNSAFE, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
