/**
 * The web page at `/`: static files, without a token, for pages of this server only. What it shows it asks of the other
 * routes, with the token of its user.
 */

import { TailraceError } from '../../model/error.ts';
import { acceptedEncodings, type Exchange } from '../exchange.ts';
import { type PageFile, PageFiles } from '../page-files.ts';
import { type ReplyDeps, reply } from '../reply.ts';
import type { Route } from '../router.ts';

/** Nothing of other sites, nothing inline, no frame around it. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = [
  ...['Content-Security-Policy', POLICY],
  ...['X-Content-Type-Options', 'nosniff'],
  ...['Referrer-Policy', 'no-referrer'],
  ...['Cross-Origin-Opener-Policy', 'same-origin'],
  ...['Cross-Origin-Resource-Policy', 'same-origin'],
];

/** Names of assets have a hash of what is in them. */
const ASSET_CACHE = ['Cache-Control', 'public, max-age=31536000, immutable'];
/** Another version of the server has another one. */
const INDEX_CACHE = ['Cache-Control', 'no-cache'];

const NOT_BUILT = 'this server runs without its web page: `npm run build` makes it';

/** Links to the page may carry anything; what it does not know changes nothing. */
export function pageRoutes(deps: ReplyDeps): readonly Route[] {
  const files = new PageFiles();
  const asset = async (exchange: Exchange, [name = '']: readonly string[]): Promise<void> => {
    const file = await files.find(`assets/${name}`);
    if (file === undefined) throw new TailraceError('not_found', 'the page has no such file: load the page again');
    replyFile(exchange, file, ASSET_CACHE, deps);
  };
  const index = async (exchange: Exchange): Promise<void> => {
    const file = await files.find('index.html');
    if (file === undefined) throw new TailraceError('not_found', NOT_BUILT);
    replyFile(exchange, file, INDEX_CACHE, deps);
  };
  return [
    {
      method: 'GET',
      path: '/',
      call: 'page',
      query: 'any',
      action: 'page',
      isOpen: true,
      postsElsewhere: true,
      handle: index,
    },
    {
      method: 'GET',
      path: '/assets/{file}',
      call: 'page-file',
      query: 'any',
      action: 'page',
      isOpen: true,
      handle: asset,
    },
  ];
}

function replyFile(exchange: Exchange, file: PageFile, cache: readonly string[], { replyContext }: ReplyDeps): void {
  // Pages of other origins have no use for it, whatever origins are configured.
  exchange.corsHeaders = undefined;
  const accepted = acceptedEncodings(exchange.request.headers['accept-encoding']);
  const [encoding, body] = [...file.encoded].find(([name]) => accepted.has(name)) ?? [undefined, file.plain];
  const headers = [...HEADERS, ...cache, 'Vary', 'Accept-Encoding'];
  if (encoding !== undefined) headers.push('Content-Encoding', encoding);
  reply(exchange, { status: 200, contentType: file.contentType, body, headers }, replyContext);
}
