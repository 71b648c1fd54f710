/** The settings of a server as text and as JSON, each with where its value comes from. */

import type { Command } from 'commander';
import { fileKey, SETTINGS } from '../../src/config.ts';
import type { TracedConfig } from '../../src/settings/resolve-config.ts';
import { resolvedSettings, shownValue } from '../flags/settings.ts';
import { openOutput, type ReporterOptions } from './console.ts';
import { counted, escapeControls, safeJson } from './format.ts';

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

/** Prints what `tailrace serve` would have with the flags of the command. @throws TailraceError `config` */
export async function printSettings(command: Command): Promise<void> {
  const options = command.optsWithGlobals<ReporterOptions & { readonly json?: boolean }>();
  const settings = shownSettings(await resolvedSettings(command));
  const output = await openOutput(undefined, options);
  await output.write(options.json === true ? jsonLines(settings) : alignedSettings(settings, output.colors.dim));
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
    // Settings without a flag are secrets.
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
