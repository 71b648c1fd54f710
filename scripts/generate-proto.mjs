/**
 * Turns proto/ into the descriptors that src/ loads, so that nothing parses .proto files at run time.
 *
 *   node scripts/generate-proto.mjs            writes src/otlp/schema.gen.ts and src/s2/schema.gen.ts
 *   node scripts/generate-proto.mjs --check    writes nothing; exit code 1 when a committed file differs
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Each generated file with the folders of proto/ that it describes. */
const TARGETS = [
  { file: 'src/otlp/schema.gen.ts', folders: ['google', 'opentelemetry'] },
  { file: 'src/s2/schema.gen.ts', folders: ['s2'] },
];

const check = process.argv.includes('--check');
for (const target of TARGETS) {
  const wanted = moduleText(target.folders);
  const file = path.join(ROOT, target.file);
  const found = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  if (found === wanted) {
    console.log(`${target.file} is up to date`);
  } else if (check) {
    console.error(`${target.file} does not match proto/: run \`npm run generate\` and commit the result`);
    process.exitCode = 1;
  } else {
    writeFileSync(file, wanted);
    console.log(`wrote ${target.file}`);
  }
}

function moduleText(folders) {
  const root = new protobuf.Root();
  for (const file of folders.flatMap((folder) => protoFiles(path.join(ROOT, 'proto', folder)))) {
    protobuf.parse.filename = file;
    protobuf.parse(readFileSync(file, 'utf8'), root);
  }
  // An unknown type or a number used twice fails here and not at the first request.
  root.resolveAll();
  return [
    `/** Generated from proto/{${folders.join(',')}} by scripts/generate-proto.mjs: do not edit. */`,
    "import type { INamespace } from 'protobufjs/light.js';",
    '',
    '/** Descriptor in the form that `protobuf.Root.fromJSON` takes; field names are lowerCamelCase. */',
    `export const SCHEMA: INamespace = ${literal(root.toJSON(), '')};`,
    '',
  ].join('\n');
}

/** Sorted, so that the output does not depend on the file system. */
function protoFiles(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const file = path.join(folder, entry.name);
      if (entry.isDirectory()) return protoFiles(file);
      return entry.name.endsWith('.proto') ? [file] : [];
    });
}

/** One line per field, so that a change of one field is a change of one line. */
function literal(value, indent) {
  if (!isObject(value)) return JSON.stringify(value).replaceAll('"', "'");
  // protobufjs keeps the snake_case name for text formats only, and its types do not know it.
  const entries = Object.entries(value).filter(([key]) => key !== 'protoName');
  if ('id' in value || !entries.some(([, entry]) => isObject(entry))) {
    return `{ ${entries.map(([key, entry]) => `${name(key)}: ${literal(entry, '')}`).join(', ')} }`;
  }
  const inner = `${indent}  `;
  const lines = entries.map(([key, entry]) => `${inner}${name(key)}: ${literal(entry, inner)},`);
  return `{\n${lines.join('\n')}\n${indent}}`;
}

function name(key) {
  return /^[A-Za-z_]\w*$/.test(key) ? key : JSON.stringify(key).replaceAll('"', "'");
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
