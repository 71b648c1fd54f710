/**
 * The examples of `scripts/examples/` in the languages that npm does not install, and Node's with the versions of their
 * table: each is installed in a folder of its own and run as the table says, and a reader must get what it sends. A
 * language whose tools are missing here is skipped with a line that says so.
 */

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from '../../src/client/client.ts';
import { type BenchServer, startTailrace } from '../bench/processes.ts';

interface Example {
  /** The folder, and what the example says. */
  readonly name: string;
  readonly text: string;
  /** The program that must be here, with an argument that tells its version. */
  readonly tool: readonly [program: string, ...args: string[]];
  /** Commands in a copy of the folder, one after the other; the last one sends. */
  readonly commands: readonly (readonly [program: string, ...args: string[]])[];
}

/** Scopes in which the SDK of Java sends metrics about itself. */
const SELF = /^io\.opentelemetry\./;

/** From dist/ and from the sources. */
const EXAMPLES = path.join(fileURLToPath(new URL('../../../', import.meta.url)), 'scripts/examples');

export async function run(): Promise<void> {
  const server = await startTailrace();
  const failed: string[] = [];
  try {
    for (const example of examples()) if (!(await holds(example, server))) failed.push(example.name);
  } finally {
    await server.stop();
  }
  if (failed.length > 0) throw new Error(`failed: ${failed.join(', ')}`);
}

function examples(): readonly Example[] {
  const [, packages = ''] = /`npm install (@opentelemetry\/sdk-node[^`]+)`/.exec(readme()) ?? [];
  const npm = ['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts', ...packages.split(' ')] as const;
  const pip = ['venv/bin/pip', 'install', '--quiet', '-r', 'requirements.txt'] as const;
  return [
    {
      ...{ name: 'node', text: 'hello from Node (ESM)', tool: ['npm', '--version'] },
      commands: [npm, ['node', 'app.mjs']],
    },
    {
      ...{ name: 'node', text: 'hello from Node (CommonJS)', tool: ['npm', '--version'] },
      commands: [npm, ['node', 'app.cjs']],
    },
    {
      ...{ name: 'python', text: 'hello from Python', tool: ['python3', '--version'] },
      commands: [['python3', '-m', 'venv', 'venv'], pip, ['venv/bin/python', '-W', 'error', 'app.py']],
    },
    { name: 'go', text: 'hello from Go', tool: ['go', 'version'], commands: [['go', 'run', '.']] },
    {
      ...{ name: 'java', text: 'hello from Java', tool: ['mvn', '--version'] },
      commands: [['mvn', '-q', '-B', 'compile', 'exec:java']],
    },
    { name: 'dotnet', text: 'hello from .NET', tool: ['dotnet', '--version'], commands: [['dotnet', 'run']] },
  ];
}

/** Whether a reader got exactly what the example sends; true as well when its tools are not here. */
async function holds({ name, text, tool, commands }: Example, server: BenchServer): Promise<boolean> {
  const [program, ...args] = tool;
  if (spawnSync(program, args).status !== 0) {
    say(`${text}: skipped, ${program} is not here`);
    return true;
  }
  const folder = mkdtempSync(path.join(tmpdir(), `tailrace-example-${name}-`));
  try {
    cpSync(path.join(EXAMPLES, name), folder, { recursive: true });
    const stream = `example-${text.replaceAll(/\W+/g, '-').toLowerCase()}`;
    for (const command of commands) {
      const fault = runIn(folder, command, variables(server, stream));
      if (fault === undefined) continue;
      say(`${text}: ${command.join(' ')} failed:\n${fault}`);
      return false;
    }
    return isStored(server, stream, text);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the command said when it failed. */
function runIn(cwd: string, [program, ...args]: readonly [string, ...string[]], env: Record<string, string>) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, env: { ...process.env, ...env } });
  return status === 0 ? undefined : `${error?.message ?? ''}${stdout?.toString() ?? ''}${stderr?.toString() ?? ''}`;
}

/** The variables of the table, for this server and a stream. */
function variables({ port, headers }: BenchServer, stream: string): Record<string, string> {
  return {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_EXPORTER_OTLP_HEADERS: `Authorization=${(headers.authorization ?? '').replace(' ', '%20')}`,
    OTEL_SERVICE_NAME: 'my-app',
    OTEL_RESOURCE_ATTRIBUTES: `s2.stream=${stream}`,
  };
}

/** One log record with the text, one span, one metric, all of them of the service, and nothing else of the example. */
async function isStored({ port, headers }: BenchServer, stream: string, text: string): Promise<boolean> {
  const token = (headers.authorization ?? '').replace('Bearer ', '');
  const client = createClient({ endpoint: `http://127.0.0.1:${port}`, token, basin: 'telemetry' });
  const found: string[] = [];
  for await (const frame of client.read(stream, { view: 'message', start: { seqNum: 0 }, waitSeconds: 0 })) {
    if (frame.type !== 'batch') continue;
    for (const { signal, type, body, serviceName, scope } of frame.rows) {
      if (SELF.test((scope as { readonly name?: string } | undefined)?.name ?? '')) continue;
      found.push(`${serviceName} ${signal} ${signal === 'logs' ? body : type}`);
    }
  }
  const wanted = [`my-app logs ${text}`, 'my-app metrics orders', 'my-app traces checkout'];
  const isSame = found.sort().join('\n') === wanted.join('\n');
  say(isSame ? `${text}: stored as sent` : `${text}: stored is\n${found.join('\n')}`);
  return isSame;
}

function readme(): string {
  return readFileSync(path.join(EXAMPLES, 'README.md'), 'utf8');
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
