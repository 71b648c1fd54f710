/** A real Collector, built from sources that its own builder generates, and started with a given configuration. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Signal } from '../../src/model/record.ts';
import { built, type Ended, filesIn, needPrograms, run, sourcesOf } from './tool-chain.ts';

const CORE = 'go.opentelemetry.io/collector';
const VERSION = 'v0.165.0';

/** @throws Skipped when it cannot be built here */
export async function buildCollector(): Promise<string> {
  needPrograms('go');
  const inputs = filesIn(sourcesOf('collector'));
  const folder = await built('collector', inputs, (step, target) => {
    step('env', `GOBIN=${target}`, 'go', 'install', `${CORE}/cmd/builder@${VERSION}`);
    step('./builder', '--config', 'builder.yaml', '--skip-compilation', '--skip-get-modules');
    writeFileSync(path.join(target, 'sources', 'go.mod'), moduleOf(inputs['builder.yaml'] ?? ''));
    step('go', 'build', '-C', 'sources', '-mod=mod', '-o', path.join(target, 'otelcol'), '.');
  });
  return path.join(folder, 'otelcol');
}

/** The builder would also want all modules that only tests of its parts need, some of which a registry may not have. */
function moduleOf(config: string): string {
  const parts = [...config.matchAll(/- gomod: (\S+ \S+)/g)].map(([, part]) => part);
  return `module collector\n\ngo 1.25\n\nrequire (\n${[`${CORE}/otelcol ${VERSION}`, ...parts].join('\n')}\n)\n`;
}

/** Runs until it is stopped. */
export class CollectorProcess {
  readonly port: number;
  readonly #folder: string;
  readonly #process: ReturnType<typeof run>;

  private constructor(port: number, folder: string, process: ReturnType<typeof run>) {
    this.port = port;
    this.#folder = folder;
    this.#process = process;
  }

  /** @param configs with a receiver on that port; later ones add to those before them */
  static async start(
    file: string,
    configs: (port: number) => readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<CollectorProcess> {
    const folder = mkdtempSync(path.join(tmpdir(), 'tailrace-collector-'));
    const port = await freePort();
    const args = configs(port).flatMap((text, index) => {
      const name = path.join(folder, `${index}.yaml`);
      writeFileSync(name, text);
      return ['--config', name];
    });
    const process = run({ file, args }, env);
    const failed = process.ended.then(({ output }) => {
      throw new Error(`the Collector ended before it was ready:\n${output}`);
    });
    failed.catch(() => {});
    const ready = new Promise<void>((resolve) => {
      process.child.stderr?.on('data', () => {
        if (process.output().includes('Everything is ready')) resolve();
      });
    });
    await Promise.race([ready, failed]);
    return new CollectorProcess(port, folder, process);
  }

  get output(): string {
    return this.#process.output();
  }

  /** Sends a request in protobuf, as an application would. */
  async send(signal: Signal, body: Uint8Array, type = 'application/x-protobuf') {
    const response = await fetch(`http://127.0.0.1:${this.port}/v1/${signal}`, {
      method: 'POST',
      headers: { 'content-type': type },
      body,
    });
    return { status: response.status, body: Buffer.from(await response.arrayBuffer()) };
  }

  /** It sends what it still has, then ends. */
  async stop(): Promise<Ended> {
    this.#process.child.kill('SIGTERM');
    const ended = await this.#process.ended;
    rmSync(this.#folder, { recursive: true, force: true });
    return ended;
  }

  async kill(): Promise<void> {
    this.#process.child.kill('SIGKILL');
    await this.#process.ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A configuration with one receiver and one exporter for all three signals. */
export function configOf(port: number, exporter: string, definition: object, rest: object = {}): string {
  const pipeline = { receivers: ['otlp'], exporters: [exporter] };
  const { extensions = {} } = rest as { readonly extensions?: object };
  // JSON is YAML.
  return JSON.stringify({
    receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
    exporters: { [exporter]: definition },
    ...rest,
    service: {
      extensions: Object.keys(extensions),
      telemetry: { metrics: { level: 'none' } },
      pipelines: { logs: pipeline, traces: pipeline, metrics: pipeline },
    },
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
