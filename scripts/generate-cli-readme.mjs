/**
 * Writes the help of every command into cli/README.md, between two marks; the text around them is written by hand.
 *
 *   node scripts/generate-cli-readme.mjs            writes cli/README.md
 *   node scripts/generate-cli-readme.mjs --check    writes nothing; exit code 1 when the committed file differs
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt, ensureInstalled, MAIN, ROOT } from './prepare.mjs';

const FILE = 'cli/README.md';
const BEGIN = '<!-- begin: written by `npm run generate` -->\n';
const END = '<!-- end: written by `npm run generate` -->\n';

/** Columns of the help, so that the file does not depend on the terminal. */
const WIDTH = 110;

ensureInstalled();
ensureBuilt();
const file = path.join(ROOT, FILE);
const found = readFileSync(file, 'utf8');
const wanted = withCommands(found, commandsText(await buildProgram()));
if (found === wanted) {
  console.log(`${FILE} is up to date`);
} else if (process.argv.includes('--check')) {
  console.error(`${FILE} does not match the help of the commands: run \`npm run generate\` and commit the result`);
  process.exitCode = 1;
} else {
  writeFileSync(file, wanted);
  console.log(`wrote ${FILE}`);
}

/** With all commands: without a known one first all of them are loaded, and those with the flags of a server get them where they are named. */
async function buildProgram() {
  const { buildProgram: build } = await import(pathToFileURL(path.join(path.dirname(MAIN), 'program.js')).href);
  return build(['--help', 'serve', 'config']);
}

function commandsText(program) {
  const sections = program.commands.flatMap((command) => {
    const verbs = command.commands.map((verb) => section('####', verb));
    return [section('###', command), ...verbs];
  });
  return [section('###', program), ...sections].join('\n');
}

/** One command with its help; options that all commands share are only in the help of `tailrace`. */
function section(level, command) {
  const help = helpOf(command).replace(/\nGlobal Options:\n(?: .*\n)+/, '');
  return `${level} ${nameOf(command)}\n\n\`\`\`text\n${help.trim()}\n\`\`\`\n`;
}

function helpOf(command) {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => WIDTH,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text;
}

function nameOf(command) {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

function withCommands(text, commands) {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${FILE} needs both marks:\n${BEGIN}${END}`);
  return `${text.slice(0, begin + BEGIN.length)}\n${commands}\n${text.slice(end)}`;
}
