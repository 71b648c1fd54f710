/**
 * Conversations from what senders write, as their documentation has it: the semantic conventions for generative AI (parts
 * in attributes, and the former events), the AI SDK of Vercel, OpenInference, OpenLLMetry.
 */

import { expect, test } from '@jest/globals';
import { withGenAiFields } from '../../src/otlp/views/gen-ai-fields.ts';
import type { RecordRow } from '../../src/otlp/views/row.ts';
import { type ChatMessage, messagesOf } from '../../src/page/conversation/message-forms.ts';
import { missingContent } from '../../src/page/conversation/missing-content.ts';
import { numberedObjects } from '../../src/page/conversation/numbered.ts';
import { proseBlocks, proseSpans } from '../../src/page/conversation/prose.ts';
import { spanMessages } from '../../src/page/conversation/span-messages.ts';
import {
  type ConversationStep,
  conversationSteps,
  isChatRow,
  spanPlace,
  totalsOf,
} from '../../src/page/conversation/steps.ts';
import type { Attributes, Row } from '../../src/page/wire/rows.ts';

const text = (role: string, said: string): ChatMessage => ({ role, parts: [{ type: 'text', text: said }] });
const CALL = { type: 'call', id: 'call_1', name: 'weather', args: { city: 'Paris' } } as const;
const RESULT = { type: 'result', id: 'call_1', result: { degrees: 20 } } as const;
let seqNum = 0;

test('parts of the semantic conventions are messages, with calls, results, reasoning and system instructions', () => {
  const { input, output } = spanMessages(
    span({
      'gen_ai.operation.name': 'chat',
      'gen_ai.system_instructions': JSON.stringify([{ type: 'text', content: 'Be brief.' }]),
      'gen_ai.input.messages': JSON.stringify([
        { role: 'user', parts: [{ type: 'text', content: 'Weather in Paris?' }] },
        {
          role: 'assistant',
          parts: [{ type: 'tool_call', id: 'call_1', name: 'weather', arguments: { city: 'Paris' } }],
        },
        { role: 'tool', parts: [{ type: 'tool_call_response', id: 'call_1', response: { degrees: 20 } }] },
      ]),
      'gen_ai.output.messages': JSON.stringify([
        {
          role: 'assistant',
          parts: [
            { type: 'reasoning', content: 'Easy.' },
            { type: 'text', content: '20 degrees.' },
          ],
          finish_reason: 'stop',
        },
      ]),
    }),
  );
  expect(input).toEqual([
    text('system', 'Be brief.'),
    text('user', 'Weather in Paris?'),
    { role: 'assistant', parts: [CALL] },
    { role: 'tool', parts: [RESULT] },
  ]);
  expect(output).toEqual([
    { role: 'assistant', parts: [{ type: 'reasoning', text: 'Easy.' }, ...text('', '20 degrees.').parts] },
  ]);
});

test('messages of the AI SDK of Vercel are those of its prompt, and its text with its calls of tools', () => {
  const { input, output } = spanMessages(
    span({
      'ai.operationId': 'ai.generateText.doGenerate',
      'ai.prompt.messages': JSON.stringify([
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: [{ type: 'text', text: 'Weather in Paris?' }] },
        {
          role: 'assistant',
          content: [{ type: 'tool-call', toolCallId: 'call_1', toolName: 'weather', input: { city: 'Paris' } }],
        },
        {
          role: 'tool',
          content: [
            {
              type: 'tool-result',
              toolCallId: 'call_1',
              toolName: 'weather',
              output: { type: 'json', value: { degrees: 20 } },
            },
          ],
        },
      ]),
      'ai.response.text': 'I look again.',
      'ai.response.toolCalls': JSON.stringify([
        { toolCallType: 'function', toolCallId: 'call_1', toolName: 'weather', args: '{"city":"Paris"}' },
      ]),
    }),
  );
  expect(input).toEqual([
    text('system', 'Be brief.'),
    text('user', 'Weather in Paris?'),
    { role: 'assistant', parts: [CALL] },
    { role: 'tool', parts: [{ ...RESULT, name: 'weather' }] },
  ]);
  expect(output).toEqual([{ role: 'assistant', parts: [...text('', 'I look again.').parts, CALL] }]);
});

