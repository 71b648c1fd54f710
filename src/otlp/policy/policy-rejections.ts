/** What the policy of a basin rejects, and what its sender is told to do about it. */

import type { Rejection } from '../rejections.ts';

/** The basin holds as many streams as it may. */
export function basinFull(streamsMax: number): Rejection {
  return {
    kind: 'basin_full',
    text: `the basin has its ${streamsMax} streams (otlp_limits.streams_max): delete some, or route by an attribute with fewer values`,
  };
}

/** A resource lacks an attribute that the basin requires. */
export function lacking(attribute: string): Rejection {
  return {
    kind: 'missing_attribute',
    text: `the resource has no ${attribute}, which the basin requires: set it in OTEL_RESOURCE_ATTRIBUTES`,
  };
}

/** A key of an attribute is too long. */
export function longKey(bytesMax: number): Rejection {
  return {
    kind: 'long_key',
    text: `the basin allows keys of ${bytesMax} bytes (otlp_limits.attribute_key_bytes_max): use shorter ones`,
  };
}
