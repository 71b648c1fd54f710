/** Refuses requests that name what their route does not have; data of senders is taken all the same, with a warning. */

import { headerFault, type QueryNames, queryFault } from '../encoding/known-names.ts';
import type { TailraceError } from '../model/error.ts';
import { basinNameFault, streamNameFault, tokenIdFault } from '../model/names.ts';
import type { Warnings } from '../observe/warnings.ts';
import { identify, type NamedBasinDeps } from './context.ts';
import { type Exchange, senderOf } from './exchange.ts';
import { type Match, nameInPath, type Route } from './router.ts';

interface ExpectKnownDeps extends NamedBasinDeps {
  readonly warnings: Pick<Warnings, 'warn'>;
}

/**
 * Call it before the handler of the route.
 * @throws TailraceError `bad_header`, `bad_query`, `bad_path`; `authn` for a stranger, who learns nothing of what is wrong
 *   with a call
 */
export function expectKnown(exchange: Exchange, { route, group, segments }: Match, deps: ExpectKnownDeps): void {
  if (route.query === 'any') return;
  const query = exchange.query === '' ? undefined : new URLSearchParams(exchange.query);
  const names = route.query ?? NO_PARAMETERS;
  const inHeaders = headerFault(exchange.request.headers);
  const inQuery = query === undefined ? undefined : queryFault(query, names);
  const fault = inHeaders ?? inQuery;
  if (fault === undefined) return;
  if (group.takesUnknown === true) {
    if (inHeaders !== undefined) warn(exchange, inHeaders, deps);
    if (inQuery !== undefined) warn(exchange, inQuery, deps);
    return;
  }
  // In S2's order the basin and the path come before the query.
  if (names.once.includes('basin')) deps.basinRule.named({ headers: exchange.request.headers, query: exchange.query });
  expectNames(route, segments);
  // A ticket is not used up for a call that is refused.
  const showsTicket = query?.has('ticket') === true && names.once.includes('ticket');
  if (route.isOpen !== true && !showsTicket) identify(exchange, deps);
  throw fault;
}

const NO_PARAMETERS: QueryNames = { once: [] };

/** What is wrong with a name, by what stands for it in the path of a route. */
const NAME_FAULTS: Readonly<Record<string, (name: string) => string | undefined>> = {
  '{basin}': basinNameFault,
  '{stream}': streamNameFault,
  '{id}': tokenIdFault,
};

function expectNames({ path }: Route, segments: readonly string[]): void {
  const braces = path.split('/').filter((part) => part.startsWith('{'));
  for (const [i, segment] of segments.entries()) nameInPath(segment, NAME_FAULTS[braces[i] ?? ''] ?? (() => undefined));
}

/** A refusal would lose the data: exporters do not send it again. */
function warn(exchange: Exchange, { message, code }: TailraceError, { warnings }: ExpectKnownDeps): void {
  const { correlationId, path, request } = exchange;
  const said = `${request.method} ${path}: ${message} (the request is taken without it)`;
  warnings.warn(senderOf(exchange), message, { correlationId, path, code }, said);
}
