/** The other side of `tailrace diff`: a file, a server by its URL, or a context. */

import { existsSync } from 'node:fs';
import { createClient } from '../../src/client/client.ts';
import { TailraceError } from '../../src/model/error.ts';
import { readContexts } from '../contexts.ts';
import { findToken, type ServerConnection } from './connection.ts';

export interface AgainstOptions {
  readonly against?: string;
  readonly againstTokenFile?: string;
}

/** Either a file that declares, or a server. */
export type Against = { readonly file: string } | { readonly server: ServerConnection };

/** As `-f` names it. */
const STDIN = '-';
const URL_START = /^https?:\/\//;

/**
 * What is meant: a URL begins with http:// or https://, a context is a name for which there is no file. The token is that
 * of the other server alone: neither TAILRACE_TOKEN nor the root token on this disk is sent there.
 * @throws TailraceError `config`
 */
export function findAgainst({ against = '', againstTokenFile }: AgainstOptions, env = process.env): Against {
  const isUrl = URL_START.test(against);
  const isFile = !isUrl && (against === STDIN || existsSync(against));
  const context = isUrl || isFile ? undefined : readContexts(env).byName.get(against);
  if (isFile && againstTokenFile !== undefined) {
    throw new TailraceError('config', `--against-token-file is for a server, and ${against} is a file`);
  }
  if (isFile) return { file: against };
  if (!isUrl && context === undefined) {
    throw new TailraceError('config', `${against} is no file, no context and no URL: name what to compare with`);
  }
  const from = context === undefined ? '--against' : `context ${against}`;
  const endpoint = { value: context?.endpoint ?? against, from };
  const given = againstTokenFile === undefined ? undefined : findToken({ tokenFile: againstTokenFile }, {}, endpoint);
  const own = context?.token === undefined ? undefined : { value: context.token, from };
  const token = given ?? own;
  return { server: { client: createClient({ endpoint: endpoint.value, token: token?.value }), endpoint, token } };
}
