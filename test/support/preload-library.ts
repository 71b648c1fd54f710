/** C functions that a process calls in the place of those of the C library. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface PreloadLibrary {
  /** What a process needs in its environment to call them. */
  readonly env: Readonly<Record<string, string>>;
  /** A directory for what goes with it. */
  readonly dir: string;
  dispose(): void;
}

/** Undefined where there is no C compiler. */
export function compilePreload(source: string): PreloadLibrary | undefined {
  const dir = mkdtempSync(path.join(tmpdir(), 'tailrace-preload-'));
  const [code, library] = [path.join(dir, 'library.c'), path.join(dir, 'library.so')];
  writeFileSync(code, source);
  const dispose = (): void => rmSync(dir, { recursive: true });
  if (spawnSync('gcc', ['-shared', '-fPIC', '-w', '-o', library, code, '-ldl']).status !== 0) {
    dispose();
    return undefined;
  }
  return { env: { LD_PRELOAD: library }, dir, dispose };
}
