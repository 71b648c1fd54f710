/** Who sends OTLP data and who is refused, as far as the caller may know. What is remembered is in `observe/senders.ts`. */

import type { Principal } from '../../access/grant.ts';
import type { QueryNames } from '../../encoding/known-names.ts';
import { inTurns } from '../../encoding/turns.ts';
import type { Clock } from '../../model/clock.ts';
import { LISTED_SENDERS_BYTES_MAX, SENDER_NAMES_MAX, YIELD_BYTES } from '../../model/limits.ts';
import { basinNameFault } from '../../model/names.ts';
import { matches } from '../../model/scope.ts';
import { mergeSenders, sendersPart } from '../../observe/merge-senders.ts';
import type { Sender } from '../../observe/sender.ts';
import type { AccountDeps, AccountPartDeps } from '../account-part.ts';
import { authorizeUncounted, type IdentifyDeps } from '../context.ts';
import type { Exchange } from '../exchange.ts';
import { type ReplyDeps, reply } from '../reply.ts';
import { nameInPath, type Route } from '../router.ts';
import { pageOf, turnForPage } from '../s2/page-query.ts';
import { OTLP_STATUS } from '../status.ts';

/** Those that sent last come first, so a page is only so long. */
const SENDERS_PAGE: QueryNames = { once: ['limit'] };

export interface SendersDeps extends AccountDeps, IdentifyDeps, ReplyDeps {
  readonly clock: Pick<Clock, 'now'>;
  readonly senders: AccountPartDeps['senders'];
}

/** Those who look every second are not counted as use of the account. */
export function senderRoutes(deps: SendersDeps): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/senders',
      call: 'list-senders',
      query: SENDERS_PAGE,
      action: 'account-metrics',
      handle: (exchange) => {
        const principal = authorizeUncounted(exchange, deps, { operation: 'account-metrics' });
        return list(exchange, principal, (basin) => mayKnow(principal, basin), deps);
      },
    },
    {
      method: 'GET',
      path: '/v1/senders/{basin}',
      call: 'list-basin-senders',
      query: SENDERS_PAGE,
      action: 'basin-metrics',
      handle: (exchange, [segment = '']) => {
        const basin = nameInPath(segment, basinNameFault);
        const principal = authorizeUncounted(exchange, deps, { operation: 'basin-metrics', basin });
        return list(exchange, principal, (name) => name === basin, deps);
      },
    },
  ];
}

/** Those that sent last come first. */
async function list(
  exchange: Exchange,
  principal: Principal,
  isAskedFor: (basin: string | undefined) => boolean,
  deps: SendersDeps,
): Promise<void> {
  const { clock, replyContext } = deps;
  const page = pageOf(exchange.query, 'basin');
  await turnForPage(exchange, page, { replyContext });
  const known = await knownSenders(deps);
  const all = known.senders.filter((sender) => isAskedFor(sender.basin) && maySee(principal, sender));
  const rows = await inTurns(firstRows(all.slice(0, page.limit), principal));
  const [since, now] = [timeText(known.since), timeText(clock.now())];
  const body = `{"since":"${since}","now":"${now}","senders":[${rows.join(',')}],"has_more":${all.length > rows.length}}`;
  reply(exchange, { status: 200, contentType: 'application/json', body }, replyContext);
}

/** Those of this process, and of the others that serve a part of the account. */
async function knownSenders({ senders, others }: SendersDeps): Promise<ReturnType<typeof mergeSenders>> {
  if (others === undefined) return { since: senders.since, senders: senders.list() };
  return mergeSenders([sendersPart(senders), ...(await others.senders())]);
}

/** Who is not known sends to no basin: that is for those who may see every basin. */
function mayKnow(principal: Principal, basin: string | undefined): boolean {
  return basin === undefined ? seesAll(principal, 'basins') : principal.allows('account-metrics', basin);
}

function seesAll({ token }: Principal, kind: 'basins' | 'streams'): boolean {
  if (token === undefined) return true;
  const set = token.scope[kind];
  return set !== undefined && 'prefix' in set && set.prefix === '' && (kind === 'basins' || token.autoPrefix === '');
}

/** Who may not see all streams sees those with the same token, and those that send only to streams that it may see. */
function maySee(principal: Principal, { token, streams }: Sender): boolean {
  if (seesAll(principal, 'streams') || token === principal.id) return true;
  return streams.size > 0 && streams.size < SENDER_NAMES_MAX && [...streams].every((name) => sees(principal, name));
}

function sees({ token }: Principal, stream: string): boolean {
  if (token === undefined) return true;
  const { scope, autoPrefix } = token;
  return stream.startsWith(autoPrefix) && matches(scope.streams, stream);
}

/** As JSON, up to the bytes of a page. */
function* firstRows(senders: readonly Sender[], principal: Principal): Generator<void, readonly string[]> {
  const rows: string[] = [];
  let bytes = 0;
  let work = 0;
  for (const sender of senders) {
    const row = JSON.stringify(senderJson(sender, principal));
    bytes += Buffer.byteLength(row);
    work += row.length;
    if (bytes > LISTED_SENDERS_BYTES_MAX) break;
    rows.push(row);
    if (work < YIELD_BYTES) continue;
    work = 0;
    yield;
  }
  return rows;
}

function senderJson(sender: Sender, principal: Principal): object {
  const { sdk, token, streams } = sender;
  // Messages may name streams.
  const told = seesAll(principal, 'streams') || (token === principal.id && principal.token?.autoPrefix === '');
  const counts = [...sender.signals.values()];
  return {
    address: sender.address,
    user_agent: sender.userAgent ?? null,
    service_names: [...sender.services],
    sdk: sdk === undefined ? null : { name: sdk.name, language: sdk.language, version: sdk.version },
    token: token ?? null,
    basin: sender.basin ?? null,
    streams: [...streams].filter((name) => sees(principal, name)).map((name) => principal.shown(name)),
    protocols: [...sender.protocols],
    encodings: [...sender.encodings],
    accepted: counts.reduce((sum, { accepted }) => sum + accepted, 0),
    rejected: counts.reduce((sum, { rejected }) => sum + rejected, 0),
    refused: sender.refused,
    signals: Object.fromEntries(
      [...sender.signals].map(([signal, { lastSeen, ...rest }]) => [
        signal,
        { ...rest, last_seen: timeText(lastSeen) },
      ]),
    ),
    rejections: [...sender.rejections].map(([kind, { reason, signal, count, lastSeen }]) => ({
      ...{ reason: kind, message: told ? reason : null, signal: signal ?? null, count },
      last_seen: timeText(lastSeen),
    })),
    repairs: [...sender.repairs].map(([kind, { reason, signal, count, lastSeen }]) => ({
      ...{ kind, message: reason, signal: signal ?? null, count },
      last_seen: timeText(lastSeen),
    })),
    refusals: [...sender.refusals].map(([code, { message, path, signal, count, lastSeen }]) => ({
      ...{ status: OTLP_STATUS[code], code, message: told ? message : null, path, signal: signal ?? null, count },
      last_seen: timeText(lastSeen),
    })),
    clock_skew_ms: sender.clockSkewMs ?? null,
    ack_ms: ackJson(sender),
    first_seen: timeText(sender.firstSeen),
    last_seen: timeText(sender.lastSeen),
  };
}

/** Three digits say as much as is known. */
function ackJson({ latencies }: Sender): object | null {
  if (latencies === undefined) return null;
  const rounded = (ms: number): number => Number(ms.toPrecision(3));
  return { p50: rounded(latencies.p50Ms), p99: rounded(latencies.p99Ms) };
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
