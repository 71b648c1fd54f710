/** Where a span of a language model has its messages: columns, numbered attributes, events of the span, logs beside it. */

import type { Attributes, Row } from '../wire/rows.ts';
import { type ChatMessage, fieldsOf, listOf, messageOf, messagesOf, parsedJson, someText } from './message-forms.ts';
import { numberedObjects } from './numbered.ts';

export interface SpanMessages {
  readonly input: readonly ChatMessage[];
  readonly output: readonly ChatMessage[];
}

/** An event of a span, or a log of it, by one name. */
interface NamedEvent {
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const EVENT_ROLE = /^gen_ai\.(system|user|assistant|tool)\.message$/;

/** `logs` are those with the id of the span. */
export function spanMessages(row: Row, logs: readonly Row[] = []): SpanMessages {
  const metadata = row.metadata ?? {};
  const events = [...eventsOf(row), ...logs.flatMap(logEvent)];
  const input = firstOf(
    () => numbered(metadata, 'llm.input_messages', 'user'),
    () => numbered(metadata, 'gen_ai.prompt', 'user'),
    () => messagesOf(row.input ?? metadata['gen_ai.input.messages'], 'user'),
    () => detailsOf(events, 'gen_ai.input.messages', 'user'),
    () => events.flatMap(inputEvent),
    () => messagesOf(metadata['ai.prompt'], 'user'),
  );
  const output = firstOf(
    () => numbered(metadata, 'llm.output_messages', 'assistant'),
    () => numbered(metadata, 'gen_ai.completion', 'assistant'),
    () => vercelOutput(row, metadata),
    () => messagesOf(row.output ?? metadata['gen_ai.output.messages'], 'assistant'),
    () => detailsOf(events, 'gen_ai.output.messages', 'assistant'),
    () => events.flatMap(outputEvent),
  );
  const system = metadata['gen_ai.system_instructions'] ?? detail(events, 'gen_ai.system_instructions');
  const hasSystem = input.some(({ role }) => role === 'system');
  return { input: hasSystem ? input : [...messagesOf(system, 'system'), ...input], output };
}

function firstOf(...ways: readonly (() => readonly ChatMessage[])[]): readonly ChatMessage[] {
  for (const way of ways) {
    const found = way().filter(({ parts }) => parts.length > 0);
    if (found.length > 0) return found;
  }
  return [];
}

/** `llm.input_messages.0.message.content`, `gen_ai.prompt.0.content`, also with lists in lists. */
function numbered(metadata: Attributes, prefix: string, role: string): readonly ChatMessage[] {
  return numberedObjects(metadata, prefix).map((item) => {
    const message = fieldsOf(fieldsOf(item).message ?? item);
    const contents = listOf(message.contents).map((each) => {
      const content = fieldsOf(fieldsOf(each).message_content);
      return { ...content, image_url: fieldsOf(content.image).image ?? content.image };
    });
    const calls = listOf(message.tool_calls).map((each) => fieldsOf(each).tool_call ?? each);
    return messageOf(
      { ...message, content: contents.length > 0 ? contents : message.content, contents: undefined, tool_calls: calls },
      role,
    );
  });
}

/** The AI SDK has the text, the calls of tools, and the reasoning in attributes of their own. */
function vercelOutput({ output }: Row, metadata: Attributes): readonly ChatMessage[] {
  const calls = metadata['ai.response.toolCalls'];
  const reasoning = someText(metadata['ai.response.reasoning']);
  if (calls === undefined && reasoning === undefined) return [];
  const content = output ?? metadata['ai.response.text'];
  const isCalls = Array.isArray(content) && content.some((item) => someText(fieldsOf(item).toolName) !== undefined);
  const text =
    isCalls || content === undefined ? undefined : typeof content === 'string' ? content : JSON.stringify(content);
  return [
    messageOf(
      { role: 'assistant', reasoning_content: reasoning, content: text, tool_calls: isCalls ? content : listOf(calls) },
      'assistant',
    ),
  ];
}

function eventsOf({ events = [] }: Row): readonly NamedEvent[] {
  return events.map(({ name, attributes }) => ({ name: String(name ?? ''), fields: fieldsOf(attributes) }));
}

/** A log about a message has it in its body, or in its attributes. */
function logEvent({ type, metadata, body, input, output }: Row): readonly NamedEvent[] {
  const name = someText(type) ?? someText(metadata?.['event.name']);
  if (name === undefined || !name.startsWith('gen_ai.')) return [];
  const columns = {
    ...(input === undefined ? {} : { 'gen_ai.input.messages': input }),
    ...(output === undefined ? {} : { 'gen_ai.output.messages': output }),
  };
  return [{ name, fields: { ...metadata, ...columns, ...fieldsOf(body) } }];
}

/** `gen_ai.client.inference.operation.details` has all messages at once. */
function detailsOf(events: readonly NamedEvent[], key: string, role: string): readonly ChatMessage[] {
  return messagesOf(detail(events, key), role);
}

function detail(events: readonly NamedEvent[], key: string): unknown {
  return events.find(({ fields }) => fields[key] !== undefined)?.fields[key];
}

function inputEvent({ name, fields }: NamedEvent): readonly ChatMessage[] {
  if (name === 'gen_ai.content.prompt') return messagesOf(fields['gen_ai.prompt'], 'user');
  const [, role] = EVENT_ROLE.exec(name) ?? [];
  return role === undefined ? [] : [messageOf(unpacked(fields), role)];
}

function outputEvent({ name, fields }: NamedEvent): readonly ChatMessage[] {
  if (name === 'gen_ai.content.completion') return messagesOf(fields['gen_ai.completion'], 'assistant');
  if (name !== 'gen_ai.choice') return [];
  const { message } = fields;
  const inner = typeof message === 'string' ? parsedJson(message) : message;
  if (typeof inner === 'string') return [{ role: 'assistant', parts: [{ type: 'text', text: inner }] }];
  const { index: _index, finish_reason: _reason, ...own } = unpacked(fields);
  return [messageOf(inner === undefined ? own : fieldsOf(inner), 'assistant')];
}

/** Without the attributes that say whose message it is, which are no part of it. */
function unpacked(fields: NamedEvent['fields']): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !/^(gen_ai\.|event\.)/.test(key)));
}
