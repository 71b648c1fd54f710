/** `tailrace context …`: named servers, so that endpoint and token need not be given each time. */

import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import type { Command } from 'commander';
import { normalizeEndpoint } from '../../src/client/calls.ts';
import { createClient } from '../../src/client/client.ts';
import { TailraceError } from '../../src/model/error.ts';
import { addJsonOption, type CommandOptions } from '../call.ts';
import { type Contexts, contextNameFault, contextsFile, readContexts, writeContexts } from '../contexts.ts';
import { EXIT } from '../exit.ts';
import { explain } from '../flags/connection.ts';
import { nearestNames } from '../flags/names.ts';
import { createReporter, type Output, openOutput } from '../print/console.ts';
import { escapeControls, safeJson } from '../print/format.ts';

interface AddOptions extends CommandOptions {
  readonly endpoint: string;
  readonly withoutToken?: boolean;
  readonly check: boolean;
}

const EXAMPLES = `
Flags win over the environment, which wins over the context in use, which wins over the server on this machine.
Contexts are kept in ~/.config/tailrace/contexts.json (or below XDG_CONFIG_HOME), which only you may read.

Examples:
  tailrace context add prod --endpoint https://telemetry.example.com < secret
  tailrace context add prod --endpoint https://telemetry.example.com     asks for the token without showing it
  tailrace context use prod
  tailrace context list
  tailrace context remove prod`;

export function addContext(program: Command): void {
  const group = program
    .command('context')
    .summary('keep endpoints and tokens under names')
    .description('Keeps endpoints and tokens under names, and says which one is in use.')
    .addHelpText('after', EXAMPLES);
  const added = group
    .command('add')
    .summary('keep a server under a name, or change it')
    .description(
      'Keeps a server under a name. The token is read from stdin, or typed without being shown; it is never an argument. The server is asked whether it knows the token.',
    )
    .argument('<name>', 'name of the context')
    .requiredOption('--endpoint <url>', 'the server')
    .option('--without-token', 'the server needs no token')
    .option('--no-check', 'do not ask the server whether it knows the token')
    .addHelpText('after', EXAMPLES);
  addJsonOption(added).action((name: string, _options, self: Command) => add(name, self.optsWithGlobals<AddOptions>()));
  const listed = group
    .command('list')
    .summary('show the contexts, and which is in use')
    .description('Shows the contexts, with a star before the one in use; never a token.')
    .addHelpText('after', '\nExample:\n  tailrace context list');
  addJsonOption(listed, 'one JSON object a line').action((_options, self: Command) =>
    list(self.optsWithGlobals<CommandOptions>()),
  );
  for (const [name, act, summary] of [
    ['use', use, 'use a context from now on'],
    ['remove', remove, 'remove a context, with its token'],
  ] as const) {
    const command = group
      .command(name)
      .summary(summary)
      .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
      .argument('<name>', 'name of the context')
      .addHelpText('after', `\nExample:\n  tailrace context ${name} prod`);
    addJsonOption(command).action((context: string, _options, self: Command) =>
      act(context, self.optsWithGlobals<CommandOptions>()),
    );
  }
}

async function add(name: string, options: AddOptions): Promise<void> {
  const fault = contextNameFault(name);
  if (fault !== undefined) throw new TailraceError('config', `${JSON.stringify(name)}: ${fault}`);
  const endpoint = normalizeEndpoint(options.endpoint);
  const before = readContexts(process.env);
  const token = options.withoutToken === true ? undefined : await readSecret(`Token for ${endpoint}: `);
  if (options.check) await expectKnown(endpoint, token);
  const current = before.current ?? name;
  writeContexts({ current, byName: new Map(before.byName).set(name, { endpoint, token }) }, process.env);
  const result = before.byName.has(name) ? 'updated' : 'added';
  const text = `${result} ${name}: ${endpoint}${current === name ? ', in use' : ''}`;
  await print({ name, endpoint, result, current: current === name }, text, options);
}

