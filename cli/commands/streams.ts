/** `tailrace streams …`: list, create, get, ensure, reconfigure and delete streams. */

import type { Command } from 'commander';
import type { ProvisionResponse, StreamEntry } from '../../src/client/control.ts';
import { type CallContext, type CommandOptions, callServer } from '../call.ts';
import { addRemovalOptions, confirmed, type RemovalOptions } from '../confirm.ts';
import { contentsText, streamContents, streamContentsJson } from '../contents.ts';
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
  addStreamConfigFlags,
  addUnsetFlag,
  expectChange,
  type StreamConfigOptions,
  streamConfigOf,
} from '../flags/config.ts';
import { addConnectionOptions } from '../flags/connection.ts';
import { defaultBasin, formatStreamUri, parseBasinUri, parseStreamUri, type StreamUri } from '../flags/names.ts';
import { streamConfigLines } from '../print/config.ts';
import { escapeControls } from '../print/format.ts';

type StreamCommandOptions = RemovalOptions & StreamConfigOptions;

const EXAMPLES = `
Examples:
  tailrace streams list s2://telemetry/web-
  tailrace streams create s2://orders-eu/returns --retention-policy infinite
  tailrace streams get my-app
  tailrace streams reconfigure my-app --retention-policy 30d --retention-bytes 10GiB
  tailrace streams reconfigure my-app --unset retention-bytes
  tailrace streams delete my-app`;

const VERBS: Readonly<Record<string, Verb<StreamUri, StreamCommandOptions>>> = {
  create: {
    summary: 'create a stream',
    description: 'Creates a stream; fails when it exists.',
    example: 's2://orders-eu/returns --retention-policy infinite',
    flags: addStreamConfigFlags,
    act: create,
  },
  get: {
    summary: 'show the configuration of a stream',
    description: 'Shows the configuration of a stream.',
    example: 'my-app --json',
    act: get,
  },
  ensure: {
    summary: 'create a stream, or replace its configuration',
    description: 'Creates a stream, or replaces its configuration: settings that are not given become the default.',
    example: 'my-app --retention-policy 30d --delete-on-empty-min-age 1h',
    flags: addStreamConfigFlags,
    act: ensure,
  },
  reconfigure: {
    summary: 'change parts of the configuration of a stream',
    description: 'Changes parts of the configuration of a stream, and leaves the rest as it is.',
    example: 'my-app --retention-bytes 10GiB --unset retention-policy',
    flags: (command) => addUnsetFlag(addStreamConfigFlags(command), 'stream'),
    act: reconfigure,
  },
  delete: {
    summary: 'delete a stream',
    description: 'Deletes a stream and its records, in the background. Asks first at a terminal.',
    example: 'my-app --dry-run',
    flags: addRemovalOptions,
    act: remove,
  },
};

const STREAM = 's2://basin/stream, or a name in the default basin';

export function addStreams(program: Command): void {
  const group = program
    .command('streams')
    .summary('list, create, configure and delete streams')
    .description('Streams hold records. Settings that are not given when one is created come from its basin.')
    .addHelpText('after', EXAMPLES);
  addList(group);
  addVerbs(group, { argument: '<stream>', description: STREAM, parse: parseStreamUri }, VERBS);
}

function addList(group: Command): void {
  const command = group
    .command('list')
    .summary('list the streams of a basin')
    .description('Lists the streams of a basin in order of their names; `tailrace ls` shows what they hold as well.')
    .argument('[basin]', 's2://basin or s2://basin/prefix (default: the default basin)');
  command.addHelpText('after', '\nExample:\n  tailrace streams list s2://orders-eu -n 10');
  addConnectionOptions(addListOptions(command)).action((name: string | undefined, _options, self: Command) =>
    list(name, self.optsWithGlobals<CommandOptions & ListCommandOptions>()),
  );
}

function list(name: string | undefined, options: CommandOptions & ListCommandOptions): Promise<void> {
  const { basin, prefix } = parseBasinUri(name ?? defaultBasin());
  return callServer(options, { basin }, async ({ client, output, print }) => {
    const streams = client.listStreams({ ...options, basin, prefix: options.prefix ?? prefix });
    for await (const entry of upTo(options.limit, streams)) {
      const uri = formatStreamUri({ basin, stream: entry.name });
      await print({ basin, ...entryJson(entry) }, listedText(uri, entry, output.colors));
    }
  });
}

function create(uri: StreamUri, options: StreamCommandOptions): Promise<void> {
  return callServer(options, { basin: uri.basin }, async (context) => {
    const { basin, stream } = uri;
    const provisioned = await context.client.createStream(stream, streamConfigOf(options), { basin });
    await printProvisioned(context, uri, provisioned);
  });
}

function get({ basin, stream }: StreamUri, options: StreamCommandOptions): Promise<void> {
  return callServer(options, { basin, stream }, async ({ client, print }) => {
    const config = await client.getStream(stream, { basin });
    await print(config, streamConfigLines(config));
  });
}

function ensure(uri: StreamUri, options: StreamCommandOptions): Promise<void> {
  return callServer(options, { basin: uri.basin }, async (context) => {
    const { basin, stream } = uri;
    const provisioned = await context.client.ensureStream(stream, streamConfigOf(options), { basin });
    await printProvisioned(context, uri, provisioned);
  });
}

function reconfigure({ basin, stream }: StreamUri, options: StreamCommandOptions): Promise<void> {
  const patch = expectChange(streamConfigOf(options), 'streams reconfigure');
  return callServer(options, { basin, stream }, async ({ client, print }) => {
    const config = await client.reconfigureStream(stream, patch, { basin });
    await print(config, streamConfigLines(config));
  });
}

function remove(uri: StreamUri, options: StreamCommandOptions): Promise<void> {
  const { basin, stream } = uri;
  return callServer(options, uri, async (context) => {
    const { client, print } = context;
    const look = async () => {
      const contents = await streamContents(client, uri);
      const text = `Delete ${formatStreamUri(uri)} and what it holds: ${contentsText(contents)}`;
      return { text, json: { basin, stream, ...streamContentsJson(contents) } };
    };
    if (!(await confirmed(context, options, look))) return;
    await client.deleteStream(stream, { basin });
    await print({ basin, stream, result: 'deleting' }, `deleting ${escapeControls(formatStreamUri(uri))}`);
  });
}

function printProvisioned(
  { print }: CallContext,
  uri: StreamUri,
  { result, entry }: ProvisionResponse<StreamEntry>,
): Promise<void> {
  const { stream, ...rest } = entryJson(entry);
  return print({ basin: uri.basin, stream, result, ...rest }, provisionText(result, formatStreamUri(uri)));
}

function entryJson({ name: stream, createdAt, deletedAt, cipher }: StreamEntry) {
  return { stream, created_at: createdAt ?? null, deleted_at: deletedAt ?? null, cipher: cipher ?? null };
}
