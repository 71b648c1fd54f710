/** The built command line, run as a user runs it: a process with arguments, environment and pipes. */

import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { noticeSecrets } from './secrets.ts';
import type { TestServer } from './server.ts';

export interface CliResult {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliSetup {
  /** Its endpoint and token go into the environment. */
  readonly server?: TestServer;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A command that is running. */
export interface CliRun {
  readonly child: ChildProcess;
  readonly done: Promise<CliResult>;
  stdout(): string;
  /** Resolves when stdout or stderr holds the text; rejects when the process ends before. */
  saw(text: string): Promise<void>;
  /** Sends a signal and waits for the end. */
  stop(signal: NodeJS.Signals): Promise<CliResult>;
}

export const CLI_MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Runs a command to its end. */
export function runCli(args: readonly string[], setup: CliSetup = {}): Promise<CliResult> {
  return startCli(args, setup).done;
}

/** Starts a command that goes on until it is stopped. */
export function startCli(args: readonly string[], setup: CliSetup = {}): CliRun {
  return watch(spawn(process.execPath, [CLI_MAIN, ...args], { env: environmentOf(setup), cwd: setup.cwd ?? tmpdir() }));
}

/** Runs a line of shell in which `tailrace` is the command. `pipefail` is on: the code is that of the first to fail. */
export function runShell(line: string, setup: CliSetup = {}): Promise<CliResult> {
  const script = `set -o pipefail; tailrace() { "$NODE" "$MAIN" "$@"; }; ${line}`;
  const env = { ...environmentOf(setup), NODE: process.execPath, MAIN: CLI_MAIN };
  return watch(spawn('bash', ['-c', script], { env, cwd: setup.cwd ?? tmpdir() })).done;
}

function watch(child: ChildProcess): CliRun {
  const output = { stdout: '', stderr: '' };
  const watchers = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
      for (const look of watchers) look();
    });
  }
  const done = new Promise<CliResult>((resolve) => {
    child.on('close', (code) => {
      // Secrets that it prints count as issued too: remembered for test/support/secrets.ts.
      if (PRINTS_SECRETS.test(child.spawnargs.join(' '))) noticeSecrets(output.stdout);
      resolve({ code, ...output });
    });
  });
  return {
    child,
    done,
    stdout: () => output.stdout,
    saw: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!output.stdout.includes(text) && !output.stderr.includes(text)) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
        done.then(
          ({ code }) => reject(new Error(`ended with ${code} before it said ${text}:\n${JSON.stringify(output)}`)),
          reject,
        );
      }),
    stop: (signal) => {
      child.kill(signal);
      return done;
    },
  };
}

/** Other commands print what tests have stored. */
const PRINTS_SECRETS = /tokens (issue|rotate)|main\.js apply/;

/** Settings of the machine that runs the tests must not leak in. */
function environmentOf({ server, env }: CliSetup): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(TAILRACE|S2|OTEL|NO_COLOR|FORCE_COLOR|NODE_OPTIONS)/.test(name),
  );
  const target = server === undefined ? {} : { TAILRACE_ENDPOINT: server.url, TAILRACE_TOKEN: server.token };
  // The contexts of the person who runs the tests must not leak in either.
  const config = { XDG_CONFIG_HOME: join(tmpdir(), 'tailrace-no-config') };
  return { ...Object.fromEntries(own), ...config, ...target, ...env };
}
