/**
 * `npm start`: installs and builds when that is needed, then is the server.
 *
 * The server runs in this very process, not in a child: signals, exit code and kill -9 reach it without a go-between.
 * Arguments are those of `tailrace serve`: npm start -- --port 5000
 */
import { pathToFileURL } from 'node:url';
import { ensureBuilt, ensureInstalled, MAIN } from './prepare.mjs';

ensureInstalled();
ensureBuilt();
process.argv.splice(1, 1, MAIN, 'serve');
await import(pathToFileURL(MAIN).href);
