/**
 * The description of the HTTP interface as an OpenAPI 3.1 document: paths, methods and query parameters are those of the
 * table of routes, statuses those of the tables of errors, bodies the shapes that parse them. It is made when the program is
 * built: the server only sends the file.
 */

import { z } from 'zod';
import type { ErrorCode } from '../../model/error.ts';
import { VERSION } from '../../model/version.ts';
import { position } from '../../readers/read-shapes.ts';
import { type SchemaJson, ShapeSchemas } from '../../readers/shape-schemas.ts';
import type { Route, RouteGroup } from '../router.ts';
import { allRoutes, type RouteDeps } from '../routes/all-routes.ts';
import { OTLP_STATUS, S2_STATUS } from '../status.ts';
import { ACCESS_CALLS } from './access-calls.ts';
import { BASIN_CALLS, STREAM_CALLS } from './basin-calls.ts';
import { type Answer, type BodyContent, type CallDescription, type Parameter, TAGS } from './call-description.ts';
import type { CallName } from './call-name.ts';
import { CLUSTER_CALLS } from './cluster-calls.ts';
import { ANSWER_HEADERS, type AnswerHeader, HEADERS, PATH, QUERY } from './parameters.ts';
import { OTLP_CALLS, RECORD_CALLS } from './record-calls.ts';
import { PAGE_CALLS, SERVER_CALLS, USAGE_CALLS } from './server-calls.ts';

const CALLS: Readonly<Record<CallName, CallDescription>> = {
  ...OTLP_CALLS,
  ...RECORD_CALLS,
  ...BASIN_CALLS,
  ...STREAM_CALLS,
  ...ACCESS_CALLS,
  ...USAGE_CALLS,
  ...SERVER_CALLS,
  ...CLUSTER_CALLS,
  ...PAGE_CALLS,
};

/** What many calls refer to: schemas, and responses. */
class Components extends ShapeSchemas {
  readonly responses: Record<string, unknown> = {};
  readonly parameters: Record<string, unknown> = {};

  constructor() {
    super('draft-2020-12');
  }

  /** A response that several calls share. */
  response(name: string, response: SchemaJson): SchemaJson {
    this.responses[name] = response;
    return { $ref: `#/components/responses/${name}` };
  }

  /** A parameter that is the same wherever it is. */
  parameter(place: string, name: string, described: Parameter): SchemaJson {
    this.parameters[`${place}-${name}`] = parameter(place, name, described);
    return { $ref: `#/components/parameters/${place}-${name}` };
  }
}

/** What any call may be refused with. */
const ALWAYS = [
  'bad_request',
  'bad_header',
  'permission_denied',
  'overloaded',
  'closed',
  'storage',
  'corrupt',
  'internal',
] as const satisfies readonly ErrorCode[];

/** Of mismatches and of reads beyond the tail S2 tells only the facts. */
const FACTS: Readonly<Record<number, z.ZodType>> = {
  412: z.union([z.object({ seq_num_mismatch: z.number() }), z.object({ fencing_token_mismatch: z.string() })]),
  416: z.object({ tail: position }),
};

/** Headers of errors, by status. */
const ERROR_HEADERS: Readonly<Record<number, string>> = {
  401: 'WWW-Authenticate',
  415: 'Accept-Encoding',
  429: 'Retry-After',
  502: 'Retry-After',
  503: 'Retry-After',
};

/** @throws Error when a route has a parameter that is not described */
export function openApiDocument(): SchemaJson {
  const shapes = new Components();
  const paths: Record<string, Record<string, SchemaJson>> = {};
  const seen = new Set<string>();
  // The handlers are not called, so nothing below them is needed.
  for (const group of allRoutes({} as RouteDeps)) {
    for (const route of group.routes) {
      const { [route.path]: place = {} } = paths;
      paths[route.path] = { ...place, [route.method.toLowerCase()]: operationOf(route, group, seen, shapes) };
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tailrace',
      version: VERSION,
      summary: 'A self-hosted stream store for telemetry: OTLP in, ordered durable streams out.',
      description: ABOUT,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'The server that sends this.' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: shapes.named,
      responses: shapes.responses,
      parameters: shapes.parameters,
      headers: Object.fromEntries(Object.entries(ANSWER_HEADERS).map(([name, header]) => [name, headerJson(header)])),
      securitySchemes: SECURITY,
    },
  };
}

