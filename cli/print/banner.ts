/** What `serve` prints when it is up: where it listens, and lines to paste into a shell. */

import { STREAMS_COUNTED_MAX } from '../../src/model/limits.ts';
import { pageLink } from '../page-link.ts';
import { counted, formatBytes } from './format.ts';

export interface Banner {
  readonly url: string;
  /** Where OTLP/gRPC goes; undefined where it is off. */
  readonly grpcUrl: string | undefined;
  readonly dataDir: string;
  /** Whether this start made the data directory. */
  readonly isNew: boolean;
  /** Undefined where another node of the cluster leads, or none. */
  readonly streams: number | undefined;
  readonly bytes: number;
  readonly auth: BannerAuth;
  /** What it is a node of. */
  readonly cluster?: { readonly name: string; readonly leader: string | undefined } | undefined;
  /** Signs in to the page; only where a secret may be shown. */
  readonly login?: string | undefined;
  /** Whether client commands in this folder find server and token without flags. */
  readonly isDefault: boolean;
}

/** How a client gets the token. It holds the secret itself only when that may be shown. */
export type BannerAuth =
  | { readonly type: 'none' }
  | { readonly type: 'secret'; readonly secret: string; readonly file: string }
  | { readonly type: 'file'; readonly file: string }
  /** The token was made for this store, whose directory does not have its file: a restored one. */
  | { readonly type: 'elsewhere'; readonly dataDir: string }
  | { readonly type: 'variable' }
  /** It is that of the cluster, and its file is on another node. */
  | { readonly type: 'cluster' };

/** Returns the lines of stdout. Scripts rely on the first; all others can be pasted into a shell, comments included. */
export function bannerText(banner: Banner): string {
  const base = reachable(banner.url);
  const found = banner.isNew ? 'new' : 'found';
  return [
    `listening on ${banner.url}`,
    '',
    `# data directory ${banner.dataDir} (${found}; ${streamsText(banner.streams)}${formatBytes(banner.bytes)})`,
    ...clusterComment(banner.cluster),
    `# open the page:  ${pageOf(banner.url, banner.login)}${banner.login === undefined ? '' : '  (60 s, once)'}`,
    ...authComment(banner.auth),
    '# paste this where your application starts:',
    `export OTEL_EXPORTER_OTLP_ENDPOINT=${base}`,
    'export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf',
    ...authExport(banner.auth),
    'export OTEL_SERVICE_NAME=my-app',
    'export OTEL_RESOURCE_ATTRIBUTES=s2.stream=my-app',
    ...grpcComment(banner.grpcUrl),
    '',
    `# then watch it:  npx tailrace tail my-app${howFound(banner, base)}`,
    '',
  ].join('\n');
}

function streamsText(streams: number | undefined): string {
  if (streams === undefined) return '';
  return `${counted(streams, 'stream')}${streams < STREAMS_COUNTED_MAX ? '' : ' or more'}, `;
}

function clusterComment(cluster: Banner['cluster']): string[] {
  if (cluster === undefined) return [];
  const { name, leader } = cluster;
  return [`# node of cluster ${name}: ${leader === undefined ? 'no node is known to lead yet' : `${leader} leads`}`];
}

/** The address of the page of a server that listens on `url`, with a login where there is one. */
export function pageOf(url: string, login: string | undefined): string {
  return pageLink(reachable(url), login);
}

/** An address to connect to, for one that is listened on. */
function reachable(url: string): string {
  return url.replace(/\/\/(0\.0\.0\.0|\[::\])/, '//127.0.0.1');
}

function grpcComment(url: string | undefined): string[] {
  if (url === undefined) return [];
  return [`# over gRPC:  export OTEL_EXPORTER_OTLP_ENDPOINT=${reachable(url)} OTEL_EXPORTER_OTLP_PROTOCOL=grpc`];
}

function howFound({ isDefault, auth }: Banner, base: string): string {
  if (isDefault) return '';
  return ` --endpoint ${base}${'file' in auth ? ` --token-file ${quoted(auth.file)}` : ''}`;
}

function authComment(auth: BannerAuth): string[] {
  if (auth.type === 'none') return ['# no authentication: every client that reaches this address may read and write'];
  if (auth.type === 'elsewhere') {
    return [
      '# the root token of before is valid, and its file is not here: put that token into TAILRACE_TOKEN,',
      `# or stop the server and make a new one: npx tailrace root-token reset --data-dir ${quoted(auth.dataDir)}`,
    ];
  }
  if (auth.type === 'cluster') {
    return [
      '# the root token is that of the cluster: put it into TAILRACE_TOKEN; the node that made it keeps it in the file',
      '# root-token of its data directory, and TAILRACE_ROOT_TOKEN gives all nodes the same one',
    ];
  }
  if (auth.type === 'secret') return [`# the root token below is shown only now; it is kept in ${auth.file}`];
  return [];
}

function authExport(auth: BannerAuth): string[] {
  if (auth.type === 'none') return [];
  return [`export OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20${token(auth)}"`];
}

function token(auth: Exclude<BannerAuth, { type: 'none' }>): string {
  if (auth.type === 'secret') return auth.secret;
  if (auth.type === 'elsewhere' || auth.type === 'cluster') return '$TAILRACE_TOKEN';
  return auth.type === 'variable' ? '$TAILRACE_ROOT_TOKEN' : `$(cat ${quoted(auth.file)})`;
}

/** A path as one word for a shell. */
function quoted(file: string): string {
  return /^[\w@%+=:,./-]+$/.test(file) ? file : `'${file.replaceAll("'", `'\\''`)}'`;
}
