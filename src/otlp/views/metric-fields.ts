/** The columns of a metric in the `message` view. */

import type { Buckets, DataPoint, Exemplar, Int64, Metric, Points } from './decode.ts';
import type { ItemFields } from './row.ts';
import {
  attributesJson,
  doubleJson,
  idJson,
  integerJson,
  type JsonObject,
  type JsonValue,
  later,
  rfc3339,
  someAttributesJson,
} from './values.ts';

const KINDS = ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary'] as const;
type Kind = (typeof KINDS)[number];

const TEMPORALITIES: readonly (string | undefined)[] = [undefined, 'delta', 'cumulative'];
/** A bit of DataPointFlags: the point says that it has no value. */
const NO_RECORDED_VALUE = 1;

/** The columns of one metric; all of its data points are in one column. */
export function metricFields(metric: Metric): ItemFields {
  const kind = KINDS.find((known) => known === metric.data);
  const points = kind === undefined ? undefined : metric[kind];
  return {
    timestamp: latestTime(points?.dataPoints ?? []),
    type: metric.name,
    description: metric.description === '' ? undefined : metric.description,
    unit: metric.unit === '' ? undefined : metric.unit,
    kind,
    temporality: TEMPORALITIES[points?.aggregationTemporality ?? 0],
    monotonic: kind === 'sum' ? points?.isMonotonic : undefined,
    metadata: attributesJson(metric.metadata),
    dataPoints: kind === undefined || points === undefined ? [] : pointsJson(kind, points),
  };
}

function latestTime(points: readonly DataPoint[]): string | undefined {
  let latest: Int64 | undefined;
  for (const point of points) latest = later(latest, point.timeUnixNano);
  return latest === undefined ? undefined : rfc3339(latest);
}

function pointsJson(kind: Kind, points: Points): readonly JsonObject[] {
  const values = VALUES[kind];
  return points.dataPoints.map((point) => ({
    timestamp: rfc3339(point.timeUnixNano),
    startTimestamp: rfc3339(point.startTimeUnixNano),
    attributes: attributesJson(point.attributes),
    ...values(point),
    noRecordedValue: (point.flags & NO_RECORDED_VALUE) === 0 ? undefined : true,
    exemplars: (point.exemplars?.length ?? 0) === 0 ? undefined : point.exemplars?.map(exemplarJson),
  }));
}

const VALUES: Readonly<Record<Kind, (point: DataPoint) => JsonObject>> = {
  gauge: (point) => ({ value: numberJson(point) }),
  sum: (point) => ({ value: numberJson(point) }),
  histogram: (point) => ({
    ...distribution(point),
    bucketCounts: point.bucketCounts?.map(integerJson) ?? [],
    explicitBounds: point.explicitBounds?.map(doubleJson) ?? [],
  }),
  exponentialHistogram: (point) => ({
    ...distribution(point),
    scale: point.scale,
    zeroCount: optionalInteger(point.zeroCount),
    zeroThreshold: optionalDouble(point.zeroThreshold),
    positive: bucketsJson(point.positive),
    negative: bucketsJson(point.negative),
  }),
  summary: (point) => ({
    count: optionalInteger(point.count),
    sum: optionalDouble(point.sum),
    quantiles: (point.quantileValues ?? []).map(({ quantile, value }) => ({
      quantile: doubleJson(quantile),
      value: doubleJson(value),
    })),
  }),
};

/** What both kinds of histogram have; sum, min and max are there only when the sender set them. */
function distribution(point: DataPoint): JsonObject {
  return {
    count: optionalInteger(point.count),
    sum: optionalDouble(point.sum),
    min: optionalDouble(point.min),
    max: optionalDouble(point.max),
  };
}

function numberJson(point: {
  readonly value?: string;
  readonly asInt?: Int64;
  readonly asDouble?: number;
}): JsonValue | undefined {
  if (point.value === 'asInt') return optionalInteger(point.asInt);
  return point.value === 'asDouble' ? optionalDouble(point.asDouble) : undefined;
}

function bucketsJson(buckets: Buckets | null | undefined): JsonObject | undefined {
  if (buckets === null || buckets === undefined) return undefined;
  return { offset: buckets.offset, bucketCounts: buckets.bucketCounts.map(integerJson) };
}

function exemplarJson(exemplar: Exemplar): JsonObject {
  return {
    timestamp: rfc3339(exemplar.timeUnixNano),
    value: numberJson(exemplar),
    traceId: idJson(exemplar.traceId),
    spanId: idJson(exemplar.spanId),
    attributes: someAttributesJson(exemplar.filteredAttributes),
  };
}

function optionalInteger(value: Int64 | undefined): number | string | undefined {
  return value === undefined ? undefined : integerJson(value);
}

function optionalDouble(value: number | null | undefined): number | string | undefined {
  return value === null || value === undefined ? undefined : doubleJson(value);
}
