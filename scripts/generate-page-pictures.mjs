/** Draws the pictures of the page in README.md, with chromium (apt-get install chromium, or set TAILRACE_CHROMIUM). */
import { register } from 'node:module';
import path from 'node:path';
import { ensureBuilt, ensureInstalled, MAIN, ROOT } from './prepare.mjs';

ensureInstalled();
ensureBuilt();
register('./strip-types.mjs', import.meta.url);
const { drawPagePictures } = await import('./picture/page-pictures.ts');
const folder = 'scripts/picture/page';
const browser = process.env.TAILRACE_CHROMIUM ?? '/usr/bin/chromium';
const bytes = await drawPagePictures(MAIN, path.join(ROOT, folder), browser);
console.log(`wrote ${folder}: ${bytes} bytes`);
