/** The flags that say how `tail` and `read` lay out records on a terminal. */

import { type Command, InvalidArgumentError, Option } from 'commander';
import { LAYOUT_DEFAULTS, type LayoutOptions, TIME_STYLES, type TimeStyle } from '../print/terminal/layout-options.ts';
import { duration } from './arguments.ts';

export interface LayoutFlags {
  readonly attrs?: LayoutOptions['attributes'];
  readonly resource?: boolean;
  readonly time?: TimeStyle;
  readonly slow?: number;
  readonly messages?: boolean;
  readonly stack?: 'all' | 'none';
  readonly wrap?: 'on' | 'off';
  readonly seq?: boolean;
}

const FLAGS = ['attrs', 'resource', 'time', 'slow', 'messages', 'stack', 'wrap', 'seq'] as const;

export function addLayoutFlags(command: Command): Command {
  return command
    .optionsGroup('Layout on a terminal (a pipe gets the lines of --view text):')
    .addOption(new Option('--time <style>', 'how times show (default: local)').choices(TIME_STYLES))
    .option(
      '--attrs <which>',
      'all attributes, none, or these: order.id,http.* (default: those that say more)',
      attributes,
    )
    .option('--resource', 'also the attributes of the resource')
    .option('--seq', 'also the sequence number')
    .option('--slow <span>', 'spans that take longer are yellow (default: 1s)', duration)
    .option('--messages', 'the conversation of a span of a language model')
    .addOption(new Option('--stack <lines>', 'of stacks and long texts all lines, or none').choices(['all', 'none']))
    .addOption(new Option('--wrap <when>', 'whether long lines wrap (default: on)').choices(['on', 'off']));
}

/** The names of the flags that were given. */
export function givenLayoutFlags(flags: LayoutFlags): readonly string[] {
  return FLAGS.filter((name) => flags[name] !== undefined).map((name) => `--${name}`);
}

export function layoutOptions(flags: LayoutFlags): LayoutOptions {
  return {
    attributes: flags.attrs ?? LAYOUT_DEFAULTS.attributes,
    resource: flags.resource ?? LAYOUT_DEFAULTS.resource,
    time: flags.time ?? LAYOUT_DEFAULTS.time,
    slowMs: flags.slow ?? LAYOUT_DEFAULTS.slowMs,
    messages: flags.messages ?? LAYOUT_DEFAULTS.messages,
    stack: flags.stack ?? LAYOUT_DEFAULTS.stack,
    wrap: flags.wrap !== 'off',
    seq: flags.seq ?? LAYOUT_DEFAULTS.seq,
  };
}

function attributes(text: string): LayoutOptions['attributes'] {
  if (text === 'all' || text === 'none') return text;
  const names = text.split(',').map((name) => name.trim());
  if (names.every((name) => name !== '')) return names;
  throw new InvalidArgumentError('It must be all, none, or names with commas between, such as order.id,http.*');
}
