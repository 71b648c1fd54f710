/** `tailrace open`: the page in the browser, signed in with the token in use. */

import type { Command } from 'commander';
import { normalizeEndpoint } from '../../src/client/calls.ts';
import type { Client } from '../../src/client/client.ts';
import { TailraceError } from '../../src/model/error.ts';
import { type CommandOptions, callServer } from '../call.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { parseBasinUri, parseStreamUri } from '../flags/names.ts';
import { openBrowser } from '../open-browser.ts';
import { type PagePlace, pageLink } from '../page-link.ts';

interface OpenOptions extends CommandOptions {
  readonly print?: true;
}

const EXAMPLES = `
The link works once, within 60 seconds, and signs in with the rights of the token in use. Where stdout is no terminal,
the link is only printed. BROWSER names another browser. Other users of this machine may see the arguments that a
browser is started with: --print starts none.

Examples:
  tailrace open
  tailrace open s2://telemetry/my-app    and show one stream
  tailrace open --print                  only the link, for another browser`;

/** Of a server without a page: an older one, or something else. */
const NO_PAGE = new Set(['not_found', 'method_not_allowed']);

export function addOpen(program: Command): void {
  const command = program
    .command('open')
    .summary('open the page of the server in the browser')
    .description('Prints a link to the page of the server that signs in once, and opens it in the browser.')
    .argument('[stream]', 's2://basin, s2://basin/stream, or a stream of the default basin')
    .option('--print', 'only print the link')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(command).action((name: string | undefined, _options, self: Command) =>
    open(name, self.optsWithGlobals<OpenOptions>()),
  );
}

async function open(name: string | undefined, options: OpenOptions): Promise<void> {
  const place = placeOf(name);
  await callServer(options, {}, async ({ client, endpoint, output, reporter }) => {
    const link = pageLink(normalizeEndpoint(endpoint.value), await loginOf(client, endpoint.value), place);
    await output.write(`${link}\n`);
    if (options.print === true || !output.isTty) return;
    const fault = await openBrowser(link);
    if (fault === undefined) reporter.note('opened in the browser; the link works once');
    else reporter.warn(fault);
  });
}

/** @throws TailraceError `config` with what is wrong with the name */
function placeOf(name: string | undefined): PagePlace {
  if (name === undefined) return {};
  return /^s2:\/\/[^/]*\/?$/.test(name) ? { basin: parseBasinUri(name).basin } : parseStreamUri(name);
}

/** Undefined where the server asks for no token. */
async function loginOf(client: Client, endpoint: string): Promise<string | undefined> {
  const me = await client.whoami();
  if (me.root && me.id === 'anyone') return undefined;
  try {
    return (await client.issueLogin()).login;
  } catch (error) {
    if (!(error instanceof TailraceError && NO_PAGE.has(error.code))) throw error;
    throw new TailraceError('not_found', `the server at ${endpoint} is of an older version, which has no page`);
  }
}
