/**
 * `npm start`: installs and builds when that is needed, then is the server.
 *
 * The server runs in this very process, not in a child: signals, exit code and kill -9 reach it without a go-between.
 * (`exec` in package.json takes the shell away that npm puts before it; a shell does not pass signals on.)
 * Arguments are those of `tailrace serve`: npm start -- --port 5000
 */
import { pathToFileURL } from 'node:url';
import { ensureBuilt, ensureInstalled, MAIN } from './prepare.mjs';

ensureInstalled();
ensureBuilt();
if (process.env.npm_lifecycle_event === 'start') stopWithNpm();
process.argv.splice(1, 1, MAIN, 'serve');
await import(pathToFileURL(MAIN).href);

/** When npm is killed with -9, nobody is left who could stop the server, and it would hold port and data directory. */
function stopWithNpm() {
  const npm = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === npm) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 500);
  watch.unref();
}
