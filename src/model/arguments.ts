/**
 * What callers of the library pass, checked where it comes in: JavaScript checks nothing, and what is stored wrongly
 * is stored for good. A wrong argument is `invalid` for the call that it was passed to, and changes nothing else.
 */

import { TailraceError } from './error.ts';
import { SIGNALS } from './record.ts';

/** Throws `invalid` when a value is not what the parameter called `name` takes. */
export type Check = (value: unknown, name: string) => void;

/** One check for each option: a new option does not compile until it has one. */
export type Checks<Options> = { readonly [Name in keyof Required<Options>]: Check };

/**
 * Checks an object of options, which may be left out unless some are required. An unknown name is refused: a misspelt condition that is ignored
 * would be believed.
 * @throws TailraceError `invalid`
 */
export function checkOptions<Options>(
  given: Options | undefined,
  name: string,
  checks: Checks<Options>,
  required: readonly (keyof Options & string)[] = [],
): void {
  if (given === undefined && required.length === 0) return;
  expectObject(given, name);
  for (const key of required) checks[key](given[key], `${name}.${key}`);
  for (const [key, value] of Object.entries(given)) {
    const check = Object.hasOwn(checks, key) ? checks[key as keyof Options] : undefined;
    if (check === undefined) {
      throw invalid(`${name} has no option ${JSON.stringify(key)}: there are ${Object.keys(checks).join(', ')}`);
    }
    check(value, `${name}.${key}`);
  }
}

/** The same for what a store, a server or a client is made with. @throws TailraceError `config` */
export function checkSettings<Settings>(
  given: Settings,
  name: string,
  checks: Checks<Settings>,
  required: readonly (keyof Settings & string)[] = [],
): void {
  try {
    checkOptions(given, name, checks, required);
  } catch (error) {
    throw error instanceof TailraceError ? new TailraceError('config', error.message) : error;
  }
}

/**
 * The bytes that an argument means: those of a Uint8Array, or the UTF-8 of a text.
 * @throws TailraceError `invalid` for anything else, such as a number, an array or another typed array
 */
export function bytesIn(value: unknown, name: string): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value);
  if (isBytes(value)) return value;
  throw wrong(name, 'a Uint8Array, or a text, which is stored as UTF-8', value);
}

export function expectBytes(value: unknown, name: string): void {
  if (!isBytes(value)) throw wrong(name, 'a Uint8Array', value);
}

export function optional(check: Check): Check {
  return (value, name) => {
    if (value !== undefined) check(value, name);
  };
}

/** Takes one of these texts. */
export function oneOf(allowed: readonly string[]): Check {
  return (value, name) => {
    if (typeof value === 'string' && allowed.includes(value)) return;
    // The value is shown here only: texts of other arguments may be secrets.
    const given = typeof value === 'string' ? JSON.stringify(value.slice(0, SHOWN_CHARS_MAX)) : described(value);
    throw invalid(`${name} must be ${allowed.join(' or ')}, not ${given}`);
  };
}

export const expectSignalName: Check = oneOf(SIGNALS);

export function expectText(value: unknown, name: string): asserts value is string {
  if (typeof value !== 'string') throw wrong(name, 'a text', value);
}

/** A count, a position or a time in milliseconds. */
export function expectWholeNumber(value: unknown, name: string): asserts value is number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return;
  throw wrong(name, 'a whole number from 0 to 2^53 - 1', value);
}

/** A time span that may have no end. */
export function expectTimeSpan(value: unknown, name: string): void {
  if (typeof value !== 'number' || !(value >= 0)) throw wrong(name, 'a number of milliseconds from 0 on', value);
}

export function expectFlag(value: unknown, name: string): void {
  if (typeof value !== 'boolean') throw wrong(name, 'true or false', value);
}

export function expectFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') throw wrong(name, 'a function', value);
}

export function expectObject(value: unknown, name: string): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(name, 'an object', value);
}

export function expectList(value: unknown, name: string): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) throw wrong(name, 'an array', value);
}

/** By what it can do: signals of other implementations, and of another realm, work too. */
export function expectAbortSignal(value: unknown, name: string): void {
  const { aborted, addEventListener, removeEventListener }: Partial<AbortSignal> = Object(value);
  const listens = typeof addEventListener === 'function' && typeof removeEventListener === 'function';
  if (typeof aborted === 'boolean' && listens) return;
  throw wrong(name, 'an AbortSignal, such as the `signal` of an AbortController', value);
}

/** Where a read starts: one of three positions, and nothing beside it. */
export function expectStart(value: unknown, name: string): void {
  expectObject(value, name);
  const [[key, position] = [], ...others] = Object.entries(value);
  if (key === undefined || others.length > 0 || !START_KEYS.includes(key)) {
    throw invalid(`${name} must have one of ${START_KEYS.join(', ')} and nothing else, such as { seqNum: 0 }`);
  }
  expectWholeNumber(position, `${name}.${key}`);
}

export function invalid(message: string): TailraceError {
  return new TailraceError('invalid', message);
}

const START_KEYS: readonly string[] = ['seqNum', 'timestamp', 'tailOffset'];
const SHOWN_CHARS_MAX = 50;

/** By its tag and not by `instanceof`: bytes of another realm, such as those of a test runner, are bytes too. */
function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === '[object Uint8Array]';
}

function wrong(name: string, expected: string, value: unknown): TailraceError {
  return invalid(`${name} must be ${expected}, not ${described(value)}`);
}

/** What a value is, without what it says: a text may be a secret. */
function described(value: unknown): string {
  if (value === undefined || value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return `the number ${value}`;
  if (typeof value === 'string') return 'a text';
  if (typeof value !== 'object') return `a ${typeof value}`;
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
  return tag === 'Object' ? 'an object' : `${/^[AEIOU](?!int)/.test(tag) ? 'an' : 'a'} ${tag}`;
}
