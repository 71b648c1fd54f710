/** The README says what the code says: settings, defaults and exit codes. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { shownDefault } from '../../cli/commands/serve.ts';
import { EXIT } from '../../cli/exit.ts';
import { SETTINGS } from '../../src/config.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

describe('the README', () => {
  test.each(SETTINGS.map((setting) => [setting.env, setting] as const))('has the row of %s', (env, setting) => {
    const flag = setting.flag === undefined ? '–' : `\`--${setting.flag}\``;
    const standard = shownDefault(setting);
    const shown = standard === undefined ? '–' : `\`${standard}\``;
    expect(readme).toContain(`| ${flag} | \`${env}\` | ${shown} | ${setting.description} |`);
  });

  test('has every exit code', () => {
    for (const code of Object.values(EXIT)) expect(readme).toMatch(new RegExp(`^\\| ${code} \\| `, 'm'));
  });
});