test('the outer span of the AI SDK has a system text, a prompt or messages', () => {
  const prompt = { system: 'Be brief.', prompt: 'Hello' };
  const { input } = spanMessages(span({ 'ai.operationId': 'ai.generateText', 'ai.prompt': JSON.stringify(prompt) }));
  expect(input).toEqual([text('system', 'Be brief.'), text('user', 'Hello')]);
});

test('numbered attributes of OpenInference are messages, with contents and calls of tools', () => {
  const { input, output } = spanMessages(
    span({
      'openinference.span.kind': 'LLM',
      'input.value': '{"messages":"not these"}',
      'llm.input_messages.0.message.role': 'system',
      'llm.input_messages.0.message.content': 'Be brief.',
      'llm.input_messages.1.message.role': 'user',
      'llm.input_messages.1.message.contents.0.message_content.type': 'text',
      'llm.input_messages.1.message.contents.0.message_content.text': 'What is this?',
      'llm.input_messages.1.message.contents.1.message_content.type': 'image',
      'llm.input_messages.1.message.contents.1.message_content.image.image.url': 'https://images.example/cat.png',
      'llm.output_messages.0.message.role': 'assistant',
      'llm.output_messages.0.message.tool_calls.0.tool_call.id': 'call_1',
      'llm.output_messages.0.message.tool_calls.0.tool_call.function.name': 'weather',
      'llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments': '{"city":"Paris"}',
    }),
  );
  expect(input).toEqual([
    text('system', 'Be brief.'),
    {
      role: 'user',
      parts: [...text('', 'What is this?').parts, { type: 'media', what: 'image https://images.example/cat.png' }],
    },
  ]);
  expect(output).toEqual([{ role: 'assistant', parts: [CALL] }]);
});

test('numbered attributes of OpenLLMetry are messages', () => {
  const { input, output } = spanMessages(
    span({
      'gen_ai.system': 'openai',
      'llm.request.type': 'chat',
      'gen_ai.prompt.0.role': 'user',
      'gen_ai.prompt.0.content': 'Weather in Paris?',
      'gen_ai.prompt.1.role': 'assistant',
      'gen_ai.prompt.1.tool_calls.0.id': 'call_1',
      'gen_ai.prompt.1.tool_calls.0.name': 'weather',
      'gen_ai.prompt.1.tool_calls.0.arguments': '{"city":"Paris"}',
      'gen_ai.prompt.2.role': 'tool',
      'gen_ai.prompt.2.content': '20',
      'gen_ai.prompt.2.tool_call_id': 'call_1',
      'gen_ai.prompt.10.role': 'user',
      'gen_ai.prompt.10.content': 'Thanks.',
      'gen_ai.completion.0.role': 'assistant',
      'gen_ai.completion.0.content': 'Welcome.',
      'gen_ai.completion.0.finish_reason': 'stop',
    }),
  );
  expect(input).toEqual([
    text('user', 'Weather in Paris?'),
    { role: 'assistant', parts: [CALL] },
    { role: 'tool', parts: [{ type: 'result', id: 'call_1', name: undefined, result: '20' }] },
    text('user', 'Thanks.'),
  ]);
  expect(output).toEqual([text('assistant', 'Welcome.')]);
});

test('the former events, at the span or as logs of it, are messages in their order', () => {
  const events = [
    { name: 'gen_ai.system.message', attributes: { 'gen_ai.system': 'openai', content: 'Be brief.' } },
    { name: 'gen_ai.user.message', attributes: { content: 'Hello' } },
    {
      name: 'gen_ai.choice',
      attributes: { index: 0, finish_reason: 'stop', message: '{"role":"assistant","content":"Hi."}' },
    },
  ];
  const row = { ...span({ 'gen_ai.operation.name': 'chat' }), events };
  const wanted = { input: [text('system', 'Be brief.'), text('user', 'Hello')], output: [text('assistant', 'Hi.')] };
  expect(spanMessages(row)).toEqual(wanted);
  const logs = events.map(
    ({ name, attributes }): Row => ({
      ...span({}),
      signal: 'logs',
      type: name,
      body: { ...attributes, 'gen_ai.system': 'openai' },
    }),
  );
  expect(spanMessages(span({ 'gen_ai.operation.name': 'chat' }), logs)).toEqual(wanted);
  expect(logs.every(isChatRow)).toBe(true);
});