const ABOUT =
  'The public API of S2, OTLP over HTTP, and what Tailrace adds. HEAD is answered as GET is, without a body. A query parameter that a call does not have, or that is there twice, is refused, and so is a header that begins with `S2-` or `Tailrace-` and does not exist. Clients ignore fields that they do not know. WebSockets are described in `/asyncapi.json`.';

const SECURITY = {
  token: {
    type: 'http',
    scheme: 'bearer',
    description: 'An access token, the root token, a short-lived token, or the secret of a session of the page.',
  },
  password: {
    type: 'http',
    scheme: 'basic',
    description: 'The token as the password, on paths where senders of Langfuse put it there.',
  },
  ticket: {
    type: 'apiKey',
    in: 'query',
    name: 'ticket',
    description: 'A single-use ticket, for server-sent events and WebSockets alone.',
  },
};

function operationOf(route: Route, group: RouteGroup, seen: Set<string>, shapes: Components): SchemaJson {
  if (route.call === 'grpc') throw new Error(`${route.path} is not a call of gRPC: give it a name of its own`);
  const call: CallDescription = CALLS[route.call];
  const isTaken = seen.has(route.call);
  seen.add(route.call);
  const { summary, about, tag, body } = call;
  return {
    operationId: isTaken ? `${route.call}${route.path.replaceAll('/', '-')}` : route.call,
    tags: [tag],
    summary,
    ...(about === undefined && !Array.isArray(call.needs) ? {} : { description: aboutOf(call) }),
    parameters: parametersOf(route, call, shapes),
    ...(body === undefined
      ? {}
      : { requestBody: { required: body.required, content: contentOf(body.content, shapes) } }),
    responses: responsesOf(route, group, call, shapes),
    security: securityOf(route, call),
  };
}

