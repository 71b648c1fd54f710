/** What overloads a server at little cost to the load: work of tens of milliseconds in a few kilobytes. */

import { gzipSync } from 'node:zlib';

export const OVERLOAD_RECORDS = 4_096;
export const OVERLOAD_STREAM = 'flooded';

/** A request in JSON, compressed. */
export function overloadBody(): Buffer {
  const attributes = Array.from({ length: 8 }, (_, i) => ({ key: `key.${i}`, value: { stringValue: 'a value' } }));
  const record = { timeUnixNano: '1700000000000000000', body: { stringValue: 'a line of text' }, attributes };
  const resource = { attributes: [{ key: 's2.stream', value: { stringValue: OVERLOAD_STREAM } }] };
  const logRecords = Array.from({ length: OVERLOAD_RECORDS }, () => record);
  return gzipSync(JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] }));
}
