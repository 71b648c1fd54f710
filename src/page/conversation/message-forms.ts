/**
 * Messages of language models in one form, whatever form their senders write: the semantic conventions of OpenTelemetry
 * for generative AI (parts; formerly events), the AI SDK of Vercel, OpenInference and OpenLLMetry, and plain provider JSON.
 */

import { textOfValue } from '../record/printable.ts';

/** One piece of a message. */
export type MessagePart =
  | { readonly type: 'text' | 'reasoning'; readonly text: string }
  | { readonly type: 'call'; readonly id: string | undefined; readonly name: string; readonly args: unknown }
  | {
      readonly type: 'result';
      readonly id: string | undefined;
      readonly name: string | undefined;
      readonly result: unknown;
    }
  /** An image, audio or a file: named, never loaded. */
  | { readonly type: 'media'; readonly what: string }
  /** A form that is not known: shown as JSON. */
  | { readonly type: 'other'; readonly value: unknown };

export interface ChatMessage {
  readonly role: string;
  readonly parts: readonly MessagePart[];
}

type Fields = Readonly<Record<string, unknown>>;

/** Deeper ones are JSON: no sender nests messages so. */
const DEPTH_MAX = 4;
/** Media names show no more of a URL. */
const URL_CHARS_MAX = 120;

const ROLES: Readonly<Record<string, string>> = {
  human: 'user',
  ai: 'assistant',
  model: 'assistant',
  function: 'tool',
};

/** The messages that a value holds: a list of them, one of them, an object with `messages` or `choices`, or a text. */
export function messagesOf(value: unknown, role: string, depth = 0): readonly ChatMessage[] {
  const parsed = typeof value === 'string' ? parsedJson(value) : value;
  if (parsed === undefined || parsed === null || parsed === '') return [];
  if (Array.isArray(parsed)) {
    const isParts = parsed.length > 0 && parsed.every((item) => isPart(fieldsOf(item)));
    if (isParts) return [{ role, parts: parsed.flatMap((item) => partsOf(item, depth)) }];
    return depth > DEPTH_MAX ? [other(parsed, role)] : parsed.flatMap((item) => messagesOf(item, role, depth + 1));
  }
  if (typeof parsed !== 'object') return [{ role, parts: [{ type: 'text', text: String(parsed) }] }];
  const { messages, choices, system, prompt, message, generations } = fieldsOf(parsed);
  const list = messages ?? choices ?? generations;
  if (depth <= DEPTH_MAX) {
    if (Array.isArray(list)) return [...systemOf(system), ...messagesOf(list, role, depth + 1)];
    if (typeof prompt === 'string') return [...systemOf(system), { role, parts: [{ type: 'text', text: prompt }] }];
    if (typeof message === 'object' && message !== null) return messagesOf(message, role, depth + 1);
  }
  return [messageOf(fieldsOf(parsed), role)];
}

/** One message: its role, its content in any form, its calls of tools. */
export function messageOf(message: Fields, otherwise: string): ChatMessage {
  const { content, parts, text, tool_calls, toolCalls, tool_call_id, toolCallId, reasoning_content } = message;
  const role = roleOf(message, otherwise);
  const callId = someText(tool_call_id) ?? someText(toolCallId) ?? (role === 'tool' ? someText(message.id) : undefined);
  const own = parts ?? content ?? text;
  const found: MessagePart[] = [];
  if (someText(reasoning_content) !== undefined) found.push({ type: 'reasoning', text: String(reasoning_content) });
  if (role === 'tool' && callId !== undefined && !Array.isArray(parts)) {
    found.push({ type: 'result', id: callId, name: someText(message.name), result: own ?? null });
  } else if (own !== undefined && own !== null) {
    found.push(...(Array.isArray(own) ? own.flatMap((part) => partsOf(part, 0)) : partsOf(own, 0)));
  }
  for (const call of listOf(tool_calls ?? toolCalls)) found.push(callOf(fieldsOf(call)));
  if (found.length > 0) return { role, parts: found };
  const { role: _role, ...rest } = message;
  return Object.keys(rest).length === 0 ? { role, parts: [] } : { role, parts: [{ type: 'other', value: rest }] };
}

/** Whether two messages say the same: what was sent again as history. */
export function messageKey({ role, parts }: ChatMessage): string {
  return `${role}\n${parts.map(partKey).join('\n')}`;
}

