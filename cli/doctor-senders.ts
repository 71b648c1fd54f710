/** Whether anything arrives at a server: each signal, from whom and when last; and if everything is refused, why. */

import type { SenderJson, SenderRefusalJson, SendersJson } from '../src/client/senders.ts';
import { TailraceError } from '../src/model/error.ts';
import { SIGNALS } from '../src/model/record.ts';
import type { Finding } from './doctor.ts';
import { EXIT } from './exit.ts';
import type { ServerConnection } from './flags/connection.ts';
import { counted } from './print/format.ts';
import { agoText, softwareText } from './print/sender.ts';
import { fixOf } from './print/sender-fixes.ts';
import { isDenied, sendersSeen } from './senders-seen.ts';

/** The last line of all says what arrives. */
export async function* senderFindings({ client }: ServerConnection): AsyncGenerator<Finding> {
  let seen: SendersJson;
  try {
    seen = await sendersSeen(client, {});
  } catch (error) {
    if (isDenied(error)) yield finding('ok', 'this token may not see who sends');
    else if (!isUnasked(error)) throw error;
    return;
  }
  const usual = await usualBasin(client);
  const now = Date.parse(seen.now);
  // A server of an older version does not know it.
  if (Number.isNaN(now)) return;
  const refused = seen.senders.find(({ accepted }) => accepted === 0);
  if (seen.senders.some(({ accepted }) => accepted > 0)) {
    if (refused !== undefined) yield* refusedFindings(refused, now, '');
    const text = SIGNALS.map((signal) => arrivalText(signal, seen.senders, now, usual)).join(', ');
    yield { ...finding('ok', text), title: 'arriving' };
    return;
  }
  const start = `since the server started ${agoText(seen.since, now)}`;
  if (refused !== undefined) yield* refusedFindings(refused, now, `nothing was stored ${start}: `);
  else yield finding('warning', `nothing ${start}`, NOTHING_FIX);
}

const NOTHING_FIX =
  'set OTEL_EXPORTER_OTLP_ENDPOINT to this server; `tailrace send log hello` sends something, `tailrace senders -f` shows who does';

/** Of a server of an older version, and of a JWT, which sends OTLP data and may ask nothing. */
function isUnasked(error: unknown): boolean {
  return error instanceof TailraceError && (error.code === 'not_found' || error.code === 'authn');
}

/** Undefined where the caller may not know, or a server of an older version does not say it. */
async function usualBasin(client: ServerConnection['client']): Promise<string | undefined> {
  try {
    return (await client.whoami()).basin;
  } catch (error) {
    if (error instanceof TailraceError) return undefined;
    throw error;
  }
}

/** A basin that is not the usual one is named: data that is missed may have gone there. */
function arrivalText(
  signal: (typeof SIGNALS)[number],
  senders: readonly SenderJson[],
  now: number,
  usual: string | undefined,
): string {
  const times = senders.flatMap((sender) => {
    const counts = sender.signals[signal];
    return counts === undefined || counts.accepted === 0 ? [] : [{ sender, at: counts.last_seen }];
  });
  const [newest] = times.sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  if (newest === undefined) return `${signal} never`;
  const { basin } = newest.sender;
  const into = basin === null || basin === usual || usual === undefined ? '' : ` into s2://${basin}`;
  return `${signal} ${agoText(newest.at, now)} ${fromText(newest.sender)}${into}`;
}

/** Of one that sends, and of which nothing was stored. */
function* refusedFindings(sender: SenderJson, now: number, before: string): Generator<Finding> {
  const refusal = [...sender.refusals].sort((a, b) => Date.parse(b.last_seen) - Date.parse(a.last_seen))[0];
  const [rejection] = sender.rejections;
  if (refusal !== undefined) {
    const text = `${before}${refusedText(refusal, now)} ${fromText(sender)}: ${refusal.message ?? refusal.code}`;
    yield finding('warning', text, fixOf(refusal, sender));
  } else if (rejection !== undefined) {
    const text = `${before}all data ${fromText(sender)} is rejected: ${rejection.message ?? rejection.reason}`;
    yield finding('warning', text);
  }
}

function refusedText({ status, count, path, last_seen: last }: SenderRefusalJson, now: number): string {
  return `${status} ${counted(count, 'time')}, last ${agoText(last, now)}, POST ${path}`;
}

function fromText(sender: SenderJson): string {
  return `from ${sender.address} (${softwareText(sender)})`;
}

function finding(level: Finding['level'], text: string, fix?: string): Finding {
  return { check: 'data', level, text, code: EXIT.ok, ...(fix === undefined ? {} : { fix }) };
}
