/**
 * Finds the handler of a request by its raw path and its method. Paths are split before they are decoded, since names
 * may hold an encoded slash; a slash at the end of a path counts. Where no route has the path, the server refuses the
 * request.
 */

import type { QueryNames } from '../encoding/known-names.ts';
import { TailraceError } from '../model/error.ts';
import type { AuditAction, AuditProtocol } from '../observe/audit.ts';
import type { CallName } from './api/call-name.ts';
import type { Exchange } from './exchange.ts';

/**
 * Replies to the exchange, or throws what is wrong with it. `segments` replace the braces of the path, still encoded.
 */
export type Handler = (exchange: Exchange, segments: readonly string[]) => void | Promise<void>;

/** Replies with an error, in the form of a family of routes. */
export type Refuse = (exchange: Exchange, error: TailraceError) => void;

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Segments in braces stand for any one segment. */
  readonly path: string;
  /** Its description in `api/openapi.ts`; calls of gRPC are described by their protocol files. */
  readonly call: CallName | 'grpc';
  /** Its query parameters: others are refused, and without this all; `any` lets everything pass. */
  readonly query?: QueryNames | 'any';
  /** What the audit log calls it. */
  readonly action: AuditAction;
  /** Callers need no token of their own. */
  readonly isOpen?: true;
  /** Who posts there is an exporter with a wrong endpoint: for it there is no such path, and it is told the right one. */
  readonly postsElsewhere?: true;
  /** Also served by a server that is stopping, which refuses all other requests. */
  readonly whileStopping?: true;
  readonly handle: Handler;
}

/** Routes that refuse alike. */
export interface RouteGroup {
  /** The protocol in the audit log; a route that serves several protocols sets it later. */
  readonly protocol: AuditProtocol;
  readonly refuse: Refuse;
  /** Requests with parameters or headers of ours that do not exist are taken, with a warning. */
  readonly takesUnknown?: true;
  readonly routes: readonly Route[];
}

/** Everything that a port serves. */
export interface PortRoutes {
  readonly groups: readonly RouteGroup[];
  /** How requests without a route are refused. */
  readonly unrouted: RouteGroup;
  /** The error for a path that no route has. */
  wrongPath(exchange: Exchange): TailraceError;
}

/** A route that has the path and takes the method. */
export interface Match {
  readonly group: RouteGroup;
  readonly route: Route;
  readonly segments: readonly string[];
}

/** The path has routes, but none for the method: what its group refuses with. */
interface Mismatch {
  readonly group: RouteGroup;
  readonly error: TailraceError;
}

/** A path with its routes, which may be of several groups. */
interface Place {
  readonly segments: readonly string[];
  /** Indexes of the segments in braces. */
  readonly wildcards: readonly number[];
  readonly entries: Match[];
}

/** The routes of a server; never changes. */
export class Router {
  readonly #fixed = new Map<string, Place>();
  readonly #patterns: Place[] = [];

  constructor(groups: readonly RouteGroup[]) {
    const places = new Map<string, Place>();
    for (const group of groups) {
      for (const route of group.routes) {
        const place = places.get(route.path) ?? placeFor(route.path);
        place.entries.push({ group, route, segments: NONE });
        places.set(route.path, place);
      }
    }
    for (const [path, place] of places) {
      if (place.wildcards.length > 0) this.#patterns.push(place);
      else this.#fixed.set(path, place);
    }
  }

  /** The route of a path and method; undefined when no route has the path. A HEAD request is a GET without a body. */
  find(method: string, path: string): Match | Mismatch | undefined {
    const place = this.#placeOf(path);
    const [first] = place?.entries ?? [];
    if (place === undefined || first === undefined) return undefined;
    const wanted = method === 'HEAD' ? 'GET' : method;
    const entry = place.entries.find(({ route }) => route.method === wanted);
    if (entry === undefined) {
      if (method === 'POST' && first.route.postsElsewhere === true) return undefined;
      return { group: first.group, error: wrongMethod(place) };
    }
    return place.wildcards.length === 0 ? entry : { ...entry, segments: filled(place, path) };
  }

  /** The methods that the routes of a path take; for a path without a route, all methods that some route takes. */
  methodsAt(path: string): readonly string[] {
    const place = this.#placeOf(path);
    return place === undefined ? ALL_METHODS : methodsOf(place);
  }

  #placeOf(path: string): Place | undefined {
    const fixed = this.#fixed.get(path);
    if (fixed !== undefined) return fixed;
    const segments = path.split('/');
    return this.#patterns.find((place) => fits(place, segments));
  }
}

/** Makes handlers of paths with one segment in braces: each gets what `parse` makes of the segment. */
export function handlersOf<N, D>(parse: (segment: string, exchange: Exchange) => N, deps: D) {
  return (call: (exchange: Exchange, name: N, deps: D) => void | Promise<void>): Handler => {
    return (exchange, [segment = '']) => call(exchange, parse(segment, exchange), deps);
  };
}

/** The name that a segment stands for, judged by `faultOf`. @throws TailraceError `bad_path` */
export function nameInPath(segment: string, faultOf: (name: string) => string | undefined): string {
  const name = decodeSegment(segment);
  const fault = faultOf(name);
  if (fault !== undefined) throw new TailraceError('bad_path', fault);
  return name;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (cause) {
    throw new TailraceError('bad_path', 'the path holds percent-encoding that is no UTF-8', { cause });
  }
}

function placeFor(path: string): Place {
  const segments = path.split('/');
  const wildcards = segments.flatMap((segment, index) => (segment.startsWith('{') ? [index] : []));
  return { segments, wildcards, entries: [] };
}

function fits({ segments, wildcards }: Place, given: readonly string[]): boolean {
  if (segments.length !== given.length) return false;
  return segments.every((part, index) => (wildcards.includes(index) ? given[index] !== '' : part === given[index]));
}

const ALL_METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
const NONE: readonly string[] = [];

/** The segments in place of the braces. */
function filled({ wildcards }: Place, path: string): readonly string[] {
  const given = path.split('/');
  return wildcards.map((index) => given[index] ?? '');
}

function methodsOf({ entries }: Place): readonly string[] {
  return [...new Set(entries.flatMap(({ route: { method } }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
}

function wrongMethod(place: Place): TailraceError {
  const allow = methodsOf(place);
  return new TailraceError('method_not_allowed', `this path takes ${allow.join(', ')}`, { detail: { allow } });
}
