/**
 * `GET /v1/audit`: the last lines of the audit log, the newest first. For the root token only: they name tokens, streams
 * and addresses of all basins.
 */

import type { QueryNames } from '../../encoding/known-names.ts';
import type { Clock } from '../../model/clock.ts';
import { mergeLines } from '../../observe/audit-lines.ts';
import { type AccountDeps, type AccountPartDeps, auditPart } from '../account-part.ts';
import { authorizeUncounted, type IdentifyDeps } from '../context.ts';
import type { Exchange } from '../exchange.ts';
import { type ReplyDeps, reply } from '../reply.ts';
import type { Route } from '../router.ts';
import { pageOf, turnForPage } from '../s2/page-query.ts';

const PARAMETERS: QueryNames = { once: ['limit'] };

export interface AuditRouteDeps extends AccountDeps, IdentifyDeps, ReplyDeps {
  readonly audit: AccountPartDeps['audit'];
  readonly clock: Pick<Clock, 'now'>;
}

/** Those who look every few seconds are not counted as use. */
export function auditRoutes(deps: AuditRouteDeps): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/audit',
      call: 'list-audit',
      query: PARAMETERS,
      action: 'list-audit',
      handle: (exchange) => list(exchange, deps),
    },
  ];
}

async function list(exchange: Exchange, deps: AuditRouteDeps): Promise<void> {
  authorizeUncounted(exchange, deps, { operation: 'maintain' });
  const { audit, others, clock, replyContext } = deps;
  const page = pageOf(exchange.query, 'basin');
  await turnForPage(exchange, page, deps);
  const own = auditPart(audit, page.limit);
  const all = others === undefined ? own : mergeLines([own, ...(await others.audit(page.limit))], page.limit);
  const { lines, hasMore, forgotten } = all;
  const [since, now] = [all.since, clock.now()].map((ms) => new Date(ms).toISOString());
  const body = `{"since":"${since}","now":"${now}","lines":[${lines.join(',')}],"has_more":${hasMore},"forgotten":${forgotten}}`;
  reply(exchange, { status: 200, contentType: 'application/json', body }, replyContext);
}
