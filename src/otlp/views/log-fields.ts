/** The columns of a log record in the `message` view. */

import type { LogRecord } from './decode.ts';
import type { ItemFields } from './row.ts';
import { attributesJson, idJson, rfc3339, valueJson } from './values.ts';

/** The level of each four severity numbers, from 1 on (OTLP logs data model, Field: SeverityNumber). */
const BY_STEP = ['debug', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

/** What loggers write for the five levels; other words are kept as they are, in lower case. */
const BY_TEXT: ReadonlyMap<string, string> = new Map([
  ...['trace', 'debug', 'verbose', 'finest', 'finer', 'fine', 'dbg'].map((word) => [word, 'debug'] as const),
  ...['info', 'information', 'informational', 'notice', 'inf', 'log'].map((word) => [word, 'info'] as const),
  ...['warn', 'warning', 'wrn'].map((word) => [word, 'warn'] as const),
  ...['error', 'err', 'severe'].map((word) => [word, 'error'] as const),
  ...['fatal', 'critical', 'crit', 'alert', 'emergency', 'emerg', 'panic'].map((word) => [word, 'fatal'] as const),
]);

/** The columns of one log record. */
export function logFields(log: LogRecord): ItemFields {
  const observed = rfc3339(log.observedTimeUnixNano);
  return {
    timestamp: rfc3339(log.timeUnixNano) ?? observed,
    type: log.eventName === '' ? undefined : log.eventName,
    body: log.body === null ? undefined : valueJson(log.body),
    level: levelOf(log.severityNumber, log.severityText),
    severityText: log.severityText === '' ? undefined : log.severityText,
    metadata: attributesJson(log.attributes),
    traceId: idJson(log.traceId),
    spanId: idJson(log.spanId),
    observedTimestamp: observed,
  };
}

/** One of five levels: by number (1 to 24), else by text, else undefined. */
export function levelOf(severityNumber: number, severityText: string): string | undefined {
  if (severityNumber >= 1 && severityNumber <= 24) return BY_STEP[(severityNumber - 1) >> 2];
  if (severityText === '') return undefined;
  const word = severityText.toLowerCase();
  return BY_TEXT.get(word) ?? word;
}
