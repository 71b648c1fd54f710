/** The columns about language models of the `message` view, from what the libraries of senders really send. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { transcodeJson } from '../../src/otlp/json/transcode.ts';
import { messageRows } from '../../src/otlp/views/message.ts';
import { otlpBlock, otlpDraft, sealed } from '../support/socket-blocks.ts';

type Row = Record<string, unknown> & { readonly metadata: Record<string, unknown> };

/** Rows as a client receives them. */
async function recorded(name: string): Promise<readonly Row[]> {
  const file = new URL(`../fixtures/gen-ai/${name}.json`, import.meta.url);
  const { request } = JSON.parse(readFileSync(file, 'utf8')) as { request: object };
  const body = transcodeJson('traces', Buffer.from(JSON.stringify(request)));
  return rowsOf(await sealed(otlpDraft('traces', body), 0));
}

function rowsOf(block: Parameters<typeof messageRows>[0]): readonly Row[] {
  return JSON.parse(JSON.stringify(messageRows(block, 0, block.header.count))) as Row[];
}

async function spanWith(attributes: Record<string, string | number | boolean>): Promise<Row> {
  const span = {
    name: 'a call',
    attributes: Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) })),
  };
  const [row] = rowsOf(await otlpBlock('traces', { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }));
  if (row === undefined) throw new Error('no row');
  return row;
}

function anyValue(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: value } : { doubleValue: value };
}

describe('spans of the AI SDK of Vercel', () => {
  test.each(['vercel-ai-4', 'vercel-ai-6'])('show model calls, tool calls and the whole (%s)', async (name) => {
    const [first, tool, second, whole] = await recorded(name);
    expect(first).toMatchObject({
      spanType: 'llm',
      model: 'gpt-4o',
      inputTokens: 17,
      outputTokens: 5,
      input: [{ role: 'user', content: [{ type: 'text', text: 'Weather in Berlin?' }] }],
      output: [expect.objectContaining({ toolCallId: 'call_1', toolName: 'weather' })],
    });
    expect(first?.llmSystem).toMatch(/^openai/);
    expect(tool).toMatchObject({ spanType: 'tool', input: { city: 'Berlin' }, output: { sun: true } });
    expect(second).toMatchObject({ spanType: 'llm', inputTokens: 30, outputTokens: 8, output: 'It is sunny.' });
    expect(whole).toMatchObject({
      spanType: 'ai.generateText',
      input: { messages: [{ role: 'user', content: 'Weather in Berlin?' }] },
      output: 'It is sunny.',
    });
  });

  test('show what came from the cache of the model', async () => {
    const [first] = await recorded('vercel-ai-6');
    expect(first).toMatchObject({ cacheReadTokens: 4, cacheCreateTokens: 2 });
  });

  test('keep every other attribute, and each only once', async () => {
    const [first] = await recorded('vercel-ai-6');
    expect(first?.metadata).toMatchObject({
      'ai.operationId': 'ai.generateText.doGenerate',
      'ai.telemetry.metadata.user': 'u1',
      'ai.usage.totalTokens': 22,
      'gen_ai.response.model': 'gpt-4o-2024-08-06',
    });
    expect(first?.metadata).not.toHaveProperty(['gen_ai.request.model']);
    expect(first?.metadata).not.toHaveProperty(['gen_ai.usage.input_tokens']);
    expect(first?.metadata).not.toHaveProperty(['ai.prompt.messages']);
  });
});

test('spans of OpenInference show their columns', async () => {
  const [row] = await recorded('openinference');
  expect(row).toMatchObject({
    spanType: 'llm',
    llmSystem: 'openai',
    model: 'gpt-4o-2024-08-06',
    inputTokens: 17,
    outputTokens: 5,
    cacheReadTokens: 4,
    input: { model: 'gpt-4o', messages: [{ role: 'user', content: 'Weather in Berlin?' }] },
    output: expect.objectContaining({ id: 'chatcmpl-1' }),
  });
  expect(row?.metadata).toMatchObject({ 'llm.token_count.total': 22, 'llm.finish_reason': 'stop' });
});

test('spans of OpenLLMetry show their columns', async () => {
  const [call, workflow] = await recorded('openllmetry');
  expect(call).toMatchObject({
    spanType: 'llm',
    llmSystem: 'openai',
    model: 'gpt-4o',
    inputTokens: 17,
    outputTokens: 5,
    input: [{ role: 'user', parts: [{ type: 'text', content: 'Weather in Berlin?' }] }],
    output: [{ role: 'assistant', finish_reason: 'stop', parts: [{ type: 'text', content: 'It is sunny.' }] }],
  });
  expect(workflow).toMatchObject({ spanType: 'workflow', input: { args: [], kwargs: {} } });
});

