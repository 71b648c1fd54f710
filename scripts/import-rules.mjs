/**
 * Who may import whom, for dependency-cruiser. Each row of the table is a layer, with the layers that it may import.
 *
 * Type-only imports count: a layer that needs another layer's types depends on it.
 */

/** The only parts of storage that are seen outside of it: what a stored block looks like. */
const BLOCKS = '^src/storage/block/';

/** What the log builds on. It does not see the engines; open-store.ts picks one. */
const STORAGE_CONTRACT =
  '^src/storage/((engine|keys|values|answer-rows|move-rows|summary-rows|token-rows|trace-rows|usage-rows)[.]ts$|block/)';

/** What every layer may use: the words of the domain, and bytes. */
const BASE = '^src/(model|encoding)/';

/** Each layer with everything outside of itself that it may import. */
const SEES = {
  model: [],
  encoding: ['^src/model/'],
  observe: [BASE],
  storage: [BASE],
  log: [BASE, STORAGE_CONTRACT],
  usage: [BASE, STORAGE_CONTRACT, '^src/log/'],
  otlp: [BASE, BLOCKS],
  s2: [BASE, BLOCKS],
  access: [BASE, STORAGE_CONTRACT, '^src/log/'],
  readers: [BASE, BLOCKS, '^src/(log|otlp|s2|observe)/'],
  http: [BASE, BLOCKS, '^src/(log|usage|otlp|s2|access|observe|readers)/'],
  socket: [BASE, BLOCKS, '^src/(log|otlp|s2|access|observe|readers)/'],
  cluster: [BASE, '^src/(storage|observe)/'],
  client: [BASE, '^src/s2/'],
  page: [],
};

/** Each npm package with its home in src and cli. Tests and scripts may use any. */
const HOMES = {
  lmdb: '^src/storage/lmdb[^/]*[.]ts$',
  msgpackr: '^src/storage/values[.]ts$',
  '@nats-io/transport-node': '^src/storage/replicated/nats-connection[.]ts$',
  'lz4-napi': BLOCKS,
  zstddec: '^src/encoding/zstd/wasm[.]ts$',
  'libsodium-wrappers-sumo': '^src/storage/block/ciphers[.]ts$',
  protobufjs: '^src/(otlp|s2)/',
  re2js: '^src/otlp/match/value-test[.]ts$',
  ws: '^src/(socket|client)/',
  yaml: '^src/settings/text-document[.]ts$',
  zod: '^src/(config[.]ts$|settings/|init/parse-init[.]ts$|http/|socket/|readers/(read-shapes|shape-schemas)[.]ts$|s2/(config|oidc|otlp-policy|token)-json[.]ts$)',
  pino: '^src/observe/',
  'prom-client': '^src/observe/',
  jose: '^src/access/',
  commander: '^cli/',
  picocolors: '^cli/',
  'get-east-asian-width': '^cli/print/terminal/',
  preact: '^src/page/',
  '@preact/signals': '^src/page/',
  uplot: '^src/page/',
};

const layers = Object.entries(SEES).map(([layer, seen]) => ({
  name: `${layer}-sees-only-its-neighbours`,
  comment: `src/${layer} may import ${seen.join(' ') || 'nothing of ours'}`,
  severity: 'error',
  from: { path: `^src/${layer}/` },
  to: { path: '^(src|cli|scripts|test)/', pathNot: [`^src/${layer}/`, ...seen] },
}));

const homes = Object.entries(HOMES).map(([name, home]) => ({
  name: `${name}-has-one-home`,
  comment: `${name} is imported in ${home} and nowhere else`,
  severity: 'error',
  from: { path: '^(src|cli)/', pathNot: home },
  to: { path: `(^|/)node_modules/(@types/)?${name}/` },
}));

export default {
  forbidden: [
    ...layers,
    ...homes,
    {
      name: 'costly-packages-load-when-needed',
      comment:
        'they take time and memory, and most servers never need them: they are imported where they are used first',
      severity: 'error',
      from: { path: '^(src|cli)/' },
      to: {
        path: '(^|/)node_modules/(@nats-io/transport-node|jose|libsodium-wrappers-sumo|yaml|zstddec)/',
        dynamic: false,
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'every-import-resolves',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'packages-are-declared',
      comment:
        'what src and cli import must be in dependencies, or an installed tailrace lacks it; the page is built before',
      severity: 'error',
      from: { path: '^(src|cli)/', pathNot: '^src/page/' },
      to: {
        path: 'node_modules/',
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'every-package-has-a-home',
      comment: 'a new package in src or cli needs a line in HOMES',
      severity: 'error',
      from: { path: '^(src|cli)/' },
      to: {
        path: 'node_modules/',
        pathNot: Object.keys(HOMES).map((name) => `node_modules/(@types/)?${name}/`),
        dependencyTypesNot: ['core'],
      },
    },
    {
      name: 'model-is-pure',
      comment: 'the words of the domain do no input or output and read no clock',
      severity: 'error',
      from: { path: '^src/model/' },
      to: { dependencyTypes: ['core', 'npm'] },
    },
    {
      name: 'log-gets-its-clock',
      comment: 'no timers, randomness, files or sockets in the log: the clock and the engine are passed in',
      severity: 'error',
      from: { path: '^src/(log|usage)/' },
      to: {
        dependencyTypes: ['core'],
        path: '^(node:)?(fs|net|http|http2|crypto|timers|child_process|worker_threads)',
      },
    },
    {
      name: 'config-comes-before-the-servers',
      comment: 'configuration knows the domain, who may call and how to log; everything else is configured by it',
      severity: 'error',
      from: { path: '^src/config[.]ts$' },
      to: {
        path: '^(src|cli|scripts|test)/',
        pathNot: '^src/(model|encoding|access|observe|settings/(value|cluster)-kinds[.]ts$)',
      },
    },
    {
      name: 'engines-are-picked-by-open-store',
      comment: 'only open-store.ts, and what works on a store while no server runs, pick an engine',
      severity: 'error',
      from: { path: '^(src|cli)/', pathNot: '^src/((open-store|maintenance)[.]ts$|storage/)' },
      to: { path: '^src/storage/(lmdb|memory|lock)' },
    },
    {
      name: 'cli-uses-the-public-entries',
      comment:
        'commands call a server through the client, serve through the entry for embedders, and read files as it does',
      severity: 'error',
      from: { path: '^cli/' },
      to: {
        path: '^(src|scripts|test)/',
        pathNot: [
          '^src/(index|server|node/cluster-node|config|init/parse-init|init/declared-change)[.]ts$',
          '^src/(client|model|encoding|observe|settings)/',
        ],
      },
    },
    {
      name: 'product-never-sees-tests',
      severity: 'error',
      from: { path: '^(src|cli)/' },
      to: { path: '^(scripts|test)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Tests of the built server import what may not be built yet.
    exclude: { path: '^([.][.]/)*dist/' },
    tsPreCompilationDeps: 'specify',
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