/** @throws TailraceError what the server says about the token, or why it cannot be reached */
async function expectKnown(endpoint: string, token: string | undefined): Promise<void> {
  const from = 'this command';
  const connection = {
    endpoint: { value: endpoint, from: '--endpoint' },
    token: token === undefined ? undefined : { value: token, from },
  };
  try {
    await createClient({ endpoint, token }).whoami();
  } catch (error) {
    const explained = explain(error, connection);
    if (!(explained instanceof TailraceError)) throw explained;
    const message = `${explained.message}\n  nothing was kept; with --no-check it is kept all the same`;
    throw new TailraceError(explained.code, message, { detail: explained.detail, cause: error });
  }
}

/**
 * A token from a pipe, or typed without being shown.
 * @throws TailraceError `config` when there is none, or it is not a token
 */
async function readSecret(prompt: string): Promise<string> {
  const secret = (process.stdin.isTTY === true ? await typed(prompt) : await textOf(process.stdin)).trim();
  if (secret === '') throw new TailraceError('config', 'no token: pipe it in, as in `… < secret`, or type it');
  // What does not fit into a header is not a token. The message must not show it.
  if (!/^[\x21-\x7e]+$/.test(secret))
    throw new TailraceError('config', 'that is not a token: it has blanks or several lines');
  return secret;
}

/** A line from the terminal that is not shown. */
function typed(prompt: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 });
  // Only after createInterface, which stops the terminal from showing what is typed: a token may be pasted at once.
  process.stderr.write(prompt);
  return new Promise((resolve) => {
    lines.once('SIGINT', () => process.exit(EXIT.interrupted));
    lines.once('close', () => resolve(''));
    lines.question('', (line) => {
      resolve(line);
      lines.close();
      process.stderr.write('\n');
    });
  });
}

async function list(options: CommandOptions): Promise<void> {
  const { current, byName } = readContexts(process.env);
  const output = await openOutput(undefined, options);
  if (byName.size === 0) {
    createReporter(options).note('no contexts yet: `tailrace context add <name> --endpoint <url>` keeps a server');
  }
  for (const [name, { endpoint, token }] of byName) {
    const isCurrent = name === current;
    const json = { name, endpoint, has_token: token !== undefined, current: isCurrent };
    const text = `${isCurrent ? '*' : ' '} ${name}  ${endpoint}${token === undefined ? '  (without token)' : ''}`;
    await write(output, json, text, options);
  }
  await output.end();
}

async function use(name: string, options: CommandOptions): Promise<void> {
  const contexts = readContexts(process.env);
  await expectContext(contexts, name);
  writeContexts({ ...contexts, current: name }, process.env);
  const endpoint = contexts.byName.get(name)?.endpoint;
  await print({ name, endpoint, result: 'in use' }, `using ${name}: ${endpoint}`, options);
}

async function remove(name: string, options: CommandOptions): Promise<void> {
  const { current, byName } = readContexts(process.env);
  await expectContext({ current, byName }, name);
  const left = new Map(byName);
  left.delete(name);
  writeContexts({ current: current === name ? undefined : current, byName: left }, process.env);
  const after = current === name && left.size > 0 ? '; none is in use: `tailrace context use <name>`' : '';
  await print({ name, result: 'removed' }, `removed ${name}${after}`, options);
}

/** @throws TailraceError `not_found` with similar names */
async function expectContext({ byName }: Contexts, name: string): Promise<void> {
  if (byName.has(name)) return;
  const names = [...byName.keys()];
  const known = names.map((one) => ({ name: one }));
  const [nearest] = await nearestNames(name, known);
  const all = names.length === 0 ? 'there is none yet: `tailrace context add`' : `there is ${names.join(', ')}`;
  const hint = nearest === undefined ? all : `did you mean ${nearest}?`;
  throw new TailraceError('not_found', `no context ${JSON.stringify(name)} in ${contextsFile(process.env)}: ${hint}`);
}

async function print(json: unknown, text: string, options: CommandOptions): Promise<void> {
  const output = await openOutput(undefined, options);
  await write(output, json, text, options);
  await output.end();
}

function write(output: Output, json: unknown, text: string, options: CommandOptions): Promise<void> {
  return output.write(`${options.json === true ? safeJson(json) : escapeControls(text)}\n`);
}
