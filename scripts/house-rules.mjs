/**
 * The rules of the house that no linter knows. Prints each breach as `rule: file: sentence`; exit code 1 when there is one.
 *
 *   node scripts/house-rules.mjs            this repository
 *   node scripts/house-rules.mjs FOLDER     the tree in another folder
 */
import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { citations } from './citations.mjs';
import { ROOT } from './prepare.mjs';
import { flatPrefixes, smallFiles, typeNames } from './structure-rules.mjs';

/** Each rule takes all files and returns its breaches as `file: sentence`. */
const RULES = {
  'machine-paths': machinePaths,
  length: perCodeFile(tooLong),
  'first-comment': perCodeFile(withoutReason),
  'vague-names': perCodeFile(vaguelyNamed),
  depth: perCodeFile(tooDeep),
  citations,
  words,
  'type-names': typeNames,
  'small-files': smallFiles,
  'flat-prefixes': flatPrefixes,
};

/** Rules that this repository does not keep yet: they count only where a folder is named. */
const NOT_YET = [];

const LINES_MAX = 400;

/** Code lives here. */
const CODE_FOLDERS = ['src/', 'cli/', 'scripts/', 'test/'];

/** Not part of the project, or not text. */
const SKIPPED = /^(node_modules|dist|data|coverage|\.git)$|^dist\./;

/** Names that say nothing about what is inside. */
const VAGUE_NAME = /^(utils?|helpers?|common|types?|managers?|services?|misc)\.[cm]?[jt]sx?$/;

/** Words with so many meanings that they say nothing. CHANGELOG.md may name what was renamed. */
const REFUSED_WORDS = /^(doors?|rooms?|wish(es|ed)?|tapes?|foundations?|upkeep|births?)$/;

/** The rules and their test name what they refuse; fixtures are data. */
const QUOTING = /^(scripts\/(house-rules|citations)\.mjs|test\/unit\/house-rules\.test\.ts)$|^test\/fixtures\//;

/** Base64 and the like: letters without words. */
const ENCODED = /[A-Za-z0-9+/=]{64,}/g;

const root = path.resolve(process.argv[2] ?? ROOT);
const files = textFiles('').map((name) => {
  const text = readFileSync(path.join(root, name), 'utf8');
  return { name, text, isCode: isCode(name), isQuoting: QUOTING.test(name) };
});
const counted = Object.entries(RULES).filter(([rule]) => process.argv.length > 2 || !NOT_YET.includes(rule));
const breaches = counted.flatMap(([rule, find]) => find(files).map((breach) => `${rule}: ${breach}`));
for (const breach of breaches) console.error(breach);
process.exitCode = breaches.length === 0 ? 0 : 1;

function perCodeFile(find) {
  return (files) =>
    files
      .filter(({ isCode }) => isCode)
      .map((file) => ({ name: file.name, breach: find(file) }))
      .filter(({ breach }) => breach !== undefined)
      .map(({ name, breach }) => `${name}: ${breach}`);
}

function tooLong({ text }) {
  const lines = text.replace(/\n$/, '').split('\n').length;
  return lines > LINES_MAX ? `${lines} lines, ${LINES_MAX} are allowed` : undefined;
}

function withoutReason({ text }) {
  if (/^(#!.*\n)?\/[/*]/.test(text)) return undefined;
  return 'the first line must be a comment that says what the file is for';
}

function vaguelyNamed({ name }) {
  return VAGUE_NAME.test(path.basename(name)) ? 'the name says nothing about what is inside' : undefined;
}

function tooDeep({ name }) {
  return /^src\/(?:[^/]+\/){3}/.test(name) ? 'lies deeper than two folders in src' : undefined;
}

/** A path of the machine at hand means nothing elsewhere and gives away where the code was written. */
function machinePaths(files) {
  const foreign = foreignPaths();
  return files
    .filter(({ text }) => foreign.some((prefix) => text.includes(prefix)))
    .map(({ name }) => `${name}: holds a path of this machine`);
}

/** The checkout, the home directory, and the folder of the checkout unless it is one that every machine has. */
function foreignPaths() {
  const ordinary = ['/', '/home', '/opt', '/root', '/srv', '/tmp', '/usr/src', '/usr/src/app', '/app', '/workspace'];
  return [root, path.dirname(root), os.homedir()].filter((name) => !ordinary.includes(name)).map((name) => `${name}/`);
}

/** Refused words in names and texts, also as parts of an identifier in camel case. */
function words(files) {
  return files
    .filter(
      ({ name, isCode, isQuoting }) => !isQuoting && (isCode || (name.endsWith('.md') && name !== 'CHANGELOG.md')),
    )
    .flatMap(({ name, text }) => {
      const all = `${name}\n${text}`.replace(ENCODED, '').match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+/g) ?? [];
      const found = new Set(all.map((word) => word.toLowerCase()).filter((word) => REFUSED_WORDS.test(word)));
      return [...found].map((word) => `${name}: says "${word}": name what it is in the field's word`);
    });
}

function isCode(file) {
  return (
    CODE_FOLDERS.some((folder) => file.startsWith(folder)) &&
    /\.([cm]?[jt]s|tsx)$/.test(file) &&
    !file.includes('.gen.')
  );
}

function textFiles(folder) {
  return readdirSync(path.join(root, folder), { withFileTypes: true })
    .filter((entry) => !SKIPPED.test(entry.name))
    .flatMap((entry) => {
      const file = path.posix.join(folder, entry.name);
      if (entry.isDirectory()) return textFiles(file);
      return entry.isFile() && /\.(?:[cm]?[jt]sx?|css|json|md|proto|ya?ml|sh)$|^\.ci\//.test(file) ? [file] : [];
    });
}
