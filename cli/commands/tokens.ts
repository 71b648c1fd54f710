/** `tailrace tokens …`: access tokens, and the key that signs short-lived ones. A secret is alone on stdout. */

import type { Command } from 'commander';
import type { TokenInfoJson } from '../../src/client/tokens.ts';
import { TailraceError } from '../../src/model/error.ts';
import { tokenIdFault } from '../../src/model/names.ts';
import { addJsonOption, type CallContext, type CommandOptions, callServer } from '../call.ts';
import { addRemovalOptions, confirmed, type RemovalOptions } from '../confirm.ts';
import { addListOptions, type ListCommandOptions, upTo } from '../control-plane.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { addTokenFlags, type TokenOptions, tokenOf, uselessGrants } from '../flags/token.ts';
import { counted, escapeControls } from '../print/format.ts';
import { createTable } from '../print/table.ts';
import { grantsText, TOKEN_COLUMNS, tokenLines, tokenRow } from '../print/token.ts';

interface RotateKeyOptions extends RemovalOptions {
  readonly voidOld?: boolean;
}

const EXAMPLES = `
The secret is shown once, alone on stdout. A token can issue only what it may do itself.

Examples:
  tailrace tokens issue web --basins-exact telemetry --streams-prefix web- --op-groups stream=rw
  tailrace tokens issue collector --basins-exact telemetry --streams-prefix "" --ops append --expires-in 30d > secret
  tailrace tokens issue vpc-7 --basins-exact telemetry --streams-exact vpc-7 --ops append --stream vpc-7 \\
    --tenant workspace_id=ws-1,vpc_id=0f3c9a1e77
  tailrace tokens list
  tailrace tokens rotate web > secret
  tailrace tokens revoke web`;

const VERBS = {
  get: {
    summary: 'show what an access token may do',
    description: 'Shows what an access token may do; never its secret.',
  },
  revoke: {
    summary: 'revoke an access token',
    description:
      'Revokes an access token at once; connections that it opened end within a second. Tokens that it issued stay valid. Asks first at a terminal.',
  },
  rotate: {
    summary: 'give an access token another secret',
    description:
      'Gives an access token another secret, alone on stdout; the old one stops working at once. Asks first at a terminal.',
  },
};

export function addTokens(program: Command): void {
  const group = program
    .command('tokens')
    .summary('issue, list, rotate and revoke access tokens')
    .description('Access tokens say who may do what, where, and until when.')
    .addHelpText('after', EXAMPLES);
  addIssue(group);
  addList(group);
  addRotateSigningKey(group);
  for (const [name, act] of [
    ['get', get],
    ['revoke', revoke],
    ['rotate', rotate],
  ] as const) {
    const command = group
      .command(name)
      .summary(VERBS[name].summary)
      .description(VERBS[name].description)
      .argument('<id>', 'id of the token')
      .addHelpText('after', `\nExample:\n  tailrace tokens ${name} web`);
    if (name !== 'get') addRemovalOptions(command);
    addConnectionOptions(addJsonOption(command)).action((id: string, _options, self: Command) =>
      act(checkedId(id), self.optsWithGlobals<RemovalOptions>()),
    );
  }
}

function addIssue(group: Command): void {
  const command = group
    .command('issue')
    .summary('issue an access token')
    .description('Issues an access token. Its secret is shown once, alone on stdout.')
    .argument('<id>', 'id of the token, up to 96 bytes')
    .addHelpText('after', EXAMPLES);
  addTokenFlags(command);
  addConnectionOptions(addJsonOption(command)).action((id: string, _options, self: Command) =>
    issue(checkedId(id), self.optsWithGlobals<CommandOptions & TokenOptions>()),
  );
}

function addList(group: Command): void {
  const command = group
    .command('list')
    .summary('list access tokens')
    .description(
      'Lists the valid access tokens in order of their ids: what each may do, where, until when, and when it was last used.',
    )
    .addHelpText('after', '\nExample:\n  tailrace tokens list --prefix web');
  addConnectionOptions(addListOptions(command)).action((_options, self: Command) =>
    list(self.optsWithGlobals<CommandOptions & ListCommandOptions>()),
  );
}

