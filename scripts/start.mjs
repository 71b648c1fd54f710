/**
 * `npm start`: installs and builds when that is needed, then becomes the server.
 *
 * The server runs in this very process, not in a child: signals, exit code and kill -9 reach it directly.
 * (`exec` in package.json replaces the shell in which npm starts it; a shell does not pass signals on.)
 * Arguments are those of `tailrace serve`: npm start -- --port 5000
 */
import { pathToFileURL } from 'node:url';
import { ensureBuilt, ensureInstalled, MAIN } from './prepare.mjs';

ensureInstalled();
ensureBuilt();
if (process.env.npm_lifecycle_event === 'start') stopWithNpm();
process.argv.splice(1, 1, MAIN, 'serve');
await import(pathToFileURL(MAIN).href);

/** When npm is killed with -9, nothing is left to stop the server, and it would hold port and data directory. */
function stopWithNpm() {
  const npm = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === npm) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 500);
  watch.unref();
}
