/** Columns of a log record in the `message` view. */

import type { LogRecord } from './decode.ts';
import { levelOf } from './level.ts';
import type { ItemFields } from './row.ts';
import { attributesJson, idJson, rfc3339, valueJson } from './values.ts';

/** What a row says of a log record. */
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
