/** House rules about how code is cut into files and types. Each takes all files and returns breaches as `file: sentence`. */
import path from 'node:path';

const SMALL_LINES = 40;
const PREFIX_MAX = 2;

/** Entry points; commands and routes, one file each, which one table imports; and components of the page, one file each. */
const ENTRIES =
  /^(src\/index\.ts|cli\/main\.ts|(cli\/commands|src\/http\/routes)\/[^/]+\.ts|src\/page\/.*(\.tsx|\.d\.ts))$/;

const DECLARED = /^(?:export )?(?:abstract )?(?:interface|class|type) (\w+)/gm;
const IMPORTED = /\b(?:from|import) ?\(?'(\.[^']+)'/g;

/** Sees nothing of the rest but the wire, so it has its own types for what is there. */
const PAGE = /^src\/page\//;

/** One name, one meaning: a type name is declared once in src and cli, and once in the page. */
export function typeNames(files) {
  const product = productFiles(files);
  return [
    ...declaredTwice(product.filter(({ name }) => !PAGE.test(name))),
    ...declaredTwice(product.filter(({ name }) => PAGE.test(name))),
  ];
}

function declaredTwice(files) {
  const declared = new Map();
  for (const { name, text } of files) {
    for (const [, type] of text.matchAll(DECLARED)) declared.set(type, [...(declared.get(type) ?? []), name]);
  }
  return [...declared]
    .filter(([, places]) => places.length > 1)
    .map(([type, [first, ...others]]) => `${first}: ${type} is also declared in ${others.join(', ')}`);
}

/** A file of a few lines is worth its place when several files share it. */
export function smallFiles(files) {
  const product = productFiles(files);
  const importers = new Map();
  for (const { name, text } of product) {
    const imported = new Set([...text.matchAll(IMPORTED)].map(([, file]) => path.posix.join(path.dirname(name), file)));
    for (const file of imported) importers.set(file, (importers.get(file) ?? 0) + 1);
  }
  return product
    .filter(({ name }) => !ENTRIES.test(name) && (importers.get(name) ?? 0) < 2)
    .map(({ name, text }) => ({ name, lines: text.replace(/\n$/, '').split('\n').length }))
    .filter(({ lines }) => lines < SMALL_LINES)
    .map(({ name, lines }) => `${name}: ${lines} lines and one importer: it belongs to its importer`);
}

/** Files of one folder of src whose names begin with the same word are a folder themselves. */
export function flatPrefixes(files) {
  const families = new Map();
  for (const { name } of files) {
    if (!name.startsWith('src/') || !name.endsWith('.ts')) continue;
    const [word] = path.basename(name, '.ts').split('-');
    const prefix = path.posix.join(path.dirname(name), word);
    families.set(prefix, (families.get(prefix) ?? 0) + 1);
  }
  return [...families]
    .filter(([, count]) => count > PREFIX_MAX)
    .map(([prefix, count]) => `${prefix}-*: ${count} files with one prefix are a folder`);
}

function productFiles(files) {
  return files.filter(({ name, isCode }) => isCode && /^(src|cli)\//.test(name));
}
