/** Which value of a setting counts, of those that flags, environment variables and a configuration file give. */

import { type Config, parseConfig, SETTINGS, type SettingOrigin, type SettingOrigins } from '../config.ts';

/** What a configuration file says: checked values, and the line of each. */
export interface SettingsFile {
  readonly name: string;
  readonly values: Readonly<Record<string, unknown>>;
  readonly lines: ReadonlyMap<string, number>;
}

/** A configuration, and where each value in it came from. */
export interface TracedConfig {
  readonly config: Config;
  readonly origins: SettingOrigins;
}

/**
 * A flag comes before the environment, that before a configuration file, and that before the default. `flags` has the
 * keys of `ServerOptions`; undefined means that the flag is not given.
 * @throws TailraceError `config`
 */
export function resolveConfig(
  flags: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
): Config {
  return traceConfig(flags, env).config;
}

/** The same with a configuration file, and with where each value came from. @throws TailraceError `config` */
export function traceConfig(
  flags: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
  file?: SettingsFile,
): TracedConfig {
  const given: Record<string, unknown> = Object.create(null);
  const origins = new Map<string, SettingOrigin>();
  for (const layer of [fileLayer(file), environmentLayer(env), flagLayer(flags)]) {
    // A token file given by flag replaces a token from the environment: together they would contradict each other.
    for (const [one, other] of ALTERNATIVES) if (layer.has(one) && !layer.has(other)) delete given[other];
    for (const [key, { value, origin }] of layer) {
      given[key] = value;
      origins.set(key, origin);
    }
  }
  for (const key of [...origins.keys()]) if (!(key in given)) origins.delete(key);
  return { config: parseConfig(given, origins), origins };
}

/** Settings of which one takes the place of the other, in both directions. */
const ALTERNATIVES = [
  ['rootToken', 'rootTokenFile'],
  ['rootTokenFile', 'rootToken'],
  ['init', 'initFile'],
  ['initFile', 'init'],
] as const;

/** What one place says, by the keys of `ServerOptions`. */
type Layer = ReadonlyMap<string, { readonly value: unknown; readonly origin: SettingOrigin }>;

function fileLayer(file: SettingsFile | undefined): Layer {
  const entries = Object.entries(file?.values ?? {});
  const originOf = (key: string): SettingOrigin => ({
    from: 'file',
    name: file?.name ?? '',
    line: file?.lines.get(key) ?? 1,
  });
  return new Map(entries.map(([key, value]) => [key, { value, origin: originOf(key) }]));
}

function environmentLayer(env: Readonly<Record<string, string | undefined>>): Layer {
  const set = SETTINGS.filter(({ key, env: name }) => {
    const value = env[name];
    // Shells unset a variable by making it empty; only for the template an empty value means something.
    return value !== undefined && !isServiceLink(value) && (value !== '' || key === 'defaultStream');
  });
  return new Map(set.map(({ key, env: name }) => [key, { value: env[name], origin: { from: 'environment', name } }]));
}

function flagLayer(flags: Readonly<Record<string, unknown>>): Layer {
  const set = Object.entries(flags).filter(([, value]) => value !== undefined);
  const nameOf = (key: string): string => `--${SETTINGS.find((setting) => setting.key === key)?.flag ?? key}`;
  return new Map(set.map(([key, value]) => [key, { value, origin: { from: 'flag', name: nameOf(key) } }]));
}

/** Kubernetes sets `TAILRACE_PORT=tcp://10.0.0.1:4318` for a service called tailrace: that is not our setting. */
function isServiceLink(value: string): boolean {
  return value.startsWith('tcp://');
}
