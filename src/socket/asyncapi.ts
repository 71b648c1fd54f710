/**
 * The description of the WebSocket protocol as an AsyncAPI 3.0 document: subprotocols are those of the table of encoders,
 * close codes those of the table of errors. It is made when the program is built: the server only sends the file.
 */

import { z } from 'zod';
import { VERSION } from '../model/version.ts';
import { SUBPROTOCOLS } from '../readers/encoders.ts';
import { MANY_PARAMETERS } from '../readers/many/parse-many-query.ts';
import { framesOf } from '../readers/read-shapes.ts';
import { type SchemaJson, ShapeSchemas } from '../readers/shape-schemas.ts';
import { READ_PARAMETERS } from '../s2/read-query.ts';
import { CLOSE_CODES, CLOSE_DONE, CLOSE_NOT_ALLOWED } from './close-codes.ts';

/** Binary frames, by subprotocol. */
const BINARY: Readonly<Record<string, string>> = {
  's2.proto': 'One `s2.v1.ReadBatch` in protobuf.',
  'otlp.proto': 'One `LogsData`, `TracesData` or `MetricsData` in protobuf, as the positions frame before it says.',
};

const resumeMap = z.object({
  resume: z.record(
    z.string(),
    z.union([
      z.number(),
      z.object({ seq_num: z.number(), stream_id: z.string().optional() }),
      z.object({ seqNum: z.number(), streamId: z.string().optional() }),
    ]),
  ),
  more: z.boolean().optional(),
});

/** What goes over a socket. */
interface Messages {
  readonly messages: Record<string, SchemaJson>;
  readonly schemas: ShapeSchemas;
}

export function asyncApiDocument(): SchemaJson {
  const names = [...SUBPROTOCOLS.keys()];
  const found: Messages = { messages: {}, schemas: new ShapeSchemas('draft-07') };
  for (const name of names) addFrames(name, found);
  found.messages.resume = {
    title: 'resume map',
    summary: 'Where a reader of many streams was, after `from=resume`: the only message that a reader sends.',
    contentType: 'application/json',
    payload: found.schemas.schemaOf(resumeMap),
  };
  return {
    asyncapi: '3.0.0',
    info: { title: 'Tailrace: readers on WebSockets', version: VERSION, description: ABOUT, license: { name: 'MIT' } },
    defaultContentType: 'application/json',
    servers: { server: { host: '127.0.0.1:4318', protocol: 'ws', description: 'The server that sends this.' } },
    channels: channels(names),
    operations: operations(names),
    components: { messages: found.messages, schemas: found.schemas.named, securitySchemes: SECURITY },
  };
}

const ABOUT = `A reader opens one WebSocket for one stream, or for many; the server replays from a position and then follows. The channel says which subprotocol a socket speaks. Clients ignore types of frames and fields that they do not know. The socket is closed with ${CLOSE_DONE} at the regular end, ${CLOSE_NOT_ALLOWED} when the token is not valid any more, else with the code of the error: ${closeCodes()}.`;

const SECURITY = {
  token: { type: 'http', scheme: 'bearer', description: 'Also as a second subprotocol, `bearer.<token>`.' },
  ticket: { type: 'httpApiKey', in: 'query', name: 'ticket', description: 'A single-use ticket.' },
};

function closeCodes(): string {
  const byCode = new Map<number, string[]>();
  for (const [error, code] of Object.entries(CLOSE_CODES)) {
    byCode.set(code, [...(byCode.get(code) ?? []), error]);
  }
  const sorted = [...byCode].sort(([a], [b]) => a - b);
  return sorted.map(([code, errors]) => `${code} (${errors.join(', ')})`).join('; ');
}

function addFrames(subprotocol: string, { messages, schemas }: Messages): void {
  for (const [type, shape] of Object.entries(framesOf(subprotocol))) {
    messages[messageName(subprotocol, type)] = {
      title: `${subprotocol}: ${type}`,
      contentType: 'application/json',
      payload: schemas.schemaOf(shape),
    };
  }
  const { [subprotocol]: summary } = BINARY;
  if (summary === undefined) return;
  messages[messageName(subprotocol, 'binary')] = {
    title: `${subprotocol}: binary frame`,
    summary,
    contentType: 'application/x-protobuf',
  };
}

function typesOf(subprotocol: string): readonly string[] {
  return [...Object.keys(framesOf(subprotocol)), ...(subprotocol in BINARY ? ['binary'] : [])];
}

function messageName(subprotocol: string, type: string): string {
  return `${subprotocol}-${type}`;
}

function channels(names: readonly string[]): SchemaJson {
  const all = names.flatMap((name) => {
    const own = typesOf(name).map((type) => messageName(name, type));
    return [
      [channelName(name, false), channel(name, false, own)],
      [channelName(name, true), channel(name, true, [...own, 'resume'])],
    ];
  });
  return Object.fromEntries(all) as SchemaJson;
}

/** A subprotocol on the path of one stream, or on that of many. */
function channelName(subprotocol: string, isMany: boolean): string {
  return isMany ? `${subprotocol}-many` : subprotocol;
}

function channel(subprotocol: string, isMany: boolean, messages: readonly string[]): SchemaJson {
  return {
    address: isMany ? '/v1/records' : '/v1/streams/{stream}/records',
    title: isMany ? `many streams in ${subprotocol}` : `one stream in ${subprotocol}`,
    ...(isMany ? {} : { parameters: { stream: { description: 'The name of a stream, percent-encoded.' } } }),
    messages: Object.fromEntries(messages.map((name) => [name, { $ref: `#/components/messages/${name}` }])),
    bindings: { ws: { method: 'GET', query: queryOf(isMany), headers: headersOf(subprotocol) } },
  };
}

/** What they mean is said in the description of the HTTP interface, where the same paths take the same parameters. */
function queryOf(isMany: boolean): SchemaJson {
  const { once, many = [] } = isMany ? MANY_PARAMETERS : READ_PARAMETERS;
  const single = [...once, ...(isMany ? [] : ['stream_id'])].map((name) => [name, { type: 'string' }]);
  const several = many.map((name) => [name, { type: 'array', items: { type: 'string' } }]);
  return { type: 'object', properties: Object.fromEntries([...single, ...several]), additionalProperties: false };
}

function headersOf(subprotocol: string): SchemaJson {
  return {
    type: 'object',
    properties: {
      'Sec-WebSocket-Protocol': { type: 'string', const: subprotocol },
      'S2-Basin': { type: 'string' },
      'S2-Encryption-Key': { type: 'string' },
    },
  };
}

function operations(names: readonly string[]): SchemaJson {
  const both = names.flatMap((name) =>
    [false, true].map((isMany) => ({ name, isMany, at: channelName(name, isMany) })),
  );
  const sends = both.map(({ name, at }) => [
    `send-${at}`,
    {
      action: 'send',
      channel: { $ref: `#/channels/${at}` },
      messages: typesOf(name).map((type) => ({ $ref: `#/channels/${at}/messages/${messageName(name, type)}` })),
      security: Object.keys(SECURITY).map((scheme) => ({ $ref: `#/components/securitySchemes/${scheme}` })),
    },
  ]);
  const receives = both
    .filter(({ isMany }) => isMany)
    .map(({ at }) => [
      `receive-${at}`,
      {
        action: 'receive',
        channel: { $ref: `#/channels/${at}` },
        messages: [{ $ref: `#/channels/${at}/messages/resume` }],
      },
    ]);
  return Object.fromEntries([...sends, ...receives]) as SchemaJson;
}
