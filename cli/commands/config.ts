/** `tailrace config …`: shows the settings that a server would have, and the schema of the files that it reads. */

import type { Command } from 'commander';
import { addJsonOption } from '../call.ts';
import { openOutput, type ReporterOptions } from '../print/console.ts';

const EXAMPLES = `
Examples:
  tailrace config print --config tailrace.yaml --port 5000
  tailrace config schema > tailrace.schema.json`;

const PRINT_EXAMPLES = `
Takes the flags of \`tailrace serve\`. Nothing is opened, and secrets are masked.

Examples:
  tailrace config print
  tailrace config print --config tailrace.yaml --json
  TAILRACE_PORT=5000 tailrace config print --config tailrace.yaml`;

const SCHEMA_EXAMPLES = `
An editor completes and checks a file whose first line names the schema:
  # yaml-language-server: $schema=tailrace.schema.json

Examples:
  tailrace config schema > tailrace.schema.json
  tailrace config schema --declared > declared.schema.json`;

/** Adds the command; the flags of `config print` are those of a server, which `all-commands.ts` adds when it is asked for. */
export function addConfig(program: Command): void {
  const group = program
    .command('config')
    .summary('show the settings of a server, and where they come from')
    .description('Shows the settings that `tailrace serve` would have with the same flags, variables and file.')
    .addHelpText('after', EXAMPLES);
  const print = group
    .command('print')
    .summary('show every setting, and where its value comes from')
    .description(
      'Shows every setting with its value, and whether that comes from a flag, a variable, the file or the default.',
    )
    .addHelpText('after', PRINT_EXAMPLES);
  addJsonOption(print, 'one JSON object a line').action(async (_options, self: Command) => {
    await (await import('../print/settings.ts')).printSettings(self);
  });
  group
    .command('schema')
    .summary('print the JSON Schema of the configuration file')
    .description('Prints the JSON Schema of the file of --config, with descriptions and defaults, for editors.')
    .option('--declared', 'that of an init file, which `tailrace apply` takes, instead')
    .addHelpText('after', SCHEMA_EXAMPLES)
    .action((_options, self: Command) => printSchema(self));
}

async function printSchema(command: Command): Promise<void> {
  const options = command.optsWithGlobals<ReporterOptions & { readonly declared?: boolean }>();
  const { initSchema, settingsSchema } = await import('../../src/settings/json-schema.ts');
  const output = await openOutput(undefined, options);
  await output.write(`${JSON.stringify(options.declared === true ? initSchema() : settingsSchema(), null, 2)}\n`);
  await output.end();
}