function aboutOf({ about, needs }: CallDescription): string {
  const needed = Array.isArray(needs) ? `Needs ${needs.map((name) => `\`${name}\``).join(' and ')}.` : undefined;
  return [about, needed].filter((text) => text !== undefined).join(' ');
}

function securityOf({ path }: Route, { needs, takesTicket }: CallDescription): readonly SchemaJson[] {
  if (needs === 'nothing') return [];
  const ways: SchemaJson[] = [{ token: [] }];
  if (path.startsWith('/api/public/')) ways.push({ password: [] });
  if (takesTicket === true) ways.push({ ticket: [] });
  return ways;
}

function parametersOf(route: Route, call: CallDescription, shapes: Components): readonly SchemaJson[] {
  const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) =>
    shapes.parameter('path', name, { ...found(name, PATH, route), required: true }),
  );
  const { once, many = [] } = route.query === undefined || route.query === 'any' ? { once: [] } : route.query;
  // A ticket is a way to show who asks, not a parameter besides.
  const inQuery = [...once, ...many]
    .filter((name) => name !== 'ticket' || call.takesTicket !== true)
    .map((name) => {
      const own = call.query?.[name];
      if (own !== undefined) return parameter('query', name, own);
      const described = found(name, QUERY, route);
      if (once.includes(name)) return shapes.parameter('query', name, described);
      return parameter('query', name, { ...described, schema: { type: 'array', items: described.schema } });
    });
  const inHeaders = (call.headers ?? []).map((name) => shapes.parameter('header', name, found(name, HEADERS, route)));
  return [...inPath, ...inQuery, ...inHeaders];
}

function found(name: string, among: Readonly<Record<string, Parameter>>, { path }: Route): Parameter {
  const described = among[name];
  if (described !== undefined) return described;
  throw new Error(`the parameter ${name} of ${path} is not described in src/http/api/parameters.ts`);
}

function parameter(place: string, name: string, described: Parameter): SchemaJson {
  return { name, in: place, ...described };
}

function contentOf(content: BodyContent, shapes: Components): SchemaJson {
  return Object.fromEntries(
    Object.entries(content).map(([type, shape]) => {
      // The bytes of a message, a frame or a file are no JSON: OpenAPI 3.1 says so with no schema.
      if (shape === 'bytes') return [type, {}];
      return [type, { schema: shape === 'text' ? { type: 'string' } : shapes.schemaOf(shape) }];
    }),
  );
}

function responsesOf(route: Route, group: RouteGroup, call: CallDescription, shapes: Components): SchemaJson {
  const answers = Object.entries(call.answers).map(([status, answer]) => [status, answerOf(answer, shapes)]);
  const errors = byStatus(errorsOf(route, call), group);
  const refused = [...errors].map(([status, codes]): [number, SchemaJson] => {
    const response = group.protocol === 'otlp' ? otlpError(status, codes, shapes) : s2Error(status, codes, shapes);
    return [status, response];
  });
  // A status that is an answer and an error has the forms of both.
  const both = refused.filter(([status]) => !(status in call.answers));
  return Object.fromEntries([...answers, ...both]);
}

function answerOf({ description, content, headers = [] }: Answer, shapes: Components): SchemaJson {
  return {
    description,
    headers: headersOf(['X-Correlation-Id', ...headers]),
    ...(content === undefined ? {} : { content: contentOf(content, shapes) }),
  };
}

function headersOf(names: readonly string[]): SchemaJson {
  const unknown = names.find((name) => !(name in ANSWER_HEADERS));
  if (unknown !== undefined) throw new Error(`${unknown} is not described in src/http/api/parameters.ts`);
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

function headerJson({ description, isAlways }: AnswerHeader): SchemaJson {
  return { description, ...(isAlways ? { required: true } : {}), schema: { type: 'string' } };
}

function errorsOf(route: Route, { needs, errors = [] }: CallDescription): readonly ErrorCode[] {
  const codes: ErrorCode[] = [...ALWAYS, ...errors];
  if (needs !== 'nothing') codes.push('authn');
  if (route.query !== 'any') codes.push('bad_query');
  if (route.path.includes('{')) codes.push('bad_path');
  if (route.whileStopping !== true) codes.push('draining');
  return [...new Set(codes)];
}

function byStatus(codes: readonly ErrorCode[], { protocol }: RouteGroup): ReadonlyMap<number, readonly string[]> {
  const found = new Map<number, string[]>();
  for (const error of codes) {
    const [status, code] = protocol === 'otlp' ? [OTLP_STATUS[error], error] : S2_STATUS[error];
    const named = found.get(status) ?? [];
    if (!named.includes(code)) named.push(code);
    found.set(status, named);
  }
  return new Map([...found].sort(([a], [b]) => a - b));
}

const FIELD = z.string().meta({
  description: 'what is wrong in a body or a configuration, as a path with dots',
});

function s2Error(status: number, codes: readonly string[], shapes: Components): SchemaJson {
  const shape = FACTS[status] ?? z.object({ code: z.enum(codes), message: z.string(), field: FIELD.optional() });
  const description = `Refused: ${codes.map((code) => `\`${code}\``).join(', ')}.`;
  return shapes.response(`${status}-${codes.join('-')}`, {
    description,
    headers: errorHeaders(status),
    content: { 'application/json': { schema: shapes.schemaOf(shape) } },
  });
}

const status = z
  .object({ code: z.number().meta({ type: 'integer', description: 'a status code of gRPC' }), message: z.string() })
  .meta({ id: 'OtlpStatus', description: 'google.rpc.Status' });

/** In the encoding of the request. */
function otlpError(code: number, codes: readonly string[], shapes: Components): SchemaJson {
  return shapes.response(`otlp-${code}-${codes.join('-')}`, {
    description: `Refused: ${codes.map((name) => name.replaceAll('_', ' ')).join(', ')}.`,
    headers: errorHeaders(code),
    content: { 'application/json': { schema: shapes.schemaOf(status) }, 'application/x-protobuf': {} },
  });
}

function errorHeaders(code: number): SchemaJson {
  const { [code]: own } = ERROR_HEADERS;
  return headersOf(['X-Correlation-Id', ...(own === undefined ? [] : [own])]);
}
