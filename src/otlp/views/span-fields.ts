/** The columns of a span in the `message` view. */

import type { Span, SpanEvent, SpanLink } from './decode.ts';
import type { ItemFields } from './row.ts';
import { attributesJson, durationMs, idJson, type JsonObject, rfc3339, someAttributesJson } from './values.ts';

const KINDS: readonly (string | undefined)[] = [undefined, 'internal', 'server', 'client', 'producer', 'consumer'];
export const STATUSES = ['unset', 'ok', 'error'] as const;

/** The columns of one span. */
export function spanFields(span: Span): ItemFields {
  return {
    timestamp: rfc3339(span.startTimeUnixNano),
    type: span.name,
    kind: KINDS[span.kind],
    metadata: attributesJson(span.attributes),
    traceId: idJson(span.traceId),
    spanId: idJson(span.spanId),
    parentSpanId: idJson(span.parentSpanId),
    traceState: span.traceState === '' ? undefined : span.traceState,
    endTimestamp: rfc3339(span.endTimeUnixNano),
    durationMs: durationMs(span.startTimeUnixNano, span.endTimeUnixNano),
    status: statusJson(span),
    events: span.events.map(eventJson),
    links: span.links.map(linkJson),
  };
}

function statusJson({ status }: Span): JsonObject {
  const message = status?.message ?? '';
  return { code: STATUSES[status?.code ?? 0] ?? 'unset', message: message === '' ? undefined : message };
}

function eventJson(event: SpanEvent): JsonObject {
  return {
    timestamp: rfc3339(event.timeUnixNano),
    name: event.name,
    attributes: someAttributesJson(event.attributes),
  };
}

function linkJson(link: SpanLink): JsonObject {
  return {
    traceId: idJson(link.traceId),
    spanId: idJson(link.spanId),
    traceState: link.traceState === '' ? undefined : link.traceState,
    attributes: someAttributesJson(link.attributes),
  };
}
