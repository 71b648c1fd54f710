/** The rules of the house that no linter knows; prints each breach as file: sentence. */
import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ROOT } from './prepare.mjs';

const LINES_MAX = 400;

/** Code lives here; the other texts only have to be free of machine paths. */
const CODE_FOLDERS = ['src/', 'cli/', 'scripts/', 'test/'];

/** Not part of the project, or not text. */
const SKIPPED = /^(node_modules|dist|data|coverage|\.git)$|^dist\./;

/** Names that say nothing about what is inside. */
const VAGUE_NAME = /^(utils?|helpers?|common|types?|managers?|services?|misc)\.[cm]?[jt]s$/;

const breaches = textFiles('').flatMap((file) => {
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  return [...machinePaths(text), ...(isCode(file) ? codeRules(file, text) : [])].map((breach) => `${file}: ${breach}`);
});
for (const breach of breaches) console.error(breach);
process.exitCode = breaches.length === 0 ? 0 : 1;

function codeRules(file, text) {
  const lines = text.split('\n');
  const count = lines.at(-1) === '' ? lines.length - 1 : lines.length;
  const first = lines[0]?.startsWith('#!') ? lines[1] : lines[0];
  return [
    ...(count > LINES_MAX ? [`${count} lines, ${LINES_MAX} are allowed`] : []),
    ...(/^\/[/*]/.test(first ?? '') ? [] : ['the first line must be a comment that says what the file is for']),
    ...(VAGUE_NAME.test(path.basename(file)) ? ['the name says nothing about what is inside'] : []),
    ...(/^src\/(?:[^/]+\/){3}/.test(file) ? ['lies deeper than two folders in src'] : []),
  ];
}

/** A path of the machine at hand means nothing elsewhere and gives away where the code was written. */
function machinePaths(text) {
  return foreignPaths()
    .filter((prefix) => text.includes(prefix))
    .map(() => 'holds a path of this machine');
}

/** The checkout, the home directory, and the folder of the checkout unless it is one that every machine has. */
function foreignPaths() {
  const ordinary = ['/', '/home', '/opt', '/root', '/srv', '/tmp', '/usr/src', '/usr/src/app', '/app', '/workspace'];
  return [ROOT, path.dirname(ROOT), os.homedir()].filter((name) => !ordinary.includes(name)).map((name) => `${name}/`);
}

function isCode(file) {
  return (
    CODE_FOLDERS.some((folder) => file.startsWith(folder)) && /\.[cm]?[jt]s$/.test(file) && !file.includes('.gen.')
  );
}

function textFiles(folder) {
  return readdirSync(path.join(ROOT, folder), { withFileTypes: true })
    .filter((entry) => !SKIPPED.test(entry.name))
    .flatMap((entry) => {
      const file = path.posix.join(folder, entry.name);
      if (entry.isDirectory()) return textFiles(file);
      return entry.isFile() && /\.(?:[cm]?[jt]s|json|md|proto|ya?ml|sh)$|^\.ci\//.test(file) ? [file] : [];
    });
}