test('the event with all details of an operation has its messages', () => {
  const details = {
    'gen_ai.input.messages': [{ role: 'user', parts: [{ type: 'text', content: 'Hello' }] }],
    'gen_ai.output.messages': [{ role: 'assistant', parts: [{ type: 'text', content: 'Hi.' }] }],
  };
  const log: Row = {
    ...span({}),
    signal: 'logs',
    type: 'gen_ai.client.inference.operation.details',
    metadata: details,
  };
  expect(spanMessages(span({ 'gen_ai.operation.name': 'chat' }), [log])).toEqual({
    input: [text('user', 'Hello')],
    output: [text('assistant', 'Hi.')],
  });
});

test('requests and answers as providers have them are read too', () => {
  expect(messagesOf({ messages: [{ role: 'user', content: 'Hello' }] }, 'user')).toEqual([text('user', 'Hello')]);
  expect(messagesOf({ choices: [{ message: { role: 'assistant', content: 'Hi.' } }] }, 'assistant')).toEqual([
    text('assistant', 'Hi.'),
  ]);
  expect(messagesOf([{ type: 'text', text: 'a' }], 'user')).toEqual([text('user', 'a')]);
  expect(messagesOf({ temperature: 1 }, 'user')).toEqual([
    { role: 'user', parts: [{ type: 'other', value: { temperature: 1 } }] },
  ]);
});

test('a model gets its history again, which is told apart from what is new', () => {
  const asked = [text('user', 'yes'), text('assistant', 'ok'), text('user', 'yes')];
  const steps = conversationSteps(
    [chat(1, asked.slice(0, 1), [asked[1] as ChatMessage]), chat(2, asked, [text('assistant', 'done')])],
    new Map(),
  );
  const [first, second] = steps;
  expect(first?.type === 'turn' && [first.history.length, first.input.length]).toEqual([0, 1]);
  expect(second?.type === 'turn' && [second.history.length, second.input]).toEqual([2, [text('user', 'yes')]]);
});

test('tools and models stand under their agents, also over spans that are about no model', () => {
  const agent = { ...span({ 'gen_ai.operation.name': 'invoke_agent' }), spanId: 'a' };
  const inner = {
    ...span({ 'gen_ai.operation.name': 'chat', 'gen_ai.usage.input_tokens': 7 }),
    spanId: 'c',
    parentSpanId: 'h',
  };
  const tool = {
    ...span({
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'weather',
      'gen_ai.tool.call.arguments': '{"city":"Paris"}',
      'gen_ai.tool.call.result': '20',
    }),
    spanId: 't',
    parentSpanId: 'a',
  };
  const rows: readonly Row[] = [agent, inner, tool];
  const steps = conversationSteps(
    rows.map((row) => ({ stream: 'agent', row, logs: [] })),
    new Map([[spanPlace(undefined, 'h'), spanPlace(undefined, 'a')]]),
  );
  expect(steps.map(shape)).toEqual(['group(turn,tool)']);
  expect(totalsOf(steps)).toMatchObject({ turns: 1, tools: 1, inputTokens: 7 });
  const run = steps[0]?.children[1];
  expect(run?.type === 'tool' && [run.name, run.args]).toEqual(['weather', { city: 'Paris' }]);
});

test('spans of the AI SDK that only wrap one call of a model leave no frame, and rings of parents end', () => {
  const outer = { ...span({ 'ai.operationId': 'ai.generateText' }), spanId: 'o', parentSpanId: 'i' };
  const inner = { ...span({ 'ai.operationId': 'ai.generateText.doGenerate' }), spanId: 'i', parentSpanId: 'o' };
  const good = { ...outer, parentSpanId: undefined } as unknown as Row;
  const of = (rows: readonly Row[]) =>
    conversationSteps(
      rows.map((row) => ({ stream: 'agent', row, logs: [] })),
      new Map(),
    );
  expect(of([good, inner]).map(shape)).toEqual(['turn']);
  expect(of([outer, inner]).length).toBeGreaterThan(0);
});

