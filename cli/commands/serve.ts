/** `tailrace serve`: the server, its banner, and an orderly end. */

import path from 'node:path';
import type { Command } from 'commander';
import { resolveConfig, SETTINGS, type Setting } from '../../src/config.ts';
import { type Banner, type BannerAuth, bannerText } from '../banner.ts';
import { openOutput, type TalkOptions } from '../console.ts';
import { EXIT } from '../exit.ts';
import { endAtOnce, firstSignal, watchdog } from '../lifetime.ts';

const EXAMPLES = `
Each flag has an environment variable; flags win.

Examples:
  tailrace serve                                    on http://127.0.0.1:4318, with the store in ./data
  tailrace serve --port 0 --data-dir /tmp/try       on any free port
  tailrace serve --no-auth                          without tokens, for this machine only
  TAILRACE_PORT=5000 tailrace serve`;

export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .summary('start the server')
    .description('Takes OTLP in, keeps it in the data directory, and serves readers, until SIGTERM or Ctrl-C.')
    .addHelpText('after', EXAMPLES);
  for (const setting of SETTINGS) addSetting(command, setting);
  command.action((_options, self: Command) => serve(self));
}

function addSetting(command: Command, setting: Setting): void {
  if (setting.flag === undefined) return;
  const flags = setting.value === undefined ? `--${setting.flag}` : `--${setting.flag} <${setting.value}>`;
  command.option(flags, `${setting.description} (${setting.env}${defaultText(setting)})`);
}

function defaultText(setting: Setting): string {
  return setting.default === undefined || setting.default === false ? '' : `; default ${setting.default}`;
}
