/** Where in a command line the cursor is: which words may stand there, or of what kind of thing a name may. */

import type { Argument, Command, Option } from 'commander';

export interface CompletedWord {
  readonly value: string;
  readonly description: string;
}

/** Whose names are asked for. */
export type NameKind = 'basins' | 'streams' | 'bare streams' | 'tokens' | 'contexts' | 'endpoints' | 'files';

export interface CursorPlace {
  /** What is there of the word; candidates begin with it. */
  readonly begun: string;
  /** In front of what is completed, in the same word: `--flag=`. */
  readonly before: string;
  readonly words: readonly CompletedWord[];
  readonly names: NameKind | undefined;
  /** What the line gives already, by the long flags; true for a flag without a value. */
  readonly given: ReadonlyMap<string, string | true>;
}

/** Finds the place of the last of the words, which follow the name of the program. */
export function placeOf(program: Command, words: readonly string[]): CursorPlace {
  const walk = new LineWalk(program);
  for (const word of words.slice(0, -1)) walk.pass(word);
  return walk.at(words.at(-1) ?? '');
}

class LineWalk {
  readonly #program: Command;
  readonly #given = new Map<string, string | true>();
  #command: Command;
  #argumentsPassed = 0;
  #hasEndedFlags = false;
  /** The flag that waits for its value. */
  #open: Option | undefined;

  constructor(program: Command) {
    this.#program = program;
    this.#command = program;
  }

  pass(word: string): void {
    if (this.#open !== undefined) {
      this.#given.set(flagOf(this.#open), word);
      this.#open = undefined;
    } else if (this.#hasEndedFlags || !word.startsWith('-') || word === '-') {
      this.#passName(word);
    } else if (word === '--') {
      this.#hasEndedFlags = true;
    } else {
      this.#passFlag(word);
    }
  }

  at(word: string): CursorPlace {
    const rest = { given: this.#given, before: '' };
    if (this.#open !== undefined) return { ...rest, begun: word, ...valuesOf(this.#open) };
    const [, flag, value] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
    const option = flag === undefined || this.#hasEndedFlags ? undefined : this.#option(flag);
    if (option !== undefined && value !== undefined && takesValue(option)) {
      return { ...rest, before: `${flag}=`, begun: value, ...valuesOf(option) };
    }
    const isFlag = word.startsWith('-') && !this.#hasEndedFlags;
    return { ...rest, begun: word, ...(isFlag ? { words: this.#flags(), names: undefined } : this.#next()) };
  }

  #passName(word: string): void {
    const inner = this.#argumentsPassed === 0 ? this.#command.commands.find((one) => isCalled(one, word)) : undefined;
    if (inner === undefined) this.#argumentsPassed++;
    else this.#command = inner;
  }

  #passFlag(word: string): void {
    const [name = '', value] = word.split(/=(.*)/s);
    const option = this.#option(name);
    if (option === undefined) return;
    if (value === undefined && takesValue(option)) this.#open = option;
    else this.#given.set(flagOf(option), value ?? true);
  }

  #option(flag: string): Option | undefined {
    return [...this.#command.options, ...this.#program.options].find((one) => one.long === flag || one.short === flag);
  }

  /** Flags that the help shows, without those that were given and say no more when they are given again. */
  #flags(): readonly CompletedWord[] {
    const help = this.#command.createHelp();
    const own = help.visibleOptions(this.#command);
    const global = this.#command === this.#program ? [] : help.visibleGlobalOptions(this.#command);
    return [...own, ...global]
      .filter((option) => this.#given.get(flagOf(option)) !== true)
      .map((option) => ({ value: flagOf(option), description: option.description }));
  }

  /** What may follow that is no flag; flags, where nothing else may. */
  #next(): Pick<CursorPlace, 'words' | 'names'> {
    const command = this.#command;
    if (command.commands.length > 0 && this.#argumentsPassed === 0) {
      const visible = command.createHelp().visibleCommands(command);
      const words = visible.map((one) => ({ value: one.name(), description: one.summary() || one.description() }));
      return { words: words.filter(({ value }) => value !== 'help'), names: undefined };
    }
    const { registeredArguments: all } = command;
    const last = all.at(-1);
    const argument = all[this.#argumentsPassed] ?? (last?.variadic === true ? last : undefined);
    return argument === undefined ? { words: this.#flags(), names: undefined } : valuesOf(argument, command);
  }
}

/** What the value of a flag or an argument may be. Flags and arguments of new commands say it by name and description. */
function valuesOf(of: Option | Argument, command?: Command): Pick<CursorPlace, 'words' | 'names'> {
  const words = (of.argChoices ?? []).map((value) => ({ value, description: '' }));
  return { words, names: words.length > 0 ? undefined : kindOf(of, command) };
}

function kindOf(of: Option | Argument, command: Command | undefined): NameKind | undefined {
  const isArgument = 'variadic' in of && command !== undefined;
  const name = isArgument ? (of as Argument).name() : (/[<[]([^>\]]+)/.exec((of as Option).flags)?.[1] ?? '');
  if (/^(file|path|folder|directory)(\.\.\.)?$/.test(name)) return 'files';
  if (of.description.includes('s2://basin/stream')) return 'streams';
  if (of.description.includes('s2://basin')) return 'basins';
  if (!isArgument) return KINDS_OF_FLAGS.get(flagOf(of as Option));
  const group = command.parent?.name();
  if (name === 'stream') return 'streams';
  if (group === 'tokens' && name === 'id') return 'tokens';
  return group === 'context' && name === 'name' ? 'contexts' : undefined;
}

const KINDS_OF_FLAGS: ReadonlyMap<string, NameKind> = new Map([
  ['--endpoint', 'endpoints'],
  ['--stream', 'bare streams'],
  ['--basin', 'basins'],
]);

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

function flagOf({ long, short }: Option): string {
  return long ?? short ?? '';
}

function isCalled(command: Command, word: string): boolean {
  return command.name() === word || command.aliases().includes(word);
}
