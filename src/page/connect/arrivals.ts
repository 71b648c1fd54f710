/** What came in lately, as sentences: of what is stored, of what was refused and why, and what to do about it. */

import { agoText, countText } from '../parts/time.ts';
import type { SignalName } from '../wire/rows.ts';
import type { SenderEntry, SendersPage } from '../wire/senders.ts';

export interface Arrival {
  readonly key: string;
  readonly type: 'stored' | 'rejected' | 'refused';
  /** Milliseconds, by the clock of the server. */
  readonly at: number;
  /** It came since the screen was opened. */
  readonly isNew: boolean;
  /** Such as `401 from 127.0.0.1` or `12 log records from my-app`. */
  readonly title: string;
  /** In the server's words; undefined where the caller may not see them. */
  readonly message: string | undefined;
  readonly fix: string | undefined;
  /** Those of what was stored. */
  readonly streams: readonly string[];
}

/** Counts by the key of an arrival, as they were when the screen was opened. */
export type Baseline = ReadonlyMap<string, number>;

const UNITS: Readonly<Record<SignalName, readonly [one: string, many: string]>> = {
  logs: ['log record', 'log records'],
  traces: ['span', 'spans'],
  metrics: ['data point', 'data points'],
};

/** What is there already when the screen is opened. */
export function baselineOf({ senders }: SendersPage): Baseline {
  const counts = new Map<string, number>();
  for (const sender of senders) {
    for (const [signal, { accepted }] of signalsOf(sender)) counts.set(`${keyOf(sender)} ${signal}`, accepted);
    for (const { code, count } of sender.refusals) counts.set(`${keyOf(sender)} ${code}`, count);
    for (const { reason, count } of sender.rejections) counts.set(`${keyOf(sender)} ${reason}`, count);
  }
  return counts;
}

/** The newest first. */
export function arrivalsOf({ senders }: SendersPage, baseline: Baseline): readonly Arrival[] {
  const all = senders.flatMap((sender) => [
    ...storedOf(sender, baseline),
    ...refusedOf(sender, baseline),
    ...rejectedOf(sender, baseline),
  ]);
  // What is stored comes before what was left out of the same request.
  const rank = { stored: 0, rejected: 1, refused: 2 };
  return all.sort((a, b) => b.at - a.at || rank[a.type] - rank[b.type]);
}

/** In whole seconds, as it changes every second. */
export function ageText(ms: number): string {
  return ms < 1_000 ? 'just now' : agoText(Math.floor(ms / 1_000) * 1_000);
}

/** Who sends: its service, else the program. */
function nameOf({ service_names: [service], user_agent, address }: SenderEntry): string {
  return service ?? (user_agent === null ? address : (user_agent.split(' ')[0] ?? address));
}

function storedOf(sender: SenderEntry, baseline: Baseline): readonly Arrival[] {
  const counts = signalsOf(sender)
    .filter(([, { accepted }]) => accepted > 0)
    .map(([signal, { accepted, last_seen }]) => {
      const added = accepted - (baseline.get(`${keyOf(sender)} ${signal}`) ?? 0);
      return { signal, accepted, added, at: Date.parse(last_seen) };
    });
  if (counts.length === 0) return [];
  const isNew = counts.some(({ added }) => added > 0);
  const shown = isNew ? counts.filter(({ added }) => added > 0) : counts;
  const what = shown.map(({ signal, accepted, added }) => counted(isNew ? added : accepted, signal));
  const where = sender.streams.length === 0 ? '' : `, stored in ${listed(sender.streams)}`;
  return [
    {
      ...{ key: `${keyOf(sender)} stored`, type: 'stored', isNew, message: undefined, fix: undefined },
      at: Math.max(...counts.map(({ at }) => at)),
      title: `${listed(what)} from ${nameOf(sender)}${where}`,
      streams: sender.streams,
    },
  ];
}

function refusedOf(sender: SenderEntry, baseline: Baseline): readonly Arrival[] {
  return sender.refusals.map(({ code, status, message, path, count, last_seen }) => {
    const key = `${keyOf(sender)} ${code}`;
    const isNew = count > (baseline.get(key) ?? 0);
    const agent = sender.user_agent === null ? '' : ` (${sender.user_agent.split(' ')[0]})`;
    return {
      ...{ key, type: 'refused', at: Date.parse(last_seen), isNew, streams: [] },
      title: `${status} from ${sender.address}${agent}`,
      message: message ?? undefined,
      fix: fixOf(status, path),
    };
  });
}

function rejectedOf(sender: SenderEntry, baseline: Baseline): readonly Arrival[] {
  return sender.rejections.map(({ reason, signal, message, count, last_seen }) => {
    const key = `${keyOf(sender)} ${reason}`;
    const added = count - (baseline.get(key) ?? 0);
    const shown = added > 0 ? added : count;
    const what = signal === null ? `${countText(shown)} items` : counted(shown, signal);
    return {
      ...{ key, type: 'rejected', at: Date.parse(last_seen), isNew: added > 0, streams: [] },
      title: `${what} from ${nameOf(sender)} left out, of a request whose rest was stored`,
      message: message ?? undefined,
      fix: 'Exporters say nothing about it, because the answer is 200: correct what they send.',
    };
  });
}

/** What to do on this page; the server's message says what was wrong. */
function fixOf(status: number, path: string): string | undefined {
  switch (status) {
    case 401:
      return 'Make a token on this page, set OTEL_EXPORTER_OTLP_HEADERS again as it is shown, with %20 for the space, and start the program anew.';
    case 403:
      return 'The token is known but may not send there: make one on this page, which may.';
    case 404:
      return `It asked for ${path}. OTEL_EXPORTER_OTLP_ENDPOINT is the address alone, as it is shown: SDKs add /v1/logs, /v1/traces and /v1/metrics.`;
    case 405:
    case 415:
      return 'Set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, or choose gRPC on this page: it has a port of its own.';
    case 429:
    case 503:
      return 'Nothing to do: exporters send it again by themselves.';
    default:
      return undefined;
  }
}

function signalsOf({ signals }: SenderEntry) {
  return (['logs', 'traces', 'metrics'] as const).flatMap((name) => {
    const counts = signals[name];
    return counts === undefined ? [] : [[name, counts] as const];
  });
}

function keyOf({ address, user_agent, token, basin, service_names }: SenderEntry): string {
  return JSON.stringify([address, user_agent, token, basin, service_names[0] ?? null]);
}

function counted(count: number, signal: SignalName): string {
  const [one, many] = UNITS[signal];
  return `${countText(count)} ${count === 1 ? one : many}`;
}

/** `a`, `a and b`, `a, b and c`. */
function listed(texts: readonly string[]): string {
  const last = texts.at(-1) ?? '';
  return texts.length < 2 ? last : `${texts.slice(0, -1).join(', ')} and ${last}`;
}
