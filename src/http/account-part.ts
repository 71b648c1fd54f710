/**
 * What one server says of the whole account, for that of partition 0 of a cluster, which gathers it: who asks may be
 * another node, so all of it is JSON.
 */

import type { UsageInterval } from '../model/usage.ts';
import type { Audit } from '../observe/audit.ts';
import type { AuditPart } from '../observe/audit-lines.ts';
import { type SendersPart, sendersPart } from '../observe/merge-senders.ts';
import type { Senders } from '../observe/senders.ts';
import { accumulationJson, labelJson, type MetricJson, type MetricsQuery } from '../s2/metrics-query.ts';
import type { UsageSeries } from '../usage/query.ts';
import { operationIn } from '../usage/tally.ts';
import type { Usage } from '../usage/usage.ts';

/** Of one server. */
export interface AccountPart {
  /** Of the basins and calls of its partition. */
  usage(query: MetricsQuery<'account'>): Promise<readonly MetricJson[]>;
  /** Of its process. */
  senders(): SendersPart;
  /** Of its process: so many of the newest lines. */
  audit(most: number): AuditPart;
}

export interface AccountPartDeps {
  readonly usage: Pick<Usage, 'activeBasins' | 'account'>;
  readonly senders: Pick<Senders, 'instance' | 'since' | 'list'>;
  readonly audit: Pick<Audit, 'instance' | 'since' | 'newest'>;
}

/** Of the servers of all other partitions. They reject when one of these does not answer: a part is not the whole. */
export interface OtherParts {
  usage(query: MetricsQuery<'account'>): Promise<readonly (readonly MetricJson[])[]>;
  /** The own process may be among them: its part is taken once. So it is with `audit`. */
  senders(): Promise<readonly SendersPart[]>;
  audit(most: number): Promise<readonly AuditPart[]>;
}

/** What the routes need of it; undefined where one server has all. */
export interface AccountDeps {
  readonly others?: OtherParts | undefined;
}

export function accountPart({ usage, senders, audit }: AccountPartDeps): AccountPart {
  return {
    usage: (query) => accountMetrics(query, usage),
    senders: () => sendersPart(senders),
    audit: (most) => auditPart(audit, most),
  };
}

export function auditPart(audit: AccountPartDeps['audit'], most: number): AuditPart {
  return { instance: audit.instance, since: audit.since, ...audit.newest(most) };
}

/** What is counted of the account; basins also those that the caller may not know. */
export async function accountMetrics(
  { set, range, interval }: MetricsQuery<'account'>,
  usage: Pick<Usage, 'activeBasins' | 'account'>,
): Promise<readonly MetricJson[]> {
  switch (set) {
    case 'active-basins':
      return [labelJson(set, await usage.activeBasins(range))];
    case 'account-ops':
      return operationMetrics(await usage.account(range, interval), interval);
    case 'estimated-billable-usage':
      // Nothing is billed.
      return [accumulationJson('total', 'usd', interval)];
  }
}

/** One for each operation that was called. */
export function operationMetrics(series: UsageSeries, interval: UsageInterval): MetricJson[] {
  const named = [...series].flatMap(([counter, points]) => {
    const name = operationIn(counter);
    return name === undefined ? [] : [{ name, points }];
  });
  named.sort((a, b) => (a.name < b.name ? -1 : 1));
  return named.map(({ name, points }) => accumulationJson(name, 'operations', interval, points));
}
