/** What the attributes of a log record or of a span's event say about an exception. */

import { joinedLines, someText } from './printable.ts';

export interface ExceptionFields {
  readonly type: string | undefined;
  readonly message: string | undefined;
  readonly stack: string | undefined;
}

export function readException(attributes: Readonly<Record<string, unknown>>): ExceptionFields {
  return {
    type: someText(attributes['exception.type']),
    message: someText(attributes['exception.message']),
    stack: someText(attributes['exception.stacktrace']),
  };
}

/** `type: message` without what the text before it says already; undefined when nothing is left. */
export function exceptionText({ type, message }: ExceptionFields, before = ''): string | undefined {
  const news = [type, message].filter((part) => part !== undefined && !before.includes(part));
  const text = news
    .map((part) => joinedLines(part ?? ''))
    .filter((part) => part !== '')
    .join(': ');
  return text === '' ? undefined : text;
}
