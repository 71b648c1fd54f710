/**
 * Makes a few files of the many that the command line is compiled to: most commands take less time than Node takes to
 * find and read a hundred modules. What only some commands load stays in files of its own. So it is with the server, which
 * then takes three quarters of the time to start. Embedders load it as it is compiled.
 */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { rolldown } from 'rolldown';
import { ROOT } from './prepare.mjs';

/** Small packages that every command needs; others stay where npm puts them. */
const BUNDLED_PACKAGES = ['commander', 'picocolors', 'get-east-asian-width'];

/** Files of src/ that are loaded beside the bundle: entries of the server, its settings and declarations, and the class of errors, of which there is one. */
const OUTSIDE = /^src\/((index|server|config|model\/error|observe\/logger)\.js$|(settings|init)\/)/;

/** What may be in the bundle and in the server, because it holds no state and no class that both know. */
const SHARED = /^(cli|src\/(client|model|encoding|s2))\/|^src\/observe\/redact\.js$/;

/** Shared by so many commands, a module is in the one file that all of them load. */
const COMMON_COMMANDS = 8;

/** Where commands find the server. It is as deep as the folders of src/, for what its modules find beside dist/src/. */
const SERVER = 'server';

/** The modules of the server that commands load, each when it is needed, by the names of their files. */
const SERVER_ENTRIES = { server: 'src/server.js', index: 'src/index.js', 'cluster-node': 'src/node/cluster-node.js' };

/** Replaces `<dist>/cli`. @throws Error when a module of the server would be in the bundle */
export async function bundleCommandLine(dist) {
  const bundle = await rolldown({
    // The program itself is loaded by scripts/generate-cli-readme.mjs.
    input: { main: path.join(dist, 'cli/main.js'), program: path.join(dist, 'cli/program.js') },
    platform: 'node',
    cwd: dist,
    plugins: [external((file) => serverEntry(path.relative(dist, file)))],
    external: (id) => isOutside(id, dist),
    logLevel: 'warn',
  });
  const made = `${path.join(dist, 'cli')}.bundle`;
  const { output } = await bundle.write({
    dir: made,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    codeSplitting: { groups: [{ name: 'common', minShareCount: COMMON_COMMANDS }] },
  });
  await bundle.close();
  const imported = output.flatMap(({ imports = [], dynamicImports = [] }) => [...imports, ...dynamicImports]);
  const entries = Object.entries(SERVER_ENTRIES).filter(([, file]) => imported.includes(serverEntry(file)));
  if (entries.length > 0) await bundleServer(entries, dist, path.join(made, SERVER), loadedFromSource(imported, dist));
  const modules = output.flatMap((file) => file.moduleIds ?? []).map((id) => path.relative(dist, id));
  expectClientOnly(modules);
  writeFileSync(path.join(made, 'LICENSES.txt'), licensesOf(modules));
  rmSync(path.join(dist, 'cli'), { recursive: true });
  renameSync(made, path.join(dist, 'cli'));
}

/** How commands import one of the entries; undefined for other files. */
function serverEntry(file) {
  const entry = Object.entries(SERVER_ENTRIES).find(([, source]) => source === file);
  return entry === undefined ? undefined : `./${SERVER}/${entry[0]}.js`;
}

/** Modules that are not in a bundle: `found` says how its files import one, or undefined for others. */
function external(found) {
  const resolveId = (id, importer) => {
    const name = importer === undefined || !id.startsWith('.') ? undefined : found(path.resolve(importer, '..', id));
    return name === undefined ? undefined : { id: name, external: true };
  };
  return { name: 'external', resolveId };
}

/** The modules in dist/src/ that commands load beside the server, with all that these import. */
function loadedFromSource(imported, dist) {
  const beside = imported.filter((id) => id.startsWith('../src/'));
  return modulesOf(beside.map((id) => path.resolve(dist, 'cli', id)));
}

/** Modules that are `kept` stay where they are, so that there is one of each. */
async function bundleServer(entries, dist, dir, kept) {
  const source = (file) => path.join(dist, 'src', file);
  const bundle = await rolldown({
    input: {
      ...Object.fromEntries(entries.map(([name, file]) => [name, path.join(dist, file)])),
      // A program of its own.
      'match-thread': source('otlp/match/match-thread.js'),
    },
    platform: 'node',
    cwd: dist,
    plugins: [external((file) => (kept.has(file) ? `../../${path.relative(dist, file)}` : undefined))],
    external: (id) => !id.startsWith('.') && !path.isAbsolute(id),
    logLevel: 'warn',
  });
  await bundle.write({ dir, format: 'esm', entryFileNames: '[name].js', chunkFileNames: '[name].js' });
  await bundle.close();
}

/** Files with all that they import, and so on. */
function modulesOf(files, found = new Set()) {
  for (const file of files.filter((name) => !found.has(name))) {
    found.add(file);
    const imported = readFileSync(file, 'utf8').matchAll(/\b(?:from|import)\b[ (]*['"](\.[^'"]+)['"]/g);
    modulesOf(
      [...imported].map(([, name]) => path.resolve(path.dirname(file), name)),
      found,
    );
  }
  return found;
}

/** Asked with what an import says, and again with the file that it means. */
function isOutside(id, dist) {
  if (path.isAbsolute(id)) return OUTSIDE.test(path.relative(dist, id));
  return !id.startsWith('.') && !BUNDLED_PACKAGES.includes(id);
}

/** A module of the server that is in both would have two states, and errors and objects of two classes. */
function expectClientOnly(modules) {
  const wrong = modules.filter((name) => name.startsWith('src/') && !SHARED.test(name));
  if (wrong.length === 0) return;
  throw new Error(`the bundle of the command line must not hold ${wrong.join(', ')}: load it through src/index.ts`);
}

/** Their licences ask for it. */
function licensesOf(modules) {
  const bundled = BUNDLED_PACKAGES.filter((name) => modules.some((file) => file.includes(`node_modules/${name}/`)));
  const texts = bundled.map((name) => {
    const folder = path.join(ROOT, 'node_modules', name);
    const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
    return `${name}\n\n${readFileSync(path.join(folder, file), 'utf8').trim()}\n`;
  });
  return `These files hold code of the following packages.\n\n${texts.join('\n')}`;
}
