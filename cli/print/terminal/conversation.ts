/** The messages that went to a language model and came from it, who said what, in the shapes that senders write. */

import type { MessageRow } from '../../../src/model/message-row.ts';
import { safeJson } from '../format.ts';
import { fields, listOf, printableLines, someText } from './printable.ts';
import type { TerminalEntry } from './terminal-entry.ts';

/** Adds the whole conversation of a span behind the bar. */
export function addConversation(
  row: MessageRow,
  metadata: Readonly<Record<string, unknown>>,
  entry: TerminalEntry,
): void {
  const input = row.input ?? metadata['gen_ai.input.messages'];
  const output = row.output ?? metadata['gen_ai.output.messages'];
  for (const [messages, role] of [
    [input, 'user'],
    [output, 'assistant'],
  ] as const) {
    for (const { who, text } of turns(messages, role)) {
      entry.quote(printableLines(`${who}: ${text}`), { isWhole: true });
    }
  }
}

interface Turn {
  readonly who: string;
  readonly text: string;
}

function turns(messages: unknown, role: string): readonly Turn[] {
  const value = typeof messages === 'string' ? parsed(messages) : messages;
  if (value === undefined || value === null) return [];
  const list = Array.isArray(value)
    ? value
    : (listOf(fields(value).messages).length > 0 && listOf(fields(value).messages)) || [value];
  return list.map((message: unknown) => ({ who: someText(fields(message).role) ?? role, text: contentText(message) }));
}

/** The text of a message: itself, its content, or its parts; what is no text, such as the call of a tool, as JSON. */
function contentText(message: unknown): string {
  if (typeof message === 'string') return message;
  const { parts, content, text, role: _role, ...rest } = fields(message);
  const found = parts ?? content ?? text;
  if (found === undefined) return Object.keys(rest).length === 0 ? '' : safeJson(message);
  return Array.isArray(found) ? found.map(contentText).join('\n') : contentText(found);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
