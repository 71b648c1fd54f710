/** Messages of sd_notify(3) as a supervisor gets them. Node has no Unix datagram sockets, so Python takes them. */

import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';

const PROGRAM = path.join(import.meta.dirname, 'datagrams.py');

export interface Datagrams {
  /** The lines of each message so far. */
  readonly messages: readonly (readonly string[])[];
  /** Resolves when a message holds the line. */
  saw(line: RegExp): Promise<void>;
  close(): Promise<void>;
}

/** What is missing on this machine for it; undefined when nothing is. */
export function missingForDatagrams(): string | undefined {
  return ['python3', 'systemd-notify'].find((name) => spawnSync(name, ['--version']).status !== 0);
}

/** Binds the socket. */
export async function receiveDatagrams(socket: string): Promise<Datagrams> {
  const child = spawn('python3', [PROGRAM, socket], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const messages: string[][] = [];
  const watchers = new Set<() => void>();
  createInterface(child.stdout).on('line', (line) => {
    messages.push(JSON.parse(line) as string[]);
    for (const look of watchers) look();
  });
  const datagrams: Datagrams = {
    messages,
    saw: (wanted) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!messages.some((lines) => lines.some((line) => wanted.test(line)))) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
        ended.then(() => reject(new Error(`no message holds ${wanted}: ${JSON.stringify(messages)}`)), reject);
      }),
    close: async () => {
      child.stdin.end();
      await ended;
    },
  };
  await datagrams.saw(/^listening$/);
  return datagrams;
}
