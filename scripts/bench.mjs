/**
 * `npm run bench`: installs and builds when that is needed, then measures.
 *
 *   npm run bench -- --runs 5 --scale 1 --only codec,ingest,readers,filtered,latency,sessions,starts,stores --write
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt, ensureInstalled, ROOT } from './prepare.mjs';

ensureInstalled();
ensureBuilt();
const main = path.join(ROOT, 'dist/scripts/bench/main.js');
process.argv.splice(1, 1, main);
await import(pathToFileURL(main).href);
