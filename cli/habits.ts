/**
 * Words that users of docker, kubectl, journalctl, stern and S2's command line type by habit, as we say them; and the
 * options of other tools that are called otherwise here.
 */

/** What follows records; `logs` of other tools ends unless it is told to follow. */
const FOLLOWS = ['tail', 'logs'];

/** The arguments as our commands take them. What is behind `--` is not ours. */
export function asWeSay(typed: readonly string[]): readonly string[] {
  const end = typed.indexOf('--');
  const [ours, rest] = end < 0 ? [typed, []] : [typed.slice(0, end), typed.slice(end)];
  if (ours.length === 1 && ours[0] === '-v') return ['--version'];
  const [first, ...asked] = ours;
  if (first === 'help' && (asked.length > 1 || asked[0] === 'logs')) return asWeSay([...asked, '--help']);
  const words = ours.map(anyWord);
  const at = words.findIndex((word) => FOLLOWS.includes(word));
  // A word before it that is no option is the command.
  if (at < 0 || words.slice(0, at).some((word) => !word.startsWith('-') && !isValueOfColor(word)))
    return [...words, ...rest];
  const after = words.slice(at + 1).flatMap(wordOfTail);
  const ends = words[at] === 'logs' && !after.some((word) => /^(-\w*f\w*|--follow|--no-follow|--help|-h)$/.test(word));
  return [...words.slice(0, at), 'tail', ...after, ...(ends ? ['--no-follow'] : []), ...rest];
}

const isValueOfColor = (word: string): boolean => word === 'always' || word === 'never' || word === 'auto';

/** `-o=json`, `--no-color`, `--follow=false`. */
function anyWord(word: string): string {
  if (word === '--no-color' || word === '--no-colour') return '--color=never';
  if (word === '--follow=false') return '--no-follow';
  if (word === '--follow=true') return '--follow';
  return word.replace(/^-o=/, '-o').replace(/^--colour(?==|$)/, '--color');
}

/** `-5`, `-F`, and the unit of journalctl, which is a stream here. */
function wordOfTail(word: string): readonly string[] {
  if (/^-\d+$/.test(word)) return ['-n', word.slice(1)];
  if (word === '-F') return ['-f'];
  if (word === '-u' || word === '--unit') return [];
  return [word.replace(/^--unit=/, '')];
}

/** Options of other tools, and what they are here. */
const OPTIONS: Readonly<Record<string, string>> = {
  '--url': '--endpoint <url>',
  '--uri': '--endpoint <url>',
  '--host': '--endpoint <url>',
  '--server': '--endpoint <url>',
  '--address': '--endpoint <url>',
  '--addr': '--endpoint <url>',
  '--api-key': '--token-file <file> or TAILRACE_TOKEN',
  '--access-token': '--token-file <file> or TAILRACE_TOKEN',
  '--password': '--token-file <file> or TAILRACE_TOKEN',
  '--key': '--token-file <file> or TAILRACE_TOKEN',
  '--basin': 's2://<basin>/<stream> as the name',
  '--namespace': 's2://<basin>/<stream> as the name',
  '--stream': 'the name behind the command',
  '--container': 'the name behind the command',
  '--selector': '--filter <conditions>',
  '--include': '--filter body~<text>',
  '--grep': '--filter body~<text>',
  '--priority': '--filter level>=<level>',
  '--level': '--filter level>=<level>',
  '--timestamps': '--time <style>',
  '--template': "--format '{{body}}'",
  '--verbose': '--output wide',
};

/** The message about an unknown option with what it is here. */
export function withOurOption(message: string): string {
  const [, option = ''] = /unknown option '(--[\w-]+)/.exec(message) ?? [];
  const ours = OPTIONS[option];
  return ours === undefined ? message : message.replace(/\n$/, `\n(here it is ${ours})\n`);
}
