/** The settings of a server as flags, and where their values come from: flags, variables, a file, defaults. */

import type { Command } from 'commander';
import { SETTINGS, type Setting } from '../../src/config.ts';
import { TailraceError } from '../../src/model/error.ts';
import { type TracedConfig, traceConfig } from '../../src/settings/resolve-config.ts';

const CONFIG_VARIABLE = 'TAILRACE_CONFIG';

/** Adds `--config` and a flag for each setting. */
export function addSettingFlags(command: Command): void {
  command.option(
    '--config <file>',
    `YAML file with settings; flags and variables win over it (${CONFIG_VARIABLE}); \`tailrace config\` shows them`,
  );
  for (const setting of SETTINGS) addSetting(command, setting);
}

/**
 * The configuration that flags, the environment and the file ask for.
 * @throws TailraceError `config`
 */
export async function resolvedSettings(command: Command, env: NodeJS.ProcessEnv = process.env): Promise<TracedConfig> {
  const { config: given } = command.opts<{ readonly config?: string }>();
  const file = given ?? (env[CONFIG_VARIABLE] || undefined);
  if (file === undefined) return traceConfig(flagsOf(command), env);
  // The parser of YAML takes time to load, and most servers have no file.
  const { readSettingsFile } = await import('../../src/settings/settings-file.ts');
  const settings = await readSettingsFile(file).catch((error: unknown) => {
    if (!(error instanceof TailraceError)) throw error;
    const from = given === undefined ? CONFIG_VARIABLE : '--config';
    throw new TailraceError(error.code, `the configuration file (${from}):\n${error.message}`, { cause: error });
  });
  return traceConfig(flagsOf(command), env, settings);
}

/** A default as users would type it; undefined for switches and for settings without one. */
export function shownDefault(setting: Setting): string | undefined {
  const { default: value } = setting;
  return value === undefined || value === false ? undefined : shownValue(setting, value);
}

/** A value as users would type it. */
export function shownValue({ value: kind }: Pick<Setting, 'value'>, value: unknown): string {
  const number = Number(value);
  if (kind === 'bytes') return number % 2 ** 20 === 0 ? `${number / 2 ** 20}MiB` : String(number);
  if (kind === 'duration') return number % 1_000 === 0 ? `${number / 1_000}s` : `${number}ms`;
  return Array.isArray(value) ? value.join(',') : String(value);
}

function addSetting(command: Command, setting: Setting): void {
  if (setting.flag === undefined) return;
  const flags = setting.value === undefined ? `--${setting.flag}` : `--${setting.flag} <${setting.value}>`;
  const description = `${setting.description} (${setting.env}${defaultText(setting)})`;
  if (setting.isRepeatable === true) command.option(flags, description, collected);
  else command.option(flags, description);
}

function collected(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function defaultText(setting: Setting): string {
  const text = shownDefault(setting);
  return text === undefined ? '' : `; default ${text}`;
}

/** Settings given as flags; a switch such as --no-auth is on when it is there. */
function flagsOf(command: Command): Record<string, unknown> {
  const flags: Record<string, unknown> = {};
  for (const setting of SETTINGS) {
    const option = command.options.find(({ long }) => long === `--${setting.flag}`);
    const name = option?.attributeName();
    if (option === undefined || name === undefined || command.getOptionValueSource(name) !== 'cli') continue;
    flags[setting.key] = setting.value === undefined ? true : command.getOptionValue(name);
  }
  return flags;
}
