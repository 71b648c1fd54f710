/**
 * `npm run interop -- <name>`: real senders and a real Collector against the server, item by item. Installs and builds when
 * that is needed. Without a name it lists the forms.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt, ensureInstalled, ROOT } from './prepare.mjs';

ensureInstalled();
ensureBuilt();
const main = path.join(ROOT, 'dist/scripts/interop/main.js');
process.argv.splice(1, 1, main);
await import(pathToFileURL(main).href);
