/** What an embedder may replace of a store or a server. */

import { type Checks, checkSettings, expectFunction, expectObject, optional } from './model/arguments.ts';
import type { Clock } from './model/clock.ts';
import type { TailraceError } from './model/error.ts';
import type { Logger } from './observe/logger.ts';

export interface StoreParts {
  readonly logger?: Logger | undefined;
  readonly clock?: Clock | undefined;
  /** Called with the first assertion that failed. The store should not be used any more. */
  readonly onFatal?: ((error: TailraceError) => void) | undefined;
}

export const PART_CHECKS: Checks<StoreParts> = {
  logger: optional(withMethods(['debug', 'info', 'warn', 'error'] satisfies (keyof Logger)[])),
  clock: optional(withMethods(['now', 'monotonicMs', 'timer'] satisfies (keyof Clock)[])),
  onFatal: optional(expectFunction),
};

/** @throws TailraceError `config` */
export function checkParts<Parts extends StoreParts>(parts: Parts, checks: Checks<Parts>): void {
  checkSettings(parts, 'parts', checks);
}

function withMethods(names: readonly string[]) {
  return (value: unknown, name: string): void => {
    expectObject(value, name);
    for (const method of names) expectFunction((value as Record<string, unknown>)[method], `${name}.${method}`);
  };
}
