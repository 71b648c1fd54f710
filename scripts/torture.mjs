/**
 * `npm run torture -- <name>`: the long form of a reliability test, with its figures. Installs and builds when that is
 * needed. Without a name it lists the forms.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt, ensureInstalled, ROOT } from './prepare.mjs';

ensureInstalled();
ensureBuilt();
const main = path.join(ROOT, 'dist/scripts/torture/main.js');
process.argv.splice(1, 1, main);
await import(pathToFileURL(main).href);
