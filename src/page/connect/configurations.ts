/** Files and commands of senders that are configured in a language of their own, filled in; a test compares them with `scripts/examples/`. */

import { type Fill, shellToken } from './fill.ts';

/** One log record. The answer is `{}`. */
export function curlCommand({ endpoint, stream, token, basin }: Fill): string {
  const headers = [
    ...(token.type === 'none' ? [] : [`-H "Authorization: Bearer ${shellToken(token)}"`]),
    ...(basin === undefined ? [] : [`-H 'S2-Basin: ${basin}'`]),
    "-H 'Content-Type: application/json'",
  ];
  return [
    `curl ${endpoint}/v1/logs`,
    ...headers.map((header) => `  ${header}`),
    `  -d '{"resourceLogs":[{"resource":{"attributes":[{"key":"s2.stream","value":{"stringValue":"${stream}"}}]},
       "scopeLogs":[{"logRecords":[{"severityText":"INFO","body":{"stringValue":"hello from curl"}}]}]}]}'`,
  ].join(' \\\n');
}

/** The token is in the environment of the Collector, not in the file. */
export function collectorConfiguration(fill: Fill): string {
  return `receivers:
  otlp: # other ports than those of a Tailrace on the same machine
    protocols:
      grpc: { endpoint: 127.0.0.1:14317 }
      http: { endpoint: 127.0.0.1:14318 }
exporters:
  otlp_http: # "otlphttp" in older Collectors
    endpoint: ${fill.endpoint}/otlp
    encoding: proto
    compression: zstd
${yamlHeaders(fill)}    retry_on_failure: { enabled: true, max_elapsed_time: 0s } # keep trying
    sending_queue:
      num_consumers: 1
      sizer: bytes
      queue_size: 1073741824 # as long an outage as 1 GiB lasts
      block_on_overflow: true # then senders wait
      storage: file_storage
      batch: { flush_timeout: 50ms, min_size: 262144, max_size: 4194304, sizer: bytes }
extensions:
  file_storage: { directory: /var/lib/otelcol }
service:
  extensions: [file_storage] # beside your pipelines
  pipelines:
    logs: { receivers: [otlp], exporters: [otlp_http] }
    traces: { receivers: [otlp], exporters: [otlp_http] }
    metrics: { receivers: [otlp], exporters: [otlp_http] }`;
}

export function vercelInstrumentation({ stream }: Fill): string {
  return `// instrumentation.ts, in the root of the project, or in src where there is one. Next.js calls register() at the start.
import { registerOTel } from '@vercel/otel';

export function register(): void {
  registerOTel({ serviceName: '${stream}', attributes: { 's2.stream': '${stream}' } });
}`;
}

/** What the function needs besides its own template. */
export function lambdaTemplate({ stream }: Fill): string {
  return `AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  TailraceEndpoint: { Type: String } # https://tailrace.example.com, which the function must reach
  TailraceToken: { Type: String, NoEcho: true }
  SdkLayer: { Type: String } # arn:aws:lambda:<region>:184161586896:layer:opentelemetry-nodejs-<version>:1
  CollectorLayer: { Type: String } # arn:aws:lambda:<region>:184161586896:layer:opentelemetry-collector-amd64-<version>:1
Resources:
  App:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: . # index.js, and collector.yaml beside it
      Handler: index.handler
      Runtime: nodejs22.x
      Timeout: 30
      Layers: [!Ref SdkLayer, !Ref CollectorLayer]
      Environment:
        Variables:
          AWS_LAMBDA_EXEC_WRAPPER: /opt/otel-handler # Python: /opt/otel-instrument
          OTEL_EXPORTER_OTLP_ENDPOINT: http://localhost:4318 # the Collector in its layer
          OTEL_EXPORTER_OTLP_PROTOCOL: http/protobuf
          OTEL_SERVICE_NAME: ${stream}
          OTEL_RESOURCE_ATTRIBUTES: s2.stream=${stream}
          OPENTELEMETRY_COLLECTOR_CONFIG_URI: /var/task/collector.yaml
          TAILRACE_ENDPOINT: !Ref TailraceEndpoint
          TAILRACE_TOKEN: !Ref TailraceToken`;
}

export function lambdaCollector(fill: Fill): string {
  return `receivers:
  otlp:
    protocols:
      grpc: { endpoint: localhost:4317 }
      http: { endpoint: localhost:4318 }
processors:
  batch: { timeout: 1s, send_batch_max_size: 8192 }
  decouple: # the last one: the answer of the function does not wait for the export
exporters:
  otlphttp:
    endpoint: \${env:TAILRACE_ENDPOINT}
    compression: gzip
${yamlHeaders(fill)}service:
  pipelines:
    logs: { receivers: [otlp], processors: [batch, decouple], exporters: [otlphttp] }
    traces: { receivers: [otlp], processors: [batch, decouple], exporters: [otlphttp] }
    metrics: { receivers: [otlp], processors: [batch, decouple], exporters: [otlphttp] }`;
}

export function claudeCodeVariables({ endpoint, stream, token, basin }: Fill): string {
  const headers = [
    ...(token.type === 'none' ? [] : [`Authorization=Bearer ${shellToken(token)}`]),
    ...(basin === undefined ? [] : [`S2-Basin=${basin}`]),
  ];
  return `export CLAUDE_CODE_ENABLE_TELEMETRY=1
export OTEL_METRICS_EXPORTER=otlp
export OTEL_LOGS_EXPORTER=otlp
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_EXPORTER_OTLP_ENDPOINT=${endpoint}
${headers.length === 0 ? '' : `export OTEL_EXPORTER_OTLP_HEADERS="${headers.join(',')}"\n`}export OTEL_RESOURCE_ATTRIBUTES=s2.stream=${stream}

# Spans (beta): each interaction with its calls of the model and of tools.
export CLAUDE_CODE_ENHANCED_TELEMETRY_BETA=1
export OTEL_TRACES_EXPORTER=otlp

# What is not sent unless it is asked for: prompts, and the arguments of tools.
# export OTEL_LOG_USER_PROMPTS=1
# export OTEL_LOG_TOOL_DETAILS=1`;
}

function yamlHeaders({ token, basin }: Fill): string {
  const headers = [
    ...(token.type === 'none' ? [] : [`      Authorization: Bearer \${env:TAILRACE_TOKEN}\n`]),
    ...(basin === undefined ? [] : [`      S2-Basin: ${basin}\n`]),
  ];
  return headers.length === 0 ? '' : `    headers:\n${headers.join('')}`;
}
