/** What describes the interface: OpenAPI, AsyncAPI, and the documentation for language models. Without a token: all of it is public. */

import { TailraceError } from '../../model/error.ts';
import { DESCRIPTIONS, DescriptionFiles, type DescriptionName } from '../description-files.ts';
import { acceptedEncodings, type Exchange } from '../exchange.ts';
import { type ReplyDeps, reply } from '../reply.ts';
import type { Route } from '../router.ts';

/** Kept, but asked for again: another version of the server has another one. */
const CACHE = ['Cache-Control', 'no-cache', 'Vary', 'Accept-Encoding'];

export function descriptionRoutes(deps: ReplyDeps): readonly Route[] {
  const files = new DescriptionFiles();
  const send = (name: DescriptionName) => (exchange: Exchange) => sendFile(exchange, name, files, deps);
  const common = { method: 'GET', action: 'page', isOpen: true } as const;
  return [
    { ...common, path: '/openapi.json', call: 'openapi', handle: send('openapi.json') },
    { ...common, path: '/asyncapi.json', call: 'asyncapi', handle: send('asyncapi.json') },
    { ...common, path: '/llms.txt', call: 'llms', handle: send('llms.txt') },
    { ...common, path: '/llms-full.txt', call: 'llms-full', handle: send('llms-full.txt') },
  ];
}

async function sendFile(exchange: Exchange, name: DescriptionName, files: DescriptionFiles, deps: ReplyDeps) {
  const file = await files.find(name);
  if (file === undefined) {
    throw new TailraceError('not_found', `this server runs without ${name}: \`npm run build\` makes it`);
  }
  const { headers: asked } = exchange.request;
  const headers = [...CACHE, 'ETag', file.etag];
  if (isKnown(asked['if-none-match'], file.etag)) {
    reply(exchange, { status: 304, body: '', headers }, deps.replyContext);
    return;
  }
  const isGzipped = acceptedEncodings(asked['accept-encoding']).has('gzip');
  if (isGzipped) headers.push('Content-Encoding', 'gzip');
  const body = isGzipped ? file.gzipped : file.plain;
  reply(exchange, { status: 200, contentType: DESCRIPTIONS[name], body, headers }, deps.replyContext);
}

/** RFC 9110, section 13.1.2: any of a list, weak or not. */
function isKnown(header: string | undefined, etag: string): boolean {
  const tags = (header ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag) || tags.includes('*');
}
