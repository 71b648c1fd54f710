/**
 * What npm would publish: publint and attw on the packed file, what is in it, and whether every type that a public
 * signature names is exported. It looks at dist/, so it is skipped while dist/ is not built from these sources.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import ts from 'typescript';
import { isBuilt, ROOT } from './prepare.mjs';

const BUILT = [
  ...['dist/src/index.js', 'dist/src/index.d.ts', 'dist/cli/main.js', 'dist/page/index.html'],
  ...['dist/api/openapi.json', 'dist/api/asyncapi.json', 'dist/api/llms.txt', 'dist/api/llms-full.txt'],
];
const WANTED = [...BUILT, 'README.md', 'CHANGELOG.md', 'LICENSE'];
const UNWANTED = /[.]map$|[.]test[.]|^dist\/scripts\/|^test\/|^data\/|^scripts\/deploy\/secrets\/|[.]sources$/;

if (isBuilt()) {
  const faults = [...packedFaults(), ...hiddenTypes()];
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length === 0 ? 0 : 1;
} else {
  console.log('skipped: dist/ is not built from these sources, npm run build does it');
}

function packedFaults() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tailrace-package-'));
  try {
    const packed = run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder]);
    if (packed.status !== 0) return [packed.output];
    const [{ filename, files }] = JSON.parse(packed.output);
    const file = path.join(folder, filename);
    const names = files.map((entry) => entry.path);
    return [
      ...WANTED.filter((name) => !names.includes(name)).map((name) => `the package lacks ${name}`),
      ...names.filter((name) => UNWANTED.test(name)).map((name) => `the package must not hold ${name}`),
      ...complaints('publint', 'publint/src/cli.js', ['run', file, '--strict']),
      // ES modules only: Node 20.19 and later load them with `require` too.
      ...complaints('attw', '@arethetypeswrong/cli/dist/index.js', [
        file,
        '--profile',
        'esm-only',
        '--format',
        'ascii',
      ]),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function complaints(name, script, args) {
  const { status, output } = run(process.execPath, [path.join(ROOT, 'node_modules', script), ...args]);
  return status === 0 ? [] : [`${name}: ${output.trim()}`];
}

function run(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8' });
  return { status, output: status === 0 ? stdout : `${stdout}${stderr}` };
}

/** Types of ours that an exported declaration names and that no user can import. */
function hiddenTypes() {
  const dist = path.join(ROOT, 'dist');
  const index = path.join(dist, 'src/index.d.ts');
  const options = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, types: [] };
  const program = ts.createProgram([index], { ...options, noLib: true });
  const checker = program.getTypeChecker();
  const resolved = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
  const entry = checker.getSymbolAtLocation(program.getSourceFile(index));
  const exported = new Set(checker.getExportsOfModule(entry).map(resolved));
  const hidden = new Set();
  const visit = (node, owner) => {
    const name = ts.isTypeReferenceNode(node)
      ? node.typeName
      : ts.isExpressionWithTypeArguments(node)
        ? node.expression
        : undefined;
    const found = name && checker.getSymbolAtLocation(name);
    if (found !== undefined && isHidden(resolved(found))) hidden.add(`${owner}: ${resolved(found).name}`);
    ts.forEachChild(node, (child) => visit(child, owner));
  };
  const isHidden = (symbol) =>
    (symbol.flags & ts.SymbolFlags.TypeParameter) === 0 &&
    !exported.has(symbol) &&
    (symbol.declarations ?? []).some((declared) => declared.getSourceFile().fileName.startsWith(dist));
  for (const symbol of exported) {
    for (const declared of symbol.declarations ?? []) visit(declared, symbol.name);
  }
  return [...hidden].map((line) => `src/index.ts does not export a type that its users meet: ${line}`);
}
