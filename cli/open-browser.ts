/** Opens a link in the browser of this machine: started without a shell, on its own, and never a reason to fail. */

import { spawn } from 'node:child_process';

interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

/** How long it is watched whether the program starts: one that opens no window says so at once. */
const WATCHED_MS = 1_500;

/** Resolves with why no browser was opened; undefined when one was, as far as that is known soon. */
export function openBrowser(
  url: string,
  env: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): Promise<string | undefined> {
  const { command, args } = browserOf(url, env, platform);
  const from = env.BROWSER ? ' (from BROWSER)' : '';
  const fault = (what: string): string => `no browser was opened: ${command}${from} ${what}; open the link yourself`;
  const opened = new Promise<string | undefined>((resolve) => {
    const child = spawn(command, args, { stdio: 'ignore', detached: true });
    const watched = setTimeout(() => resolve(undefined), WATCHED_MS);
    const end = (reason: string | undefined): void => {
      clearTimeout(watched);
      resolve(reason);
    };
    child.on('error', ({ code }: NodeJS.ErrnoException) =>
      end(fault(code === 'ENOENT' ? 'is not on this machine' : `cannot be started (${code})`)),
    );
    child.on('exit', (code) => end(code === 0 ? undefined : fault(`ended with ${code ?? 'a signal'}`)));
    child.unref();
  });
  return opened.catch(() => fault('cannot be started'));
}

/**
 * BROWSER is a command, with its arguments behind spaces, as other programs take it; `%s` in it stands for the link, which
 * comes last otherwise.
 */
function browserOf(url: string, { BROWSER = '' }: NodeJS.ProcessEnv, platform: NodeJS.Platform): Program {
  const [command, ...args] = BROWSER.split(/\s+/).filter((word) => word !== '');
  if (command !== undefined) {
    const isPlaced = args.some((arg) => arg.includes('%s'));
    return { command, args: isPlaced ? args.map((arg) => arg.replaceAll('%s', () => url)) : [...args, url] };
  }
  if (platform === 'darwin') return { command: 'open', args: [url] };
  // The command `start` is of a shell, to which parts of a link mean something.
  if (platform === 'win32') return { command: 'rundll32', args: ['url.dll,FileProtocolHandler', url] };
  return { command: 'xdg-open', args: [url] };
}
