/**
 * Which partition a request is for: that of its basin, or partition 0, which holds all that is of no basin. The basin is
 * found as the server that gets the request finds it.
 */

import type { IncomingHttpHeaders } from 'node:http';
import type { Access } from '../access/access.ts';
import type { BasinRule } from '../access/basin-rule.ts';
import { ANYONE, type Principal } from '../access/grant.ts';
import { partitionOfTicket } from '../access/tickets.ts';
import { bearerToken, credentialShown, type HashedToken, hashCredential } from '../access/tokens/credential.ts';
import { originForm } from '../http/exchange.ts';
import { withBearer } from '../http/routes/otlp.ts';
import { unavailable } from '../model/error.ts';
import { ROUTED_LATE_MAX } from '../model/limits.ts';
import { bearerInSubprotocols } from '../socket/handshake.ts';

/** What of a request counts. */
export interface RoutedRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

export interface RequestPartitionsDeps {
  readonly basinRule: BasinRule;
  /** How many partitions there are. */
  count(): number;
  /** As partition 0 says it, as far as this node has followed that; undefined before that. */
  access(): Pick<Access, 'find' | 'identifySender' | 'isOpen'> | undefined;
  /** The partition of a basin; undefined for one that is not known here. */
  placeOf(basin: string): number | undefined;
  /** The same; undefined also where this node leads that partition and does not have the basin. */
  foundIn(basin: string): number | undefined;
  /** Applies all that the log of partition 0 holds now. @throws TailraceError `unavailable` */
  catchUp(): Promise<void>;
}

export type PortName = 'http' | 'grpc';

/** Who sends a request, and the basin that it is about. */
interface About {
  /** Undefined where the request names none. */
  readonly basin: string | undefined;
  readonly credential: string | undefined;
  readonly hashed: HashedToken | undefined;
}

const BASIN_PATHS =
  /^(?:\/v1\/(?:streams|records)(?:\/|$)|(?:\/otlp|\/api\/v1\/otlp|\/api\/public\/otel)?\/v1\/(?:logs|traces|metrics)$|\/v1\/traces\/otlp$)/;
const NAMED = /^\/v1\/(?:basins|metrics)\/([^/]+)/;
const GRPC_OTLP = '/opentelemetry.';
/** Of all usage, where data of OTLP is sent to. */
const USAGE = '/v1/metrics';
const TICKET = /(?:^|&)ticket=([^&]*)/;

export class RequestPartitions {
  readonly #deps: RequestPartitionsDeps;
  /** Requests that wait for this node to follow. */
  #late = 0;

  constructor(deps: RequestPartitionsDeps) {
    this.#deps = deps;
  }

  /**
   * Returns a promise only where this node has to follow first what the request needs: its basin or its token may be new.
   * `connection` is one object for all requests of a connection.
   * @throws TailraceError `unavailable`, as a rejection, when it cannot follow now
   */
  of(request: RoutedRequest, port: PortName, connection: object): number | Promise<number> {
    if (this.#deps.count() === 1) return 0;
    const found = port === 'grpc' ? this.#grpc(request) : this.#http(request);
    if (typeof found === 'number') return found;
    const about = aboutOf(found, request, connection);
    const access = this.#deps.access();
    const caller = about.hashed === undefined ? undefined : access?.find(about.hashed.hash);
    const isKnown = access?.isOpen === true || about.hashed === undefined || caller !== undefined;
    return (isKnown ? this.#placeFor(about, caller, this.#deps.foundIn) : undefined) ?? this.#whenFollowed(about);
  }

  /** The partition, or the basin that is named. */
  #http(request: RoutedRequest): number | { readonly basin: string | undefined } {
    const url = originForm(request.url ?? '/');
    const { method } = request;
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    const query = mark < 0 ? '' : url.slice(mark + 1);
    const named = NAMED.exec(path)?.[1];
    // One that may be made begins where places are given out, also where a place is left of one that is gone.
    if (named !== undefined) return method === 'PUT' ? 0 : { basin: decoded(named) };
    if (!BASIN_PATHS.test(path) || (path === USAGE && method === 'GET')) return 0;
    const ticket = TICKET.exec(query)?.[1];
    if (ticket !== undefined) return this.#knowing(partitionOfTicket(ticket));
    return this.#named(request, query);
  }

  #grpc(request: RoutedRequest): number | { readonly basin: string | undefined } {
    return request.url?.startsWith(GRPC_OTLP) === true ? this.#named(request, '') : 0;
  }

  #named({ headers }: RoutedRequest, query: string): number | { readonly basin: string | undefined } {
    try {
      return { basin: this.#deps.basinRule.named({ headers, query }) };
    } catch {
      // Every server refuses it alike.
      return 0;
    }
  }

  /** A ticket that was made up may have any number. */
  #knowing(partition: number): number {
    return partition < this.#deps.count() ? partition : 0;
  }

  /** What is not known here may not have come yet. A JWT is known when it is verified. */
  async #whenFollowed(about: About): Promise<number> {
    if (this.#late >= ROUTED_LATE_MAX) {
      throw unavailable('too many requests need what this node does not know yet: send again');
    }
    this.#late++;
    try {
      return await this.#look(about);
    } finally {
      this.#late--;
    }
  }

  async #look(about: About): Promise<number> {
    const caller = await this.#callerOf(about);
    const found = caller === undefined ? undefined : this.#placeFor(about, caller, this.#deps.foundIn);
    if (found !== undefined) return found;
    await this.#deps.catchUp();
    const known = about.basin === undefined ? await this.#callerOf(about) : undefined;
    return this.#placeFor(about, known, this.#deps.placeOf) ?? 0;
  }

  /** Whoever has no valid credential is refused where the request goes. */
  async #callerOf({ basin, credential, hashed }: About): Promise<Principal | undefined> {
    const access = this.#deps.access();
    if (hashed === undefined) return undefined;
    try {
      return await access?.identifySender(credential, hashed, basin);
    } catch {
      return undefined;
    }
  }

  #placeFor(
    { basin }: About,
    caller: Principal | undefined,
    placeOf: (basin: string) => number | undefined,
  ): number | undefined {
    const { basinRule } = this.#deps;
    if (basin !== undefined) return placeOf(basin);
    const sender = caller ?? (this.#deps.access()?.isOpen === true ? ANYONE : undefined);
    return sender === undefined ? 0 : placeOf(basinRule.usual(sender));
  }
}

function aboutOf({ basin }: Pick<About, 'basin'>, { headers }: RoutedRequest, connection: object): About {
  const { authorization } = withBearer(headers);
  if (authorization !== undefined) {
    return { basin, credential: bearerToken(authorization), hashed: credentialShown(authorization, connection) };
  }
  const credential = bearerInSubprotocols(headers['sec-websocket-protocol']);
  return { basin, credential, hashed: credential === undefined ? undefined : hashCredential(credential) };
}

/** What a caller shows, wherever a protocol has it. */
export function credentialIn(headers: IncomingHttpHeaders): string | undefined {
  return bearerToken(withBearer(headers).authorization) ?? bearerInSubprotocols(headers['sec-websocket-protocol']);
}

/** What is no name is refused where the request goes. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