export function parsedJson(text: string): unknown {
  if (!/^\s*[[{"]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

export function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  const parsed = typeof value === 'string' ? parsedJson(value) : undefined;
  return Array.isArray(parsed) ? parsed : [];
}

export function someText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function partKey(part: MessagePart): string {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return part.text.trim();
    case 'call':
      return `${part.name}(${textOfValue(part.args)})`;
    case 'result':
      return `=${textOfValue(part.result)}`;
    default:
      return textOfValue(part);
  }
}

function roleOf({ role, type, lc_kwargs }: Fields, otherwise: string): string {
  const given =
    someText(role) ??
    someText(fieldsOf(lc_kwargs).type) ??
    (ROLES[String(type)] !== undefined ? String(type) : undefined);
  const lower = given?.toLowerCase();
  return lower === undefined ? otherwise : (ROLES[lower] ?? lower);
}

/** Kinds of parts, without those of whole messages. */
const PART_TYPES =
  /^(text|input_text|output_text|reasoning|thinking|tool[_-]call|tool[_-]use|tool[_-]call[_-]response|tool[_-]result|function_call|image|image_url|input_image|input_audio|audio|file|blob|uri|document)$/;

function isPart({ type, role }: Fields): boolean {
  return role === undefined && typeof type === 'string' && PART_TYPES.test(type);
}

function partsOf(value: unknown, depth: number): readonly MessagePart[] {
  if (typeof value === 'string') return [{ type: 'text', text: value }];
  const part = fieldsOf(value);
  const { type, text, content, thinking } = part;
  const kind = String(type ?? '').replaceAll('-', '_');
  if (/^(reasoning|thinking)$/.test(kind)) {
    return [{ type: 'reasoning', text: textOfValue(content ?? text ?? thinking ?? '') }];
  }
  if (/^(text|input_text|output_text)$/.test(kind)) return [{ type: 'text', text: textOfValue(text ?? content ?? '') }];
  if (/^(tool_call|tool_use|function_call)$/.test(kind)) return [callOf(part)];
  if (/^(tool_call_response|tool_result|function_call_output)$/.test(kind)) return [resultOf(part)];
  if (/^(image|image_url|input_image|input_audio|audio|file|blob|uri|document)$/.test(kind))
    return [mediaOf(part, kind)];
  if (type === undefined && typeof text === 'string') return [{ type: 'text', text }];
  if (type === undefined && content !== undefined && depth < DEPTH_MAX) {
    return Array.isArray(content) ? content.flatMap((item) => partsOf(item, depth + 1)) : partsOf(content, depth + 1);
  }
  return [{ type: 'other', value }];
}

function callOf(call: Fields): MessagePart {
  const inner = fieldsOf(call.function ?? call.tool_call);
  const args = inner.arguments ?? call.arguments ?? call.input ?? call.args ?? inner.args;
  return {
    type: 'call',
    id: someText(call.id) ?? someText(call.toolCallId) ?? someText(call.tool_call_id) ?? someText(call.call_id),
    name: someText(inner.name) ?? someText(call.name) ?? someText(call.toolName) ?? 'tool',
    args: typeof args === 'string' ? parsedJson(args) : args,
  };
}

function resultOf(part: Fields): MessagePart {
  const result = part.response ?? part.result ?? part.output ?? part.content;
  // The AI SDK wraps what a tool gave: {type: 'json', value: …}.
  const { type, value } = fieldsOf(result);
  const whole = typeof type === 'string' && value !== undefined ? value : result;
  return {
    type: 'result',
    id: someText(part.id) ?? someText(part.toolCallId) ?? someText(part.tool_use_id) ?? someText(part.call_id),
    name: someText(part.name) ?? someText(part.toolName),
    result: typeof whole === 'string' ? parsedJson(whole) : whole,
  };
}

function mediaOf(part: Fields, kind: string): MessagePart {
  const image = part.image_url ?? part.image;
  const url = someText(fieldsOf(image).url) ?? someText(image) ?? someText(part.uri) ?? someText(part.url);
  const mime = someText(part.mime_type) ?? someText(part.mediaType) ?? someText(part.mimeType);
  const data = someText(part.data) ?? someText(part.content) ?? (url?.startsWith('data:') ? url : undefined);
  const size = data === undefined ? undefined : `${Math.round((data.length * 3) / 4_000)} kB`;
  const place = url === undefined || url.startsWith('data:') ? undefined : url.slice(0, URL_CHARS_MAX);
  const name = someText(part.filename) ?? someText(part.file_name);
  const what = [kind.replace(/^input_|_url$/g, ''), name, mime, size, place].filter((word) => word !== undefined);
  return { type: 'media', what: what.join(' ') };
}

function systemOf(system: unknown): readonly ChatMessage[] {
  return typeof system === 'string' && system !== ''
    ? [{ role: 'system', parts: [{ type: 'text', text: system }] }]
    : [];
}

function other(value: unknown, role: string): ChatMessage {
  return { role, parts: [{ type: 'other', value }] };
}
