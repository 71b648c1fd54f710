/** `tailrace basins …`: list, create, get, ensure, reconfigure and delete basins. */

import type { Command } from 'commander';
import type { Client } from '../../src/client/client.ts';
import type { BasinEntry, ProvisionResponse } from '../../src/client/control.ts';
import { type CallContext, type CommandOptions, callServer } from '../call.ts';
import { addRemovalOptions, confirmed, type RemovalOptions } from '../confirm.ts';
import { basinContents, basinContentsJson, basinContentsText } from '../contents.ts';
import {
  addListOptions,
  addVerbs,
  type ListCommandOptions,
  listedText,
  provisionText,
  upTo,
  type Verb,
} from '../control-plane.ts';
import {
  addBasinConfigFlags,
  addUnsetFlag,
  type BasinConfigOptions,
  basinConfigOf,
  expectChange,
} from '../flags/config.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { parseBasinName } from '../flags/names.ts';
import { basinConfigLines } from '../print/config.ts';

type BasinCommandOptions = RemovalOptions & BasinConfigOptions;

const EXAMPLES = `
Examples:
  tailrace basins list
  tailrace basins create orders-eu --create-stream-on-append --retention-policy 30d
  tailrace basins get orders-eu --json
  tailrace basins reconfigure orders-eu --no-create-stream-on-append --unset retention-policy
  tailrace basins delete orders-eu`;

const VERBS: Readonly<Record<string, Verb<string, BasinCommandOptions>>> = {
  create: {
    summary: 'create a basin',
    description: 'Creates a basin; fails when it exists.',
    example: 'orders-eu --create-stream-on-append --retention-policy 30d',
    flags: addBasinConfigFlags,
    act: create,
  },
  get: {
    summary: 'show the configuration of a basin',
    description: 'Shows the configuration of a basin.',
    example: 'orders-eu --json',
    act: get,
  },
  ensure: {
    summary: 'create a basin, or replace its configuration',
    description: 'Creates a basin, or replaces its configuration: settings that are not given become the default.',
    example: 'orders-eu --stream-cipher aes-256-gcm',
    flags: addBasinConfigFlags,
    act: ensure,
  },
  reconfigure: {
    summary: 'change parts of the configuration of a basin',
    description: 'Changes parts of the configuration of a basin, and leaves the rest as it is.',
    example: 'orders-eu --no-create-stream-on-append --unset retention-policy',
    flags: (command) => addUnsetFlag(addBasinConfigFlags(command), 'basin'),
    act: reconfigure,
  },
  delete: {
    summary: 'delete a basin',
    description:
      'Deletes a basin and everything in it, in the background. Asks first at a terminal. The default basin of the server is there again at once, empty, with the settings that the server gives it.',
    example: 'orders-eu --dry-run',
    flags: addRemovalOptions,
    act: remove,
  },
};

const BASIN = 's2://basin, or its bare name';

export function addBasins(program: Command): void {
  const group = program
    .command('basins')
    .summary('list, create, configure and delete basins')
    .description('Basins hold streams, and the default configuration of new streams.')
    .addHelpText('after', EXAMPLES);
  addList(group);
  addVerbs(group, { argument: '<basin>', description: BASIN, parse: parseBasinName }, VERBS);
}

function addList(group: Command): void {
  const command = group.command('list').summary('list basins').description('Lists basins in order of their names.');
  command.addHelpText('after', '\nExample:\n  tailrace basins list -p orders- --json');
  addConnectionOptions(addListOptions(command)).action((_options, self: Command) =>
    list(self.optsWithGlobals<CommandOptions & ListCommandOptions>()),
  );
}

function list(options: CommandOptions & ListCommandOptions): Promise<void> {
  return callServer(options, {}, async ({ client, output, print }) => {
    for await (const entry of upTo(options.limit, client.listBasins(options))) {
      await print(entryJson(entry), listedText(`s2://${entry.name}`, entry, output.colors));
    }
  });
}

function create(basin: string, options: BasinCommandOptions): Promise<void> {
  return callServer(options, {}, async (context) => {
    await printProvisioned(context, await context.client.createBasin(basin, basinConfigOf(options)));
  });
}

function get(basin: string, options: BasinCommandOptions): Promise<void> {
  return callServer(options, { basin }, async ({ client, print }) => {
    const config = await client.getBasin(basin);
    await print(config, basinConfigLines(config));
  });
}

function ensure(basin: string, options: BasinCommandOptions): Promise<void> {
  return callServer(options, {}, async (context) => {
    await printProvisioned(context, await context.client.ensureBasin(basin, basinConfigOf(options)));
  });
}

function reconfigure(basin: string, options: BasinCommandOptions): Promise<void> {
  const patch = expectChange(basinConfigOf(options), 'basins reconfigure');
  return callServer(options, { basin }, async ({ client, print }) => {
    const config = await client.reconfigureBasin(basin, patch);
    await print(config, basinConfigLines(config));
  });
}

function remove(basin: string, options: BasinCommandOptions): Promise<void> {
  return callServer(options, { basin }, async (context) => {
    const { client, print } = context;
    const isDefault = await isDefaultBasin(client, basin);
    const look = async () => {
      const contents = await basinContents(client, basin);
      const text = `Delete s2://${basin} and what it holds: ${basinContentsText(contents)}`;
      const json = { basin, ...basinContentsJson(contents), default_basin: isDefault };
      return { text, json, notes: isDefault ? [`It is ${REMADE}.`] : [] };
    };
    if (!(await confirmed(context, options, look))) return;
    await client.deleteBasin(basin);
    const json = { basin, result: 'deleting', ...(isDefault ? { default_basin: true } : {}) };
    await print(json, `deleting s2://${basin}${isDefault ? `: ${REMADE}` : ''}`);
  });
}

const REMADE =
  'the default basin of the server, which makes it again at once, empty, with the settings that it gives it at a start';

/** A token that may delete a basin may have been revoked since; then the deletion says so. */
async function isDefaultBasin(client: Client, basin: string): Promise<boolean> {
  try {
    return (await client.whoami()).default_basin === basin;
  } catch {
    return false;
  }
}

function printProvisioned({ print }: CallContext, { result, entry }: ProvisionResponse<BasinEntry>): Promise<void> {
  const { name, ...rest } = entryJson(entry);
  return print({ basin: name, result, ...rest }, provisionText(result, `s2://${name}`));
}

function entryJson({ name, createdAt, deletedAt }: BasinEntry) {
  return { name, created_at: createdAt ?? null, deleted_at: deletedAt ?? null };
}
