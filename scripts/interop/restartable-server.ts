/** The server as users start it, on a directory of its own, that can be killed and started again. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));

export class RestartableServer {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'tailrace-interop-'));
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #httpPort = 0;
  #grpcPort = 0;

  private constructor(args: readonly string[]) {
    this.#args = args;
  }

  /** @param args flags of `serve` */
  static async start(args: readonly string[] = []): Promise<RestartableServer> {
    const server = new RestartableServer(args);
    await server.start();
    return server;
  }

  readonly ports = () => ({ http: this.#httpPort, grpc: this.#grpcPort });

  get port(): number {
    return this.#httpPort;
  }

  get token(): string {
    return readFileSync(join(this.dataDir, 'root-token'), 'utf8').trim();
  }

  /** On free ports: others than before. */
  async start(): Promise<void> {
    const args = ['serve', '--port', '0', '--grpc-port', 'auto', '--data-dir', this.dataDir, '--log-level', 'error'];
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(TAILRACE|OTEL)_/.test(name)));
    this.#child = spawn(process.execPath, [MAIN, ...args, ...this.#args], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const child = this.#child;
    let output = '';
    await new Promise<void>((resolve, reject) => {
      child.stdout?.on('data', (text: Buffer) => {
        output += text.toString();
        const found = /listening on http:\/\/[^:]+:(\d+)[\s\S]*ENDPOINT=http:\/\/[^:]+:(\d+) \S+=grpc/.exec(output);
        if (found === null) return;
        this.#httpPort = Number(found[1]);
        this.#grpcPort = Number(found[2]);
        resolve();
      });
      child.on('exit', () => reject(new Error(`the server ended before it listened: ${output}`)));
    });
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Stops it and removes its data. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}
