/** The text of a filter while it is read: white space, names, operators, and values, each with its place. */

import { nearest } from '../../encoding/nearest.ts';
import { TailraceError } from '../../model/error.ts';
import type { Comparison } from '../../model/filter.ts';

/** `!=` and `!~` are their opposites, negated. */
export type Operator = '=' | '~' | Comparison;

const OPERATORS: readonly { readonly sign: string; readonly type: Operator; readonly negates: boolean }[] = [
  { sign: '!=', type: '=', negates: true },
  { sign: '!~', type: '~', negates: true },
  { sign: '<=', type: '<=', negates: false },
  { sign: '>=', type: '>=', negates: false },
  { sign: '=', type: '=', negates: false },
  { sign: '~', type: '~', negates: false },
  { sign: '<', type: '<', negates: false },
  { sign: '>', type: '>', negates: false },
];
const SPACE = /\s/;
const NAME_END = /[\s=!<>~"]/;

export class FilterText {
  /** Where reading goes on. */
  at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** Skips white space; false at the end. */
  nextTerm(): boolean {
    while (SPACE.test(this.#text[this.at] ?? '')) this.at++;
    return this.at < this.#text.length;
  }

  isAt(sign: string): boolean {
    return this.#text.startsWith(sign, this.at);
  }

  take(sign: string): boolean {
    if (!this.isAt(sign)) return false;
    this.at += sign.length;
    return true;
  }

  /** A field with its key, which may be in quotes: `attr."a key"`. Empty where none begins. */
  takeName(): string {
    const start = this.at;
    while (this.at < this.#text.length && !NAME_END.test(this.#text[this.at] ?? '')) this.at++;
    const name = this.#text.slice(start, this.at);
    return name.endsWith('.') && this.isAt('"') ? name + this.#takeQuoted() : name;
  }

  takeOperator(): { readonly type: Operator; readonly negates: boolean } | undefined {
    const found = OPERATORS.find(({ sign }) => this.isAt(sign));
    if (found !== undefined) this.at += found.sign.length;
    return found;
  }

  /** A text in quotes, or everything up to white space. */
  takeValue(): string {
    if (this.isAt('"')) return this.#takeQuoted();
    const start = this.at;
    while (this.at < this.#text.length && !SPACE.test(this.#text[this.at] ?? '')) this.at++;
    if (this.at === start) throw this.wrong(start, 'a value; an empty one is written as ""');
    return this.#text.slice(start, this.at);
  }

  /** `/pattern/` or `/pattern/i`. A slash in it is written as `\/`. */
  takePattern(): { readonly pattern: string; readonly ignoresCase: boolean } {
    const start = this.at++;
    while (this.at < this.#text.length && !this.isAt('/')) this.at += this.isAt('\\') ? 2 : 1;
    const pattern = this.#text.slice(start + 1, this.at).replaceAll('\\/', '/');
    if (!this.take('/')) throw this.wrong(this.#text.length, 'the / at the end of a regular expression');
    if (pattern === '') throw this.wrong(start + 1, 'a regular expression between the slashes');
    return { pattern, ignoresCase: this.take('i') };
  }

  /** Between conditions is white space. */
  expectTermEnd(): void {
    if (this.at >= this.#text.length || SPACE.test(this.#text[this.at] ?? '')) return;
    throw this.wrong(this.at, 'white space before the next condition');
  }

  unknownField(at: number, name: string, known: readonly string[]): TailraceError {
    const [close] = name === '' ? [] : nearest(name, known);
    return this.wrong(at, `${close === undefined ? '' : `${close} perhaps, or `}one of ${known.join(', ')}`);
  }

  /** The error for what is at `at`. */
  wrong(at: number, expected: string): TailraceError {
    const found = this.#text.slice(at, at + 24);
    const shown = found === '' ? 'it ends' : `there is ${JSON.stringify(found)}`;
    return new TailraceError('bad_query', `filter, character ${at + 1}: ${shown} where ${expected} is expected`);
  }

  #takeQuoted(): string {
    const start = this.at++;
    while (this.at < this.#text.length && !this.isAt('"')) this.at += this.isAt('\\') ? 2 : 1;
    if (!this.take('"')) throw this.wrong(this.#text.length, 'the " at the end of a text');
    try {
      return JSON.parse(this.#text.slice(start, this.at)) as string;
    } catch {
      throw this.wrong(start, 'a text in quotes as in JSON, with \\" and \\\\');
    }
  }
}
