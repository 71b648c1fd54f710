/**
 * Finds the handler of a request by its raw path and its method. Paths are split before they are decoded, since names
 * may hold an encoded slash, and slashes at the end count (S2 API §1.2). What no route takes, the door says.
 */

import { TailraceError } from '../model/error.ts';
import type { AuditAction, AuditProtocol } from '../observe/audit.ts';
import type { Exchange } from './exchange.ts';

/** Answers the exchange, or throws what is wrong with it. `segments` are what stands in place of the braces, undecoded. */
export type Handler = (exchange: Exchange, segments: readonly string[]) => void | Promise<void>;

/** How a family of routes says what went wrong. */
export type Refuse = (exchange: Exchange, error: TailraceError) => void;

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Segments in braces stand for any one segment. */
  readonly path: string;
  /** What the audit log calls it. */
  readonly action: AuditAction;
  /** The door that the audit log says, where that is not `http`; a route that serves several says which later. */
  readonly protocol?: AuditProtocol;
  readonly handle: Handler;
  readonly refuse: Refuse;
}

export interface Match {
  readonly route: Route;
  readonly segments: readonly string[];
}

interface Place {
  readonly segments: readonly string[];
  /** Where the segments in braces stand. */
  readonly wildcards: readonly number[];
  readonly routes: Route[];
}

/** The routes of a server; never changes. */
export class Router {
  readonly #fixed = new Map<string, Place>();
  readonly #patterns: Place[] = [];

  constructor(routes: readonly Route[]) {
    const places = new Map<string, Place>();
    for (const route of routes) {
      const place = places.get(route.path) ?? placeFor(route.path);
      place.routes.push(route);
      places.set(route.path, place);
    }
    for (const [path, place] of places) {
      if (place.wildcards.length > 0) this.#patterns.push(place);
      else this.#fixed.set(path, place);
    }
  }

  /**
   * The route of a path and method; nothing when no route has the path. A HEAD request is a GET whose body stays away.
   * With another method the answer is one of the path's routes and the error to refuse with.
   */
  find(method: string, path: string): Match | { readonly route: Route; readonly error: TailraceError } | undefined {
    const place = this.#fixed.get(path) ?? this.#placeOf(path);
    const [first] = place?.routes ?? [];
    if (place === undefined || first === undefined) return undefined;
    const wanted = method === 'HEAD' ? 'GET' : method;
    const route = place.routes.find((candidate) => candidate.method === wanted);
    if (route === undefined) return { route: first, error: wrongMethod(place.routes) };
    return { route, segments: filled(place, path) };
  }

  /** The methods that the routes of a path take; any that some route takes where there is no route. */
  methodsAt(path: string): readonly string[] {
    const place = this.#fixed.get(path) ?? this.#placeOf(path);
    return place === undefined ? ALL_METHODS : methodsOf(place.routes);
  }

  #placeOf(path: string): Place | undefined {
    const segments = path.split('/');
    return this.#patterns.find((place) => fits(place, segments));
  }
}

function placeFor(path: string): Place {
  const segments = path.split('/');
  const wildcards = segments.flatMap((segment, index) => (segment.startsWith('{') ? [index] : []));
  return { segments, wildcards, routes: [] };
}

function fits({ segments, wildcards }: Place, given: readonly string[]): boolean {
  if (segments.length !== given.length) return false;
  return segments.every((part, index) => (wildcards.includes(index) ? given[index] !== '' : part === given[index]));
}

const ALL_METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
const NONE: readonly string[] = [];

/** What stands in place of the braces. */
function filled({ wildcards }: Place, path: string): readonly string[] {
  if (wildcards.length === 0) return NONE;
  const given = path.split('/');
  return wildcards.map((index) => given[index] ?? '');
}

/** A segment as the name that it stands for. @throws TailraceError `bad_path` */
export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (cause) {
    throw new TailraceError('bad_path', 'the path holds percent-encoding that is no UTF-8', { cause });
  }
}

function methodsOf(routes: readonly Route[]): readonly string[] {
  return [...new Set(routes.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
}

function wrongMethod(routes: readonly Route[]): TailraceError {
  const allow = methodsOf(routes);
  return new TailraceError('method_not_allowed', `this path takes ${allow.join(', ')}`, { detail: { allow } });
}
