/**
 * Builds the web page of src/page/ into static files, each also compressed. The files ask no other site for anything and
 * have nothing inline, so the strictest Content-Security-Policy holds.
 *
 *   node scripts/page.mjs    builds it alone, into dist/page/
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync, constants as zlib } from 'node:zlib';
import { build } from 'vite';
import { ROOT } from './prepare.mjs';

/** Packages whose code is in the files. */
const PACKAGES = ['preact', '@preact/signals', '@preact/signals-core', 'uplot'];

/** Below this, compressing gains nothing. */
const COMPRESSED_BYTES_MIN = 512;

/** Makes `<dist>/page`. */
export async function buildPage(dist) {
  const outDir = path.join(dist, 'page');
  await build({
    configFile: false,
    root: path.join(ROOT, 'src/page'),
    base: '/',
    logLevel: 'warn',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir,
      emptyOutDir: true,
      target: 'es2022',
      // A data: URL in a style sheet or script is refused by the policy.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
  });
  writeFileSync(path.join(outDir, 'LICENSES.txt'), licenses());
  for (const file of readdirSync(outDir, { recursive: true, withFileTypes: true })) {
    if (file.isFile() && /\.(html|js|css|svg)$/.test(file.name)) compress(path.join(file.parentPath, file.name));
  }
}

function compress(file) {
  const bytes = readFileSync(file);
  if (bytes.length < COMPRESSED_BYTES_MIN) return;
  const params = { [zlib.BROTLI_PARAM_QUALITY]: zlib.BROTLI_MAX_QUALITY, [zlib.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params }));
  writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
}

function licenses() {
  const texts = PACKAGES.map((name) => {
    const folder = path.join(ROOT, 'node_modules', name);
    const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
    const text =
      file === undefined ? JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')).license : undefined;
    return `${name}\n\n${(text ?? readFileSync(path.join(folder, file), 'utf8')).trim()}\n`;
  });
  return `These files hold code of the following packages.\n\n${texts.join('\n')}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const dist = path.join(ROOT, 'dist');
  if (!existsSync(dist)) mkdirSync(dist);
  await buildPage(dist);
}
