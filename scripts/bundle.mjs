/**
 * Makes a few files of the many that the command line is compiled to: most commands take less time than Node takes to
 * find and read a hundred modules. What only some commands load stays in files of its own.
 *
 * The server stays as it is compiled: embedders load the same files, and it runs for longer than it starts.
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

/** Replaces `<dist>/cli`. @throws Error when a module of the server would be in the bundle */
export async function bundleCommandLine(dist) {
  const bundle = await rolldown({
    // The program itself is loaded by scripts/generate-cli-readme.mjs.
    input: { main: path.join(dist, 'cli/main.js'), program: path.join(dist, 'cli/program.js') },
    platform: 'node',
    cwd: dist,
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
  const modules = output.flatMap((file) => file.moduleIds ?? []).map((id) => path.relative(dist, id));
  expectClientOnly(modules);
  writeFileSync(path.join(made, 'LICENSES.txt'), licensesOf(modules));
  rmSync(path.join(dist, 'cli'), { recursive: true });
  renameSync(made, path.join(dist, 'cli'));
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
