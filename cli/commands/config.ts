/** `tailrace config …`: shows the settings that a server would have, and the schema of the files that it reads. */

import type { Command } from 'commander';
import { fileKey, SETTINGS, type TracedConfig } from '../../src/config.ts';
import { addJsonOption } from '../call.ts';
import { addSettingFlags, resolvedSettings, shownValue } from '../flags/settings.ts';
import { openOutput, type ReporterOptions } from '../print/console.ts';
import { counted, escapeControls, safeJson } from '../print/format.ts';

/** One setting, as it is shown. */
interface ShownSetting {
  readonly key: string;
  readonly flag: string | null;
  readonly variable: string | null;
  /** Undefined when it is not set. */
  readonly value: unknown;
  readonly text: string;
  readonly from: 'flag' | 'environment' | 'file' | 'default';
  readonly source: string;
  readonly line: number | undefined;
}

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

/** Fills in the command, which the program has already: its flags take long to load. */
export function addConfig(group: Command): void {
  group
    .description('Shows the settings that `tailrace serve` would have with the same flags, variables and file.')
    .addHelpText('after', EXAMPLES);
  const print = group
    .command('print')
    .summary('show every setting, and where its value comes from')
    .description(
      'Shows every setting with its value, and whether that comes from a flag, a variable, the file or the default.',
    )
    .addHelpText('after', PRINT_EXAMPLES);
  addSettingFlags(print);
  addJsonOption(print, 'one JSON object a line').action((_options, self: Command) => printSettings(self));
  group
    .command('schema')
    .summary('print the JSON Schema of the configuration file')
    .description('Prints the JSON Schema of the file of --config, with descriptions and defaults, for editors.')
    .option('--declared', 'that of an init file, which `tailrace apply` takes, instead')
    .addHelpText('after', SCHEMA_EXAMPLES)
    .action((_options, self: Command) => printSchema(self));
}

async function printSettings(command: Command): Promise<void> {
  const options = command.optsWithGlobals<ReporterOptions & { readonly json?: boolean }>();
  const settings = shownSettings(await resolvedSettings(command));
  const output = await openOutput(undefined, options);
  await output.write(options.json === true ? jsonLines(settings) : alignedSettings(settings, output.colors.dim));
  await output.end();
}

async function printSchema(command: Command): Promise<void> {
  const options = command.optsWithGlobals<ReporterOptions & { readonly declared?: boolean }>();
  const { initSchema, settingsSchema } = await import('../../src/settings/json-schema.ts');
  const output = await openOutput(undefined, options);
  await output.write(`${JSON.stringify(options.declared === true ? initSchema() : settingsSchema(), null, 2)}\n`);
  await output.end();
}

function shownSettings({ config, origins }: TracedConfig): readonly ShownSetting[] {
  const originOf = (key: string): Pick<ShownSetting, 'from' | 'source' | 'line'> => {
    const origin = origins.get(key);
    if (origin === undefined) return { from: 'default', source: 'default', line: undefined };
    if (origin.from !== 'file') return { from: origin.from, source: origin.name, line: undefined };
    return { from: 'file', source: origin.name, line: origin.line };
  };
  const rows = SETTINGS.map((setting): ShownSetting => {
    const { key, flag, env } = setting;
    // The only setting without a flag is a secret.
    const value = flag === undefined && config[key] !== undefined ? MASK : config[key];
    const text = value === undefined ? '–' : value === '' ? '""' : shownValue(setting, value);
    return {
      key: fileKey(key),
      flag: flag === undefined ? null : `--${flag}`,
      variable: env,
      value,
      text,
      ...originOf(key),
    };
  });
  if (config.init === undefined) return rows;
  const text = initText(config.init);
  return [...rows, { key: 'init', flag: null, variable: null, value: config.init, text, ...originOf('init') }];
}

const MASK = '********';

function initText({ basins, access_tokens: tokens }: Readonly<Record<string, unknown>>): string {
  const count = (list: unknown): number => (Array.isArray(list) ? list.length : 0);
  return `${counted(count(basins), 'basin')}, ${counted(count(tokens), 'token')}`;
}

function jsonLines(settings: readonly ShownSetting[]): string {
  const lines = settings.map(({ text: _text, value, line, ...rest }) =>
    safeJson({ ...rest, value: value ?? null, ...(line === undefined ? {} : { line }) }),
  );
  return `${lines.join('\n')}\n`;
}

function alignedSettings(settings: readonly ShownSetting[], dim: (text: string) => string): string {
  const cells = settings.map((setting) => ({
    key: setting.key,
    text: escapeControls(setting.text),
    source: escapeControls(setting.line === undefined ? setting.source : `${setting.source}:${setting.line}`),
    isDefault: setting.from === 'default',
  }));
  const width = (of: 'key' | 'text') => Math.max(...cells.map((cell) => cell[of].length));
  const [keys, texts] = [width('key'), width('text')];
  const lines = cells.map(({ key, text, source, isDefault }) => {
    const line = `${key.padEnd(keys)}  ${text.padEnd(texts)}  ${source}`;
    return isDefault ? dim(line) : line;
  });
  return `${lines.join('\n')}\n`;
}
