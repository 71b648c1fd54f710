/** Draws the picture of the terminal in README.md. A unit test says when the committed one is not what the command prints. */
import { writeFileSync } from 'node:fs';
import { register } from 'node:module';
import path from 'node:path';
import { ensureInstalled, ROOT } from './prepare.mjs';

ensureInstalled();
register('./strip-types.mjs', import.meta.url);
const { PICTURE_FILE, terminalPicture } = await import('./picture/terminal-picture.ts');
writeFileSync(path.join(ROOT, PICTURE_FILE), terminalPicture());
console.log(`wrote ${PICTURE_FILE}`);
