/** The OpenAPI document of a server, asked what an answer may be: each way in which an answer differs is a fault. */

import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { CallResponse } from './http-call.ts';

type Json = Record<string, unknown>;

interface Described {
  readonly headers?: Readonly<Record<string, { readonly required?: boolean }>>;
  readonly content?: Readonly<Record<string, { readonly schema?: Json }>>;
}

export interface Operation {
  readonly operationId: string;
  readonly description?: string;
  readonly parameters: readonly Json[];
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, Json>> };
  readonly responses: Readonly<Record<string, Described>>;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
}

export class ApiDescription {
  readonly document: Json;
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false });
  readonly #validators = new Map<string, ValidateFunction>();

  constructor(document: unknown) {
    this.document = document as Json;
  }

  /** Method and path of every operation. */
  get targets(): readonly string[] {
    return Object.entries(this.#paths).flatMap(([path, place]) =>
      Object.keys(place).map((method) => `${method.toUpperCase()} ${path}`),
    );
  }

  /** By method and path, such as `GET /v1/basins/{basin}`. */
  operation(target: string): Operation {
    const [method = '', path = ''] = target.split(' ');
    const operation = this.#paths[path]?.[method.toLowerCase()];
    if (operation === undefined) throw new Error(`the description has no ${target}`);
    return operation;
  }

  /** What is behind a reference, or the thing itself. */
  resolved<T>(thing: T): T {
    const { $ref: ref } = thing as { $ref?: string };
    if (ref === undefined) return thing;
    const parts = ref.slice(2).split('/');
    return parts.reduce<unknown>((at, part) => (at as Json)[part], this.document) as T;
  }

  /** How an answer to a call differs from what is described. */
  faultsOf(target: string, answer: CallResponse): readonly string[] {
    const found = this.operation(target).responses[answer.status];
    if (found === undefined) return [`${answer.status} is not described: ${answer.body.toString().slice(0, 200)}`];
    const { headers = {}, content } = this.resolved(found);
    const missing = Object.entries(headers).filter(
      ([name, header]) => this.resolved(header).required === true && answer.headers[name.toLowerCase()] === undefined,
    );
    return [...missing.map(([name]) => `there is no header ${name}`), ...this.#contentFaults(content, answer)];
  }

  #contentFaults(content: Described['content'], { headers, body }: CallResponse): readonly string[] {
    const given = headers['content-type']?.split(';')[0];
    if (content === undefined) return body.length === 0 ? [] : [`a body of ${body.length} bytes is not described`];
    const described = content[given ?? ''] ?? content['*/*'];
    if (given === undefined || described === undefined) return [`the content type ${given} is not described`];
    if (described.schema === undefined || given !== 'application/json') return [];
    const validate = this.#validatorOf(described.schema);
    const value = JSON.parse(body.toString()) as unknown;
    if (validate(value)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `${instancePath} ${message} ${JSON.stringify(params)} in ${body.toString().slice(0, 300)}`,
    );
  }

  /** With every object closed: what is sent and not described is a fault too. */
  #validatorOf(schema: Json): ValidateFunction {
    const key = JSON.stringify(schema);
    const known = this.#validators.get(key);
    if (known !== undefined) return known;
    const { components } = this.document as { components: Json };
    const made = this.#ajv.compile(closed({ ...schema, components: { schemas: components.schemas } }) as Json);
    this.#validators.set(key, made);
    return made;
  }

  get #paths(): Readonly<Record<string, Readonly<Record<string, Operation>>>> {
    return this.document.paths as Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  }
}

function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inside = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  const isOpen = inside.type === 'object' && 'properties' in inside && !('additionalProperties' in inside);
  return isOpen ? { ...inside, additionalProperties: false } : inside;
}
