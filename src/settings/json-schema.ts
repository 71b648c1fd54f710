/** JSON Schemas of the configuration file and of what is declared, made from the types that check them, for editors. */

import { z } from 'zod';
import { fileKey, SETTING_TYPES, SETTINGS, type Setting } from '../config.ts';
import { INIT_SHAPE } from '../init/parse-init.ts';

/** A JSON Schema, or a part of one. */
export type JsonSchema = Readonly<Record<string, unknown>>;

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

/** The schema of the file of `--config`. */
export function settingsSchema(): JsonSchema {
  const settings = SETTINGS.filter(({ flag }) => flag !== undefined);
  return {
    $schema: DIALECT,
    title: 'Tailrace: the settings of a server',
    type: 'object',
    additionalProperties: false,
    properties: {
      $schema: { type: 'string', description: 'the schema of this file, for editors' },
      ...Object.fromEntries(settings.map((setting) => [fileKey(setting.key), settingSchema(setting)])),
      init: {
        description: 'what a file of init_file says, in the place of one: basins, streams and tokens',
        ...shapeSchema(INIT_SHAPE),
      },
    },
  };
}

/** The schema of an init file, which is also what `tailrace apply` takes. */
export function initSchema(): JsonSchema {
  return { $schema: DIALECT, title: 'Tailrace: basins, streams and access tokens', ...shapeSchema(INIT_SHAPE) };
}

function settingSchema(setting: Setting): JsonSchema {
  const { default: standard } = setting;
  const type = SETTING_TYPES[setting.key];
  // A default of nothing is no JSON, and the others are written as the setting shows them.
  const shape = shapeSchema(type instanceof z.ZodDefault ? (type.unwrap() as z.ZodType) : type);
  const known = new Set(['type', 'anyOf', 'enum', 'items', 'const']);
  const checks = Object.fromEntries(Object.entries(shape).filter(([keyword]) => known.has(keyword)));
  return {
    description: `${setting.description} (--${setting.flag}, ${setting.env})`,
    ...checks,
    ...(standard === undefined ? {} : { default: standard }),
  };
}

/** What may be written, not what it becomes. */
function shapeSchema(shape: z.ZodType): JsonSchema {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(shape, {
    target: 'draft-2020-12',
    io: 'input',
    unrepresentable: 'any',
  });
  return schema;
}