describe('the conventions of OpenTelemetry', () => {
  test.each([
    ['gen_ai.operation.name', 'chat', { spanType: 'llm' }],
    ['gen_ai.operation.name', 'generate_content', { spanType: 'compose' }],
    ['gen_ai.operation.name', 'execute_tool', { spanType: 'execute_tool' }],
    ['gen_ai.system', 'anthropic', { llmSystem: 'anthropic' }],
    ['gen_ai.provider.name', 'aws.bedrock', { llmSystem: 'aws.bedrock' }],
    ['gen_ai.request.model', 'claude', { model: 'claude' }],
    ['gen_ai.response.model', 'claude', { model: 'claude' }],
    ['gen_ai.usage.input_tokens', 7, { inputTokens: 7 }],
    ['gen_ai.usage.prompt_tokens', 7, { inputTokens: 7 }],
    ['gen_ai.usage.prompt_tokens', '7', { inputTokens: 7 }],
    ['gen_ai.usage.output_tokens', 0, { outputTokens: 0 }],
    ['gen_ai.usage.completion_tokens', 7, { outputTokens: 7 }],
    ['gen_ai.usage.cache_read.input_tokens', 7, { cacheReadTokens: 7 }],
    ['gen_ai.usage.cache_read_input_tokens', 7, { cacheReadTokens: 7 }],
    ['gen_ai.usage.cache_creation.input_tokens', 7, { cacheCreateTokens: 7 }],
    ['gen_ai.usage.cache_creation_input_tokens', 7, { cacheCreateTokens: 7 }],
    ['gen_ai.usage.cost', 0.000123, { costMicrocents: 123 }],
    ['gen_ai.usage.cost', 0.00000015, { costMicrocents: 0.15 }],
    ['gen_ai.input.messages', '[{"role":"user"}]', { input: [{ role: 'user' }] }],
    ['gen_ai.output.messages', 'not JSON', { output: 'not JSON' }],
    ['gen_ai.output.messages', '[not JSON', { output: '[not JSON' }],
  ])('take %s = %j', async (key, value, columns) => {
    expect(await spanWith({ [key]: value })).toMatchObject(columns);
  });

  test('today’s name counts before a former one, which stays in the metadata', async () => {
    const row = await spanWith({ 'gen_ai.usage.prompt_tokens': 1, 'gen_ai.usage.input_tokens': 2 });
    expect(row).toMatchObject({ inputTokens: 2, metadata: { 'gen_ai.usage.prompt_tokens': 1 } });
  });

  test('a value that does not fit its column stays in the metadata, and the next name counts', async () => {
    const row = await spanWith({ 'gen_ai.usage.input_tokens': 'many', 'gen_ai.usage.prompt_tokens': 3 });
    expect(row).toMatchObject({ inputTokens: 3, metadata: { 'gen_ai.usage.input_tokens': 'many' } });
    expect(await spanWith({ 'gen_ai.system': true })).toMatchObject({ metadata: { 'gen_ai.system': true } });
  });

  test('an operation that is shown under another name stays in the metadata', async () => {
    const row = await spanWith({ 'gen_ai.operation.name': 'chat' });
    expect(row.metadata).toEqual({ 'gen_ai.operation.name': 'chat' });
  });
});

describe('what is no call of a model', () => {
  test('keeps attributes whose names other libraries use too', async () => {
    const attributes = { 'input.value': '{}', 'ai.usage.inputTokens': 3, 'output.value': 'x', 'llm.system': 'y' };
    const row = await spanWith(attributes);
    expect(row.metadata).toEqual(attributes);
    expect(row).not.toHaveProperty('input');
    expect(row).not.toHaveProperty('inputTokens');
  });
});

describe('messages that JSON would change or that no writer could write stay text', () => {
  const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

  test.each([
    ['numbers of 16 digits', '[1234567890123456]', '[1234567890123456]'],
    ['numbers of 15 digits are taken', '[123456789012345]', [123456789012345]],
    ['digits in a string are no number', '["1234567890123456"]', ['1234567890123456']],
    ['101 levels', deep(101), deep(101)],
    ['brackets in strings are no levels', `["${'['.repeat(200)}"]`, ['['.repeat(200)]],
    ['a string without an end', `["${'\\"'.repeat(100_000)}`, `["${'\\"'.repeat(100_000)}`],
  ])('%s', async (_, text, input) => {
    expect((await spanWith({ 'gen_ai.input.messages': text })).input).toEqual(input);
  });

  test('100 levels are taken', async () => {
    expect((await spanWith({ 'gen_ai.input.messages': deep(100) })).input).toEqual(JSON.parse(deep(100)));
  });

  test('a key __proto__ is a key', async () => {
    const row = await spanWith({ 'gen_ai.input.messages': '[{"__proto__":{"x":1}}]', __proto__: 'y' });
    expect(JSON.stringify(row.input)).toBe('[{"__proto__":{"x":1}}]');
  });
});
