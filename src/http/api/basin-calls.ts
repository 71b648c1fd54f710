/** Descriptions of the calls on basins and on streams as such. */

import { z } from 'zod';
import { LOCATION } from '../../model/location.ts';
import { STORAGE_CLASSES, STREAM_CIPHERS, TIMESTAMPING_MODES } from '../../model/stream-config.ts';
import { count } from '../../readers/read-shapes.ts';
import { basinShape, streamShape } from '../../s2/config-json.ts';
import { oidcShape } from '../../s2/oidc-json.ts';
import { policyShape } from '../../s2/otlp-policy-json.ts';
import { createShape as createBasinShape, ensureShape } from '../routes/basins.ts';
import { createShape as createStreamShape } from '../routes/streams.ts';
import { answer, BODY_ERRORS, type CallDescription, json, STREAM_ERRORS, WRITE_ERRORS } from './call-description.ts';

const time = z.string().meta({ format: 'date-time' });

const basinInfo = z
  .object({
    name: z.string(),
    location: z.literal(LOCATION.name),
    created_at: time,
    deleted_at: time.nullable(),
    state: z.enum(['active', 'deleting']),
  })
  .meta({ id: 'Basin' });

const figures = z
  .object({
    first_seq_num: count,
    next_seq_num: count,
    records: count,
    metered_bytes: count,
    first_timestamp: count.nullable(),
    last_timestamp: count.nullable(),
    records_per_second: z.number().nullable(),
    metered_bytes_per_second: z.number().nullable(),
  })
  .meta({ id: 'StreamFigures', description: 'Rates are those of the last minute.' });

const streamInfo = z
  .object({
    name: z.string(),
    created_at: time,
    deleted_at: time.nullable(),
    cipher: z.enum(STREAM_CIPHERS).nullable(),
  })
  .meta({ id: 'Stream' });

const streamOnPage = streamInfo.extend({ figures: figures.nullable().optional() });

const retention = z.union([z.object({ age: count }), z.object({ infinite: z.object({}) })]);

const streamConfig = z
  .object({
    storage_class: z.enum(STORAGE_CLASSES),
    retention_policy: retention,
    timestamping: z.object({ mode: z.enum(TIMESTAMPING_MODES), uncapped: z.boolean() }),
    delete_on_empty: z.object({ min_age_secs: count }),
    retention_bytes: count.nullable(),
  })
  .meta({ id: 'StreamConfig' });

/** What new streams of a basin get: where a leaf is null, what a stream has by itself. */
const defaults = z.object({
  storage_class: z.enum(STORAGE_CLASSES).nullable(),
  retention_policy: retention.nullable(),
  timestamping: z.object({ mode: z.enum(TIMESTAMPING_MODES).nullable(), uncapped: z.boolean().nullable() }).nullable(),
  delete_on_empty: z.object({ min_age_secs: count }).nullable(),
  retention_bytes: count.nullable(),
});

const basinConfig = z
  .object({
    default_stream_config: defaults,
    stream_cipher: z.enum(STREAM_CIPHERS).nullable(),
    create_stream_on_append: z.boolean(),
    create_stream_on_read: z.boolean(),
    otlp_default_stream: z.string(),
    oidc: oidcShape.nullable(),
    ...policyShape,
  })
  .meta({ id: 'BasinConfig', description: 'Fields of the OTLP policy are there when they are set.' });

const basinRequest = basinShape.meta({ id: 'BasinConfigRequest', description: 'Absent keeps, null unsets.' });
const streamRequest = streamShape.meta({ id: 'StreamConfigRequest', description: 'Absent keeps, null unsets.' });
const ensureBasin = ensureShape.extend({ config: basinRequest.nullish() });
const PROVISIONED = { headers: ['S2-Provision-Result'] };
const OF_SERVER = { tag: 'Basins' } as const;
const OF_BASIN = { tag: 'Streams', headers: ['S2-Basin'] } as const;

/** A page of a list. */
export function pageOf(field: string, shape: z.ZodType): z.ZodObject {
  return z.object({ [field]: z.array(shape), has_more: z.boolean() });
}

