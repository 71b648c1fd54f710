/** `tail` of what is chosen in `top`: a process of its own on the ordinary screen, which q, Esc or Ctrl-C ends. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { ServerConnection } from '../flags/connection.ts';
import { formatStreamUri } from '../flags/names.ts';
import { printable } from '../print/terminal/printable.ts';
import type { TopKey } from './keys.ts';
import type { TopRow } from './state.ts';

/** What to run for a row, for a sender with all streams that are known of it; undefined for a sender of which nothing was stored. */
export function tailArguments(row: TopRow): readonly string[] | undefined {
  if ('stream' in row) return ['tail', row.stream.uri];
  const { basin, streams, service } = row.sender;
  if (basin === undefined || streams.length === 0) return undefined;
  const known = service === '-' || service.includes(', ') ? [] : ['--filter', `service=${quoted(service)}`];
  return ['tail', ...streams.map((stream) => formatStreamUri({ basin, stream })), ...known];
}

/** Resolves when it has ended and the user wants to go back. `keys` says which function is called with keys meanwhile. */
export async function openTail(
  args: readonly string[],
  { endpoint, token }: ServerConnection,
  keys: (listener: (key: TopKey) => void) => void,
): Promise<void> {
  const [main = ''] = process.argv.slice(1);
  process.stdout.write(`${printable(args.join(' '))}   (q goes back)\n`);
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    // The token is not among the arguments, which every user of the machine can see.
    env: {
      ...process.env,
      TAILRACE_ENDPOINT: endpoint.value,
      ...(token === undefined ? {} : { TAILRACE_TOKEN: token.value }),
    },
  });
  const endTail = () => void child.kill('SIGTERM');
  process.once('exit', endTail);
  let isAskedBack = false;
  keys((key) => {
    isAskedBack = isBack(key);
    if (isAskedBack) child.kill('SIGINT');
  });
  await Promise.race([once(child, 'close'), once(child, 'error')]);
  process.removeListener('exit', endTail);
  if (isAskedBack) return;
  // It ended by itself: what it said must be seen.
  process.stdout.write('any key goes back\n');
  await new Promise<void>((resolve) => keys(() => resolve()));
}

function isBack(key: TopKey): boolean {
  return key.type === 'interrupt' || key.type === 'escape' || (key.type === 'text' && key.text === 'q');
}

/** A value as a filter reads it. */
function quoted(value: string): string {
  return /^[\w./:-]+$/.test(value) ? value : JSON.stringify(value);
}
