/** Why a call of a model has no messages, and the setting of its SDK that records them. */

import type { Row } from '../wire/rows.ts';

export interface MissingContent {
  /** What sends these spans. */
  readonly sdk: string;
  /** What to set, as one writes it. */
  readonly setting: string;
  readonly note: string;
}

interface Sender extends MissingContent {
  /** Names of instrumentation scopes. */
  readonly scope: RegExp;
  /** An attribute that only these senders set. */
  readonly key?: string;
}

const CAPTURE = 'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT';

/** The first that fits counts. */
const SENDERS: readonly Sender[] = [
  {
    scope: /^ai$/,
    key: 'ai.operationId',
    sdk: 'the AI SDK of Vercel',
    setting: 'experimental_telemetry: { isEnabled: true, recordInputs: true, recordOutputs: true }',
    note: 'Both are on unless the call sets them to false.',
  },
  {
    scope: /openinference/i,
    key: 'openinference.span.kind',
    sdk: 'OpenInference',
    setting: 'OPENINFERENCE_HIDE_INPUTS=false OPENINFERENCE_HIDE_OUTPUTS=false',
    note: 'It records messages unless these, OPENINFERENCE_HIDE_INPUT_MESSAGES or OPENINFERENCE_HIDE_OUTPUT_MESSAGES are true.',
  },
  {
    scope:
      /traceloop|^opentelemetry\.instrumentation\.(openai|openai\.v\d|anthropic|bedrock|cohere|groq|langchain|llamaindex|mistralai|ollama|replicate|together|watsonx|crewai|google_generativeai)$/,
    key: 'traceloop.span.kind',
    sdk: 'OpenLLMetry',
    setting: 'TRACELOOP_TRACE_CONTENT=true',
    note: 'It records messages unless this is false, or traceContent is false in Traceloop.initialize.',
  },
  {
    scope: /Microsoft\.(Extensions\.AI|SemanticKernel|Agents)/,
    sdk: 'Microsoft.Extensions.AI',
    setting: `${CAPTURE}=true`,
    note: 'Or EnableSensitiveData = true in UseOpenTelemetry.',
  },
  {
    scope: /^pydantic-ai/,
    sdk: 'Pydantic AI',
    setting: 'InstrumentationSettings(include_content=True)',
    note: 'It records messages unless include_content is False.',
  },
];

const CONVENTIONS: MissingContent = {
  sdk: 'an instrumentation of OpenTelemetry',
  setting: `${CAPTURE}=true`,
  note: 'With OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental it is SPAN_ONLY, EVENT_ONLY or SPAN_AND_EVENT; events need a logs exporter too.',
};

export function missingContent({ scope, metadata = {} }: Row): MissingContent {
  const name = typeof scope?.name === 'string' ? scope.name : '';
  const found = SENDERS.find(
    (sender) => sender.scope.test(name) || (sender.key !== undefined && sender.key in metadata),
  );
  return found ?? CONVENTIONS;
}