test.each([
  ['ai', {}, 'recordInputs'],
  ['openinference.instrumentation.openai', {}, 'OPENINFERENCE_HIDE_INPUTS'],
  ['opentelemetry.instrumentation.openai.v1', {}, 'TRACELOOP_TRACE_CONTENT'],
  ['@traceloop/instrumentation-openai', {}, 'TRACELOOP_TRACE_CONTENT'],
  ['opentelemetry.instrumentation.openai_v2', {}, 'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT'],
  ['my own', { 'ai.operationId': 'ai.streamText.doStream' }, 'recordInputs'],
  ['my own', {}, 'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT'],
] as const)('where %s sent no messages the setting is named that records them', (scope, metadata, setting) => {
  const row: Row = { ...span({}), scope: { name: scope }, metadata: metadata as Attributes };
  expect(missingContent(row).setting).toContain(setting);
  const [step] = conversationSteps(
    [{ stream: 's', row: { ...row, spanType: 'llm', model: 'm' }, logs: [] }],
    new Map(),
  );
  expect(step?.type === 'turn' && step.missing?.setting).toContain(setting);
});

test('names with numbers make lists, and neither prototypes nor huge numbers do harm', () => {
  const attributes = { 'p.1.a': 'x', 'p.0.b.0': 'y', 'p.0.__proto__.z': 'bad', 'p.99999999.a': 'far', 'q.0': 'other' };
  expect(JSON.stringify(numberedObjects(attributes, 'p'))).not.toContain('other');
  expect(({} as Record<string, unknown>).z).toBeUndefined();
  expect(numberedObjects({ 'p.2': 'c', 'p.10': 'k' }, 'p')).toEqual(['c', 'k']);
});

test('prose has paragraphs, headings, lists and code, and HTML is text', () => {
  const blocks = proseBlocks(
    '# Title\n\nOne <b>two</b>\nthree\n\n- a\n  - b\n1) c\n\n```js\nlet x = 1;\n\n# no\n```\nend',
  );
  expect(blocks.map(({ type }) => type)).toEqual(['heading', 'paragraph', 'list', 'code', 'paragraph']);
  expect(blocks[1]).toEqual({ type: 'paragraph', text: 'One <b>two</b>\nthree' });
  expect(blocks[3]).toEqual({ type: 'code', language: 'js', text: 'let x = 1;\n\n# no' });
  expect(proseBlocks('```\nopen')).toEqual([{ type: 'code', language: '', text: 'open' }]);
  expect(proseSpans('a `b` **c** *d*')).toEqual([
    { type: 'plain', text: 'a ' },
    { type: 'code', text: 'b' },
    { type: 'plain', text: ' ' },
    { type: 'strong', text: 'c' },
    { type: 'plain', text: ' *d*' },
  ]);
});

/** As the server makes rows of these attributes. */
function span(metadata: Attributes): Row {
  const number = seqNum++;
  const timestamp = new Date(1_795_000_000_000 + number).toISOString();
  const row = { seqNum: number, signal: 'traces', timestamp, spanId: `s${number}`, metadata };
  return withGenAiFields(row as unknown as RecordRow) as unknown as Row;
}

function chat(number: number, input: readonly ChatMessage[], output: readonly ChatMessage[]) {
  const form = (messages: readonly ChatMessage[]): string =>
    JSON.stringify(messages.map(({ role, parts }) => ({ role, content: (parts[0] as { text: string }).text })));
  const row = span({
    'gen_ai.operation.name': 'chat',
    'gen_ai.input.messages': form(input),
    'gen_ai.output.messages': form(output),
  });
  return { stream: 'agent', row: { ...row, seqNum: number }, logs: [] };
}

function shape({ type, children }: ConversationStep): string {
  return children.length === 0 ? type : `${type}(${children.map(shape).join(',')})`;
}