export const BASIN_CALLS = {
  'list-basins': {
    ...OF_SERVER,
    summary: 'List basins',
    needs: ['list-basins'],
    answers: { 200: answer('Those that the caller may see, by name.', pageOf('basins', basinInfo)) },
  },
  'create-basin': {
    ...OF_SERVER,
    summary: 'Create a basin',
    needs: ['create-basin'],
    headers: ['S2-Request-Token'],
    body: { required: true, content: json(createBasinShape.extend({ config: basinRequest.nullish() })) },
    answers: {
      200: { ...answer('It was created by this request before.', basinInfo), ...PROVISIONED },
      201: { ...answer('Created.', basinInfo), ...PROVISIONED },
    },
    errors: [...BODY_ERRORS, ...WRITE_ERRORS, 'invalid', 'resource_already_exists', 'basin_deletion_pending'],
  },
  'get-basin-config': {
    ...OF_SERVER,
    summary: 'Get the configuration of a basin',
    needs: ['get-basin-config'],
    answers: { 200: answer('The configuration.', basinConfig) },
    errors: ['basin_not_found'],
  },
  'ensure-basin': {
    ...OF_SERVER,
    summary: 'Create a basin, or change it into what is asked for',
    needs: ['create-basin', 'reconfigure-basin'],
    body: { required: false, content: json(ensureBasin) },
    answers: {
      200: { ...answer('It was there, and is as asked for.', basinInfo), ...PROVISIONED },
      201: { ...answer('Created.', basinInfo), ...PROVISIONED },
    },
    errors: [...BODY_ERRORS, ...WRITE_ERRORS, 'invalid', 'basin_deletion_pending'],
  },
  'reconfigure-basin': {
    ...OF_SERVER,
    summary: 'Change the configuration of a basin',
    needs: ['reconfigure-basin'],
    body: { required: true, content: json(basinRequest) },
    answers: { 200: answer('The configuration as it is now.', basinConfig) },
    errors: [...BODY_ERRORS, ...WRITE_ERRORS, 'invalid', 'basin_not_found', 'basin_deletion_pending'],
  },
  'delete-basin': {
    ...OF_SERVER,
    summary: 'Delete a basin with all its streams',
    needs: ['delete-basin'],
    answers: { 202: { description: 'Calls on it are refused from now on; its records go in the background.' } },
    errors: [...WRITE_ERRORS, 'invalid', 'basin_not_found', 'basin_deletion_pending'],
  },
} as const satisfies Readonly<Record<string, CallDescription>>;

export const STREAM_CALLS = {
  'list-streams': {
    ...OF_BASIN,
    summary: 'List the streams of a basin',
    needs: ['list-streams'],
    answers: { 200: answer('Those that the caller may see, by name.', pageOf('streams', streamOnPage)) },
    errors: STREAM_ERRORS,
  },
  'create-stream': {
    ...OF_BASIN,
    summary: 'Create a stream',
    needs: ['create-stream'],
    headers: ['S2-Basin', 'S2-Request-Token'],
    body: { required: true, content: json(createStreamShape.extend({ config: streamRequest.nullish() })) },
    answers: { 201: { ...answer('Created, now or by this request before.', streamInfo), ...PROVISIONED } },
    errors: [...BODY_ERRORS, ...WRITE_ERRORS, ...STREAM_ERRORS, 'bad_path', 'invalid', 'resource_already_exists'],
  },
  'get-stream-config': {
    ...OF_BASIN,
    summary: 'Get the configuration of a stream',
    needs: ['get-stream-config'],
    answers: { 200: answer('The configuration.', streamConfig) },
    errors: STREAM_ERRORS,
  },
  'ensure-stream': {
    ...OF_BASIN,
    summary: 'Create a stream, or change it into what is asked for',
    needs: ['create-stream', 'reconfigure-stream'],
    body: { required: false, content: json(streamRequest.nullable()) },
    answers: {
      200: { ...answer('It was there, and is as asked for.', streamInfo), ...PROVISIONED },
      201: { ...answer('Created.', streamInfo), ...PROVISIONED },
    },
    errors: [...BODY_ERRORS, ...WRITE_ERRORS, ...STREAM_ERRORS, 'invalid'],
  },
  'reconfigure-stream': {
    ...OF_BASIN,
    summary: 'Change the configuration of a stream',
    needs: ['reconfigure-stream'],
    body: { required: true, content: json(streamRequest) },
    answers: { 200: answer('The configuration as it is now.', streamConfig) },
    errors: [...BODY_ERRORS, ...WRITE_ERRORS, ...STREAM_ERRORS, 'invalid'],
  },
  'delete-stream': {
    ...OF_BASIN,
    summary: 'Delete a stream',
    needs: ['delete-stream'],
    answers: { 202: { description: 'Calls on it are refused from now on; its records go in the background.' } },
    errors: [...WRITE_ERRORS, ...STREAM_ERRORS],
  },
} as const satisfies Readonly<Record<string, CallDescription>>;
