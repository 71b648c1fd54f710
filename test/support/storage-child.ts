/** Child processes that run storage code, directly from its sources: for locks, kills and limits of a process. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/core';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The storage layer as plain JavaScript in a directory of its own. */
export interface StorageCode {
  /** Starts a module that may import `./src/storage/….js`; `shell` wraps the command, to set limits. */
  start(source: string, args: readonly string[], shell?: string): ChildProcess;
  dispose(): void;
}

/** Strips the types of storage and of what it imports. */
export function compileStorage(): StorageCode {
  const dir = mkdtempSync(path.join(tmpdir(), 'tailrace-code-'));
  for (const layer of ['encoding', 'model', 'storage']) {
    const from = path.join(ROOT, 'src', layer);
    for (const name of readdirSync(from, { encoding: 'utf8', recursive: true })) {
      if (!name.endsWith('.ts')) continue;
      const to = path.join(dir, 'src', layer, name.replace(/ts$/, 'js'));
      mkdirSync(path.dirname(to), { recursive: true });
      strip(path.join(from, name), to);
    }
  }
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(dir, 'node_modules'));
  writeFileSync(path.join(dir, 'package.json'), '{"type":"module"}');
  let children = 0;
  return {
    start: (source, args, shell = 'exec "$@"') => {
      children += 1;
      const file = path.join(dir, `child-${children}.js`);
      writeFileSync(file, source);
      const command = ['-c', shell, 'child', process.execPath, file, ...args];
      // Options meant for the test runner's own process would change the child.
      const env = { ...process.env, NODE_OPTIONS: '' };
      return spawn('bash', command, { cwd: dir, env, stdio: ['pipe', 'pipe', 'inherit'] });
    },
    dispose: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** The lines that a child prints, one at a time; undefined when it has ended. */
export async function* linesOf(child: ChildProcess): AsyncGenerator<string> {
  let text = '';
  for await (const part of child.stdout ?? []) {
    text += String(part);
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    yield* lines;
  }
}

function strip(from: string, to: string): void {
  const { code } = transformSync(readFileSync(from, 'utf8'), {
    filename: from,
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'es6' },
  });
  writeFileSync(to, code.replace(/(from\s+['"]\.[^'"]+)\.ts(['"])/g, '$1.js$2'));
}
