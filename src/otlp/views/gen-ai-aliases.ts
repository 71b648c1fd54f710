/**
 * Which attributes give the columns about calls of language models, by the names that senders use: the semantic
 * conventions of OpenTelemetry for generative AI, today's and former ones, the AI SDK of Vercel, OpenInference and
 * OpenLLMetry.
 */

import type { JsonValue } from './values.ts';

export type GenAiColumn =
  | 'spanType'
  | 'llmSystem'
  | 'model'
  | 'inputTokens'
  | 'outputTokens'
  | 'cacheReadTokens'
  | 'cacheCreateTokens'
  | 'costMicrocents'
  | 'input'
  | 'output';

export interface Alias {
  readonly key: string;
  /** The name counts only where this attribute is there too: alone it may mean anything. */
  readonly beside?: string;
  /** What the column says in place of some values. */
  readonly words?: ReadonlyMap<JsonValue, string>;
}

const VERCEL = 'ai.operationId';
const OPEN_INFERENCE = 'openinference.span.kind';
const OPEN_LLMETRY = 'traceloop.span.kind';

const OPERATIONS: ReadonlyMap<JsonValue, string> = new Map([
  ['chat', 'llm'],
  ['generate_content', 'compose'],
]);

const VERCEL_OPERATIONS: ReadonlyMap<JsonValue, string> = new Map([
  ['ai.generateText.doGenerate', 'llm'],
  ['ai.streamText.doStream', 'llm'],
  ['ai.generateObject.doGenerate', 'llm'],
  ['ai.streamObject.doStream', 'llm'],
  ['ai.toolCall', 'tool'],
]);

/** OpenInference writes its kinds in capitals. */
const KINDS: ReadonlyMap<JsonValue, string> = new Map(
  ['LLM', 'TOOL', 'AGENT', 'CHAIN', 'EMBEDDING', 'RETRIEVER', 'RERANKER', 'GUARDRAIL', 'EVALUATOR', 'PROMPT'].map(
    (kind) => [kind, kind.toLowerCase()] as const,
  ),
);

/** For each column the names that give it, the first one that is there counts. */
export const GEN_AI_ALIASES: Readonly<Record<GenAiColumn, readonly Alias[]>> = {
  spanType: [
    { key: 'gen_ai.operation.name', words: OPERATIONS },
    { key: VERCEL, words: VERCEL_OPERATIONS },
    { key: OPEN_INFERENCE, words: KINDS },
    { key: OPEN_LLMETRY },
  ],
  llmSystem: [
    { key: 'gen_ai.system' },
    { key: 'gen_ai.provider.name' },
    vercel('ai.model.provider'),
    openInference('llm.system'),
    openInference('llm.provider'),
  ],
  model: [
    { key: 'gen_ai.request.model' },
    { key: 'gen_ai.response.model' },
    vercel('ai.model.id'),
    openInference('llm.model_name'),
    openInference('embedding.model_name'),
  ],
  inputTokens: [
    { key: 'gen_ai.usage.input_tokens' },
    { key: 'gen_ai.usage.prompt_tokens' },
    vercel('ai.usage.inputTokens'),
    vercel('ai.usage.promptTokens'),
    vercel('ai.usage.tokens'),
    openInference('llm.token_count.prompt'),
  ],
  outputTokens: [
    { key: 'gen_ai.usage.output_tokens' },
    { key: 'gen_ai.usage.completion_tokens' },
    vercel('ai.usage.outputTokens'),
    vercel('ai.usage.completionTokens'),
    openInference('llm.token_count.completion'),
  ],
  cacheReadTokens: [
    { key: 'gen_ai.usage.cache_read.input_tokens' },
    { key: 'gen_ai.usage.cache_read_input_tokens' },
    vercel('ai.usage.inputTokenDetails.cacheReadTokens'),
    vercel('ai.usage.cachedInputTokens'),
    openInference('llm.token_count.prompt_details.cache_read'),
  ],
  cacheCreateTokens: [
    { key: 'gen_ai.usage.cache_creation.input_tokens' },
    { key: 'gen_ai.usage.cache_creation_input_tokens' },
    vercel('ai.usage.inputTokenDetails.cacheWriteTokens'),
    openInference('llm.token_count.prompt_details.cache_write'),
  ],
  costMicrocents: [{ key: 'gen_ai.usage.cost' }, openInference('llm.cost.total')],
  input: [
    { key: 'gen_ai.input.messages' },
    vercel('ai.prompt.messages'),
    vercel('ai.prompt'),
    vercel('ai.toolCall.args'),
    openInference('input.value'),
    { key: 'traceloop.entity.input', beside: OPEN_LLMETRY },
  ],
  output: [
    { key: 'gen_ai.output.messages' },
    vercel('ai.response.text'),
    vercel('ai.response.object'),
    vercel('ai.response.toolCalls'),
    vercel('ai.toolCall.result'),
    openInference('output.value'),
    { key: 'traceloop.entity.output', beside: OPEN_LLMETRY },
  ],
};

function vercel(key: string): Alias {
  return { key, beside: VERCEL };
}

function openInference(key: string): Alias {
  return { key, beside: OPEN_INFERENCE };
}
