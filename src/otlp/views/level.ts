/** The level of a log record in five words (otlp.md, Views; users.md 14). */

const BY_STEP = ['debug', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

/** What loggers write for the five; other words are kept as they are, in lower case. */
const BY_TEXT: ReadonlyMap<string, string> = new Map([
  ...['trace', 'debug', 'verbose', 'finest', 'finer', 'fine', 'dbg'].map((word) => [word, 'debug'] as const),
  ...['info', 'information', 'informational', 'notice', 'inf', 'log'].map((word) => [word, 'info'] as const),
  ...['warn', 'warning', 'wrn'].map((word) => [word, 'warn'] as const),
  ...['error', 'err', 'severe'].map((word) => [word, 'error'] as const),
  ...['fatal', 'critical', 'crit', 'alert', 'emergency', 'emerg', 'panic'].map((word) => [word, 'fatal'] as const),
]);

/** The level by number (1 to 24, four steps each), else by text, else undefined. */
export function levelOf(severityNumber: number, severityText: string): string | undefined {
  if (severityNumber >= 1 && severityNumber <= 24) return BY_STEP[(severityNumber - 1) >> 2];
  if (severityText === '') return undefined;
  const word = severityText.toLowerCase();
  return BY_TEXT.get(word) ?? word;
}
