/** The ways to send data that Connect shows, each as the steps from nothing to a first record. */

import {
  claudeCodeVariables,
  collectorConfiguration,
  curlCommand,
  lambdaCollector,
  lambdaTemplate,
  vercelInstrumentation,
} from './configurations.ts';
import { type EnvForm, envText, type Fill, otelVariables, shellToken } from './fill.ts';
import {
  DOTNET_PROGRAM,
  DOTNET_PROJECT,
  GO_PROGRAM,
  JAVA_PROGRAM,
  JAVA_PROJECT,
  NODE_PROGRAM,
  PYTHON_PROGRAM,
} from './programs.ts';

export interface WayStep {
  readonly title: string;
  readonly text: string;
  /** Holds the variables, so their form can be chosen. */
  readonly isEnvironment?: boolean;
  /** Folded: whoever has a project has it already. */
  readonly isFolded?: boolean;
  /** In the reader's terms: what it does, or what to look out for. */
  readonly note?: string;
}

export interface Way {
  readonly id: string;
  readonly title: string;
  /** Whether its SDK sends over gRPC too. */
  readonly canGrpc: boolean;
  /** It runs where it cannot reach a server on this machine. */
  readonly isRemote?: boolean;
  steps(fill: Fill, form: EnvForm): readonly WayStep[];
}

const SAVE = 'Save it and run it: what became of its data shows under What comes in.';

export const WAYS: readonly Way[] = [
  {
    id: 'node',
    title: 'Node',
    canGrpc: true,
    steps: (fill, form) => [
      environment(fill, form),
      {
        title: 'Install',
        text: 'npm install @opentelemetry/sdk-node@0.301 @opentelemetry/api@1.10',
        note: 'Node 22.15 or later. For Node 20 and CommonJS, see scripts/examples in the package.',
      },
      { title: 'app.mjs', text: NODE_PROGRAM, note: SAVE },
      { title: 'Run', text: 'node app.mjs' },
    ],
  },
  {
    id: 'python',
    title: 'Python',
    canGrpc: true,
    steps: (fill, form) => [
      environment(fill, form),
      {
        title: 'Install',
        text: overGrpc(
          fill,
          'pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http opentelemetry-instrumentation-logging',
          [['proto-http', 'proto-grpc']],
        ),
      },
      {
        title: 'app.py',
        text: overGrpc(fill, PYTHON_PROGRAM, [['proto.http', 'proto.grpc']]),
        note: 'The import chooses the protocol, whatever the variable says.',
      },
      { title: 'Run', text: 'python app.py' },
    ],
  },
  {
    id: 'go',
    title: 'Go',
    canGrpc: true,
    steps: (fill, form) => [
      environment(fill, form),
      {
        title: 'main.go',
        text: overGrpc(fill, GO_PROGRAM, [['otlploghttp', 'otlploggrpc']]),
        note: 'The import chooses the protocol, whatever the variable says.',
      },
      { title: 'Run', text: 'go mod init my-app\ngo mod tidy\ngo run .' },
    ],
  },
  {
    id: 'java',
    title: 'Java',
    canGrpc: true,
    steps: (fill, form) => [
      environment(fill, form),
      { title: 'App.java', text: JAVA_PROGRAM, note: 'Java 17 or later.' },
      { title: 'pom.xml', text: JAVA_PROJECT, isFolded: true },
      { title: 'Run', text: 'mvn -q compile exec:java' },
    ],
  },
  {
    id: 'dotnet',
    title: '.NET',
    canGrpc: true,
    steps: (fill, form) => [
      environment(fill, form),
      { title: 'Program.cs', text: DOTNET_PROGRAM, note: '.NET 10.' },
      { title: 'app.csproj', text: DOTNET_PROJECT, isFolded: true },
      { title: 'Run', text: 'dotnet run' },
    ],
  },
  {
    id: 'curl',
    title: 'curl',
    canGrpc: false,
    steps: (fill) => [
      { title: 'Send one log record', text: curlCommand(fill), note: 'The answer {} means that it is on disk.' },
    ],
  },
  {
    id: 'collector',
    title: 'Collector',
    canGrpc: false,
    steps: (fill) => [
      {
        title: 'config.yaml',
        text: collectorConfiguration(fill),
        note: 'The directory of file_storage must exist. Each service gets a stream of its name, or that of its s2.stream.',
      },
      { title: 'Run', text: `${tokenVariable(fill)}otelcol-contrib --config config.yaml` },
    ],
  },
  {
    id: 'vercel',
    title: 'Vercel',
    canGrpc: false,
    isRemote: true,
    steps: (fill) => [
      {
        title: 'Settings of the project, Environment Variables',
        text: envText(otelVariables(fill).slice(0, -2), 'env'),
      },
      {
        title: 'Install',
        text: 'npm install @vercel/otel@2.1 @opentelemetry/api@1.9 @opentelemetry/api-logs@0.223',
      },
      { title: 'instrumentation.ts', text: vercelInstrumentation(fill), note: 'It sends the spans of Next.js.' },
    ],
  },
  {
    id: 'lambda',
    title: 'AWS Lambda',
    canGrpc: false,
    isRemote: true,
    steps: (fill) => [
      { title: 'template.yaml', text: lambdaTemplate(fill), note: 'Of the layers, the newest versions.' },
      { title: 'collector.yaml', text: lambdaCollector(fill) },
      {
        title: 'Deploy',
        text: `sam deploy --guided --parameter-overrides TailraceEndpoint=${fill.endpoint} TailraceToken=${fill.token.type === 'none' ? 'none' : shellToken(fill.token)}`,
      },
    ],
  },
  {
    id: 'claude-code',
    title: 'Claude Code',
    canGrpc: false,
    steps: (fill) => [
      {
        title: 'Set the variables',
        text: claudeCodeVariables(fill),
        note: 'Metrics come once a minute, events every five seconds. The same variables can stand in "env" of settings.json.',
      },
      { title: 'Run', text: 'claude' },
    ],
  },
];

function environment(fill: Fill, form: EnvForm): WayStep {
  return {
    title: 'Set the variables',
    text: envText(otelVariables(fill), form),
    isEnvironment: true,
    note: 'A program that sends already needs no more than this: start it again with these.',
  };
}

function overGrpc({ grpcEndpoint }: Fill, text: string, changes: readonly (readonly [string, string])[]): string {
  if (grpcEndpoint === undefined) return text;
  return changes.reduce((changed, [from, to]) => changed.replaceAll(from, to), text);
}

function tokenVariable({ token }: Fill): string {
  return token.type === 'made' ? `export TAILRACE_TOKEN=${token.secret}\n` : '';
}
