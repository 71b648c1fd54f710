/** Turns shapes into the schemas of a description: one with a name is said once, and referred to everywhere else. */

import { z } from 'zod';

/** A JSON Schema, or a part of a description. */
export type SchemaJson = Record<string, unknown>;

export class ShapeSchemas {
  /** Those with a name, for `components.schemas`. */
  readonly named: SchemaJson = {};
  readonly #target: 'draft-2020-12' | 'draft-07';

  /** OpenAPI 3.1 takes draft 2020-12, AsyncAPI 3.0 draft 7. */
  constructor(target: 'draft-2020-12' | 'draft-07') {
    this.#target = target;
  }

  /** The schema of a shape in its place. It says what may be sent, and leaves answers open: clients ignore what they do not know. */
  schemaOf(shape: z.ZodType): SchemaJson {
    const options = { target: this.#target, io: 'input', unrepresentable: 'any' } as const;
    // A shape with a name is only referred to where it is a part of another one.
    const whole = z.toJSONSchema(z.object({ it: shape }), options);
    for (const [name, schema] of Object.entries(whole.$defs ?? whole.definitions ?? {})) {
      const { id: _id, ...named } = referring(schema) as SchemaJson;
      this.named[name] = named;
    }
    return referring(whole.properties?.it) as SchemaJson;
  }
}

/** With references as a document has them that keeps its schemas in `components`. */
function referring(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(referring);
  if (typeof schema !== 'object' || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => {
      if (key !== '$ref' || typeof value !== 'string') return [key, referring(value)];
      return [key, value.replace(/^#\/(\$defs|definitions)\//, '#/components/schemas/')];
    }),
  );
}
