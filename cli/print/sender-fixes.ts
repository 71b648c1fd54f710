/** What to do about each reason why a sender is refused. The messages of the server say more where it knows more. */

import type { SenderJson, SenderRefusalJson } from '../../src/client/senders.ts';
import type { ErrorCode } from '../../src/model/error.ts';

/** Reasons whose message says all that there is to say have no line. */
const FIXES: Readonly<Partial<Record<ErrorCode, string>>> = {
  authn:
    'set OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20<token>" with a token of this server: `tailrace tokens issue` makes one, `tailrace doctor` tries one',
  permission_denied: 'use a token that may append there: `tailrace tokens list` shows what each may do',
  not_found: 'set OTEL_EXPORTER_OTLP_ENDPOINT to the server without a path',
  too_large:
    'send smaller batches: OTEL_BLRP_MAX_EXPORT_BATCH_SIZE, OTEL_BSP_MAX_EXPORT_BATCH_SIZE; in a Collector send_batch_max_size',
  rate_limited: 'exporters send again by themselves; if it lasts, send less, or issue a token with a larger quota',
  overloaded: 'exporters send again by themselves; if it lasts, send smaller batches or raise --memory-limit',
  request_timeout: 'the body comes too slowly: look at the network and at what is in between',
  deadline_exceeded: 'exporters send again by themselves; if it lasts, set OTEL_EXPORTER_OTLP_TIMEOUT to more',
  storage_full: 'free space on the disk of the server, or serve with --when-full drop-oldest',
  storage: 'restart the server; its log says why the store failed',
  draining: 'exporters send again by themselves when the server is back',
  internal: 'the log of the server says more',
  fatal: 'the log of the server says more',
};

/** What the clients of gRPC ask for. */
const GRPC_PATH = /^\/opentelemetry\.proto\./;

/** Clocks that differ more than this are worth a line; data may wait longer before it is sent. */
const AHEAD_MS_MAX = 10_000;
const BEHIND_MS_MAX = 10 * 60_000;

/** Undefined when the message says it. */
export function fixOf({ code, path, message }: SenderRefusalJson, { basin }: SenderJson): string | undefined {
  if (code === 'not_found' && GRPC_PATH.test(path)) {
    return 'set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, or send to the port of gRPC, which is 4317 by default';
  }
  if (code === 'not_found' && message !== null) return undefined;
  if (code === 'basin_not_found' && basin !== null) {
    return `\`tailrace basins create ${basin} --create-stream-on-append --otlp-default-stream "{service.name}"\``;
  }
  return FIXES[code as ErrorCode];
}

/** What is wrong with the clock of a sender, and the fix; undefined when nothing is. */
export function clockFault(skewMs: number | null): { readonly behind: boolean; readonly fix: string } | undefined {
  if (skewMs === null) return undefined;
  if (skewMs > AHEAD_MS_MAX) return { behind: false, fix: 'set the clock of its machine from NTP' };
  if (skewMs >= -BEHIND_MS_MAX) return undefined;
  return { behind: true, fix: 'set the clock of its machine from NTP, unless the data waited in a queue or a file' };
}
