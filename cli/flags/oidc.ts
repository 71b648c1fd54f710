/** The outside issuer that a basin trusts, as flags. */

import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { OidcJson } from '../../src/client/config-json.ts';
import { TailraceError } from '../../src/model/error.ts';

/** What the flags of an outside issuer parse to. */
export interface OidcOptions {
  readonly oidcIssuer?: string;
  readonly oidcAudience?: string;
  readonly oidcJwksUri?: string;
  /** What is in the file. */
  readonly oidcJwksFile?: unknown;
}

export function addOidcFlags(command: Command): Command {
  return command
    .option('--oidc-issuer <url>', 'outside issuer whose tokens may send OTLP data: `iss` of its tokens')
    .option('--oidc-audience <text>', '`aud` of its tokens')
    .option('--oidc-jwks-uri <url>', 'where it publishes its keys')
    .addOption(
      new Option('--oidc-jwks-file <file>', 'its keys in a file, where they cannot be fetched')
        .argParser(keySetIn)
        .conflicts('oidcJwksUri'),
    );
}

/** The issuer that the flags name, or nothing. @throws TailraceError `config` when they name only a part of one */
export function oidcOf({ oidcIssuer, oidcAudience, oidcJwksUri, oidcJwksFile }: OidcOptions): OidcJson | undefined {
  const given = [oidcIssuer, oidcAudience, oidcJwksUri ?? oidcJwksFile];
  if (given.every((flag) => flag === undefined)) return undefined;
  if (oidcIssuer === undefined || oidcAudience === undefined || given.includes(undefined)) {
    throw new TailraceError(
      'config',
      '--oidc-issuer, --oidc-audience and one of --oidc-jwks-uri and --oidc-jwks-file go together',
    );
  }
  const keys = oidcJwksUri === undefined ? { jwks: oidcJwksFile } : { jwks_uri: oidcJwksUri };
  return { issuer: oidcIssuer, audience: oidcAudience, ...keys };
}

function keySetIn(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const why = error instanceof SyntaxError ? 'it is not JSON' : String(error);
    throw new InvalidArgumentError(`${file} cannot be used: ${why}.`);
  }
}