function addRotateSigningKey(group: Command): void {
  const command = group
    .command('rotate-signing-key')
    .summary('sign short-lived tokens with a new key')
    .description(
      'Signs the short-lived tokens of the exchange with a new key from now on. This needs the root token. With --void-old it asks first at a terminal.',
    )
    .option('--void-old', 'void all short-lived tokens; otherwise they stay valid until they expire')
    .addHelpText('after', '\nExample:\n  tailrace tokens rotate-signing-key --void-old');
  addConnectionOptions(addJsonOption(addRemovalOptions(command))).action((_options, self: Command) =>
    rotateSigningKey(self.optsWithGlobals<RotateKeyOptions>()),
  );
}

async function issue(id: string, options: CommandOptions & TokenOptions): Promise<void> {
  const token = await tokenOf(id, options, Date.now());
  return callServer(options, {}, async (context) => {
    const useless = uselessGrants(token.scope);
    if (useless !== undefined) context.reporter.warn(`tailrace: ${useless}`);
    const secret = await context.client.issueToken(token);
    await printSecret(context, `issued ${id}`, { id, expires_at: token.expires_at ?? null, access_token: secret });
  });
}

function list(options: CommandOptions & ListCommandOptions): Promise<void> {
  return callServer(options, {}, async ({ client, output, print }) => {
    const tokens: TokenInfoJson[] = [];
    for await (const token of upTo(options.limit, client.listTokens(options))) {
      if (options.json === true) await print(token, '');
      else tokens.push(token);
    }
    const lines = createTable(TOKEN_COLUMNS, output).lines(tokens.map((token) => tokenRow(token, Date.now())));
    if (lines.length > 0) await print(undefined, lines.join('\n'));
  });
}

function get(id: string, options: CommandOptions): Promise<void> {
  return callServer(options, { token: id }, async ({ client, print }) => {
    const token = await client.getToken(id);
    await print(token, tokenLines(token, Date.now()));
  });
}

function revoke(id: string, options: RemovalOptions): Promise<void> {
  return callServer(options, { token: id }, async (context) => {
    const { client, print } = context;
    const look = async () => {
      const token = await client.getToken(id);
      return { text: `Revoke ${id}, which may ${grantsText(token)}`, json: { id } };
    };
    if (!(await confirmed(context, options, look))) return;
    await client.revokeToken(id);
    await print({ id, result: 'revoked' }, `revoked ${escapeControls(id)}`);
  });
}

function rotate(id: string, options: RemovalOptions): Promise<void> {
  return callServer(options, { token: id }, async (context) => {
    const look = async () => {
      const token = await context.client.getToken(id);
      const text = `Give ${id}, which may ${grantsText(token)}, another secret, and make the old one void at once`;
      return { text, json: { id } };
    };
    if (!(await confirmed(context, options, look))) return;
    const secret = await context.client.rotateToken(id);
    await printSecret(context, `rotated ${id}: the old secret no longer works`, { id, access_token: secret });
  });
}

function rotateSigningKey(options: RotateKeyOptions): Promise<void> {
  return callServer(options, {}, async (context) => {
    const { client, print } = context;
    const isAsked = options.voidOld === true || options.dryRun === true;
    if (isAsked && !(await confirmed(context, options, async () => keyRemoval(options)))) return;
    const key = await client.rotateSigningKey({ voidOld: options.voidOld });
    const old = key.verifying.filter(({ kid }) => kid !== key.kid);
    const [last] = old.slice(-1);
    const left =
      last === undefined ? 'no older one is good' : `${counted(old.length, 'older one')} good until ${last.until}`;
    await print(key, escapeControls(`signing with ${key.kid}; ${left}`));
  });
}

function keyRemoval({ voidOld = false }: RotateKeyOptions) {
  const older = voidOld ? 'void all short-lived tokens that are out: their senders are refused at once' : OLDER_LIVE_ON;
  return { text: `Sign short-lived tokens with a new key, and ${older}`, json: { void_old: voidOld } };
}

const OLDER_LIVE_ON = 'let the older ones live until they expire';

function printSecret(
  { reporter, print }: CallContext,
  done: string,
  json: { readonly id: string; readonly access_token: string; readonly expires_at?: string | null },
): Promise<void> {
  reporter.note(`${done}; the secret is shown this once`);
  return print(json, json.access_token);
}

function checkedId(id: string): string {
  const fault = tokenIdFault(id);
  if (fault !== undefined) throw new TailraceError('config', `${JSON.stringify(id)}: ${fault}`);
  return id;
}
