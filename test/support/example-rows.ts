/**
 * What examples of the help need that a test does not have, and what is changed in them: each row with its reason. The
 * test refuses a row that no example needs. A new command usually needs none.
 */

export interface ExampleRow {
  /** The examples that it is for. */
  readonly of: RegExp;
  readonly reason: string;
  /** Shell lines that come before the first of them, or before each. */
  readonly before?: string;
  readonly isAlways?: true;
  /** What is written otherwise. */
  readonly instead?: readonly (readonly [part: RegExp, by: string])[];
  /** It is not run at all. */
  readonly leftOut?: true;
}

/** Settings that any server takes. */
const SETTINGS = 'echo "log_level: info" > tailrace.yaml';
/** An export, with names of files that examples read. */
const FILES = [
  'mkdir -p otelcol exported',
  'tailrace export shop-us > my-app.jsonl',
  'cp my-app.jsonl otelcol/',
  'gzip -c my-app.jsonl > old.jsonl.gz',
  'tailrace read my-app -s 0 -n 3 --format json > records.jsonl',
  'tailrace append moved --format json < records.jsonl',
  'tailrace export moved --format s2 -o exported/moved.s2.jsonl',
].join(' && ');
const STORE = 'tailrace backup tailrace.backup && tailrace restore tailrace.backup --data-dir';

export const EXAMPLE_ROWS: readonly ExampleRow[] = [
  {
    of: /^(TAILRACE_PORT=\S+ )?tailrace serve/,
    reason: 'the ports of this machine are taken by others, and a server goes on for ever',
    instead: [
      [/TAILRACE_PORT=5000/, 'TAILRACE_PORT=0'],
      [/tailrace serve/, 'served --port 0 --grpc-port 0'],
      [/\/tmp\/try/, 'try'],
    ],
  },
  {
    of: /^tailrace serve --open/,
    reason: 'no test opens a window',
    instead: [[/^served/, 'export BROWSER=true && served']],
  },
  {
    of: /^tailrace tail (?!.*(--no-follow|jq|--level|--service|--grep))|^tailrace (read .*--ago|senders -f)/,
    reason: 'it follows for ever',
    instead: [[/$/, ' | head -1']],
  },
  {
    of: /^tailrace tail .*(--level|--service|--grep)/,
    reason: 'it follows for ever, and there may be none',
    instead: [[/$/, ' --no-follow']],
  },
  { of: /tail .*\| jq/, reason: 'it follows for ever', instead: [[/\| jq/, '--no-follow | jq']] },
  { of: /-i lines\.txt/, reason: 'it reads a file', before: 'echo line > lines.txt' },
  {
    of: /--match-seq-num 7/,
    reason: 'the stream has another length',
    instead: [[/append my-app/, 'append only']],
    before: `tailrace read my-app -s 0 -n 7 --format json | tailrace append only --format json`,
  },
  {
    of: /fencing-token writer-1/,
    reason: 'a writer that was not given the stream is refused',
    before: 'tailrace fence fenced writer-1',
    instead: [[/my-app/, 'fenced']],
  },
  { of: /sealed-eu/, reason: 'it needs a basin with a cipher, which is tested elsewhere', leftOut: true },
  { of: /collector\.example|collector:4317/, reason: 'there is no network', leftOut: true },
  { of: /^tailrace run /, reason: 'there are no such programs here', instead: [[/-- .*/, '-- true']] },
  {
    of: /^tailrace fence my-app/,
    reason: 'other examples append to it',
    before: 'tailrace fence held writer-1 || true',
    instead: [
      [/my-app writer-2$/, 'first writer-2'],
      [/my-app/, 'held'],
      [/held ""/, 'first ""'],
    ],
  },
  {
    of: /^tailrace trim my-app 1000(?! --dry)/,
    reason: 'it asks, and other examples read the stream',
    before: 'tailrace fence trimmed "" && tailrace fence writes writer-1 || true',
    instead: [
      [/my-app 1000$/, 'trimmed 1 --yes'],
      [/my-app 1000 -f/, 'writes 1 --yes -f'],
    ],
  },
  {
    of: /^tailrace basins (get|ensure|reconfigure|delete)/,
    reason: 'the basin is made by an example before it, or not',
    before: 'tailrace basins create orders-eu 2> made || true',
  },
  {
    of: /^tailrace basins delete orders-eu$/,
    reason: 'it asks, and later examples look at the basin',
    before: 'tailrace basins create old-eu-1',
    instead: [[/orders-eu/, 'old-eu-1 --yes']],
  },
  {
    of: /^tailrace streams .*orders-eu/,
    reason: 'the examples of basins have that name at the same time',
    before: 'tailrace basins create orders-us 2> made || true',
    instead: [[/orders-eu/, 'orders-us']],
  },
  {
    of: /^tailrace streams (delete|ensure|reconfigure) my-app/,
    reason: 'it asks, or other examples read the stream',
    before: 'tailrace streams create spare 2> made || true',
    instead: [
      [/my-app/, 'spare'],
      [/delete spare$/, 'delete spare --yes'],
    ],
  },
  {
    of: /^tailrace tokens (get|rotate|revoke) web/,
    reason: 'examples before it make and revoke the token',
    isAlways: true,
    before: `tailrace tokens issue web --basins-exact telemetry --streams-prefix '' --ops read > kept 2>&1 || true`,
  },
  { of: /rotate-signing-key/, reason: 'it asks', instead: [[/$/, ' --yes']] },
  {
    of: /secret( |$)/,
    reason: 'it reads or writes a file with a token',
    before: '[ -e secret ] || echo "$TAILRACE_TOKEN" > secret',
  },
  {
    of: /^tailrace context add .* < secret/,
    reason: 'there is no network',
    instead: [[/https:\S+/, '"$TAILRACE_ENDPOINT"']],
  },
  { of: /asks for the token|context add prod --endpoint \S+$/, reason: 'it asks at a terminal', leftOut: true },
  {
    of: /^tailrace context (use|remove) prod/,
    reason: 'an example before it adds and removes the context',
    isAlways: true,
    before: 'echo "$TAILRACE_TOKEN" | tailrace context add prod --endpoint "$TAILRACE_ENDPOINT"',
  },
  {
    of: /^tailrace root-token reset/,
    reason: 'it is for a server that is stopped',
    before: `[ -e data ] || ${STORE} data`,
    instead: [[/\/var\/lib\/tailrace/, 'data']],
  },
  { of: /backup --to backups/, reason: 'the folder must be there', before: 'mkdir -p backups' },
  { of: /^tailrace cluster (drain|move)/, reason: 'a server by itself has no nodes', leftOut: true },
  { of: /ssh elsewhere/, reason: 'there is no other machine', instead: [[/ssh elsewhere '(.*)'/, "sh -c '$1'"]] },
  {
    of: /^tailrace restore/,
    reason: 'it needs a backup and an empty folder',
    before: 'rm -rf restored; tailrace backup tailrace.backup',
  },
  {
    of: /^tailrace verify$|^tailrace compact|^tailrace backup .*--data-dir/,
    reason: 'the store of this folder',
    before: `[ -e data ] || ${STORE} data`,
  },
  { of: /--config tailrace\.yaml/, reason: 'it reads a file', before: SETTINGS },
  {
    of: /-f declared\.yaml/,
    reason: 'it reads a file',
    before: 'echo "basins: [{ name: declared-eu }]" > declared.yaml',
  },
  {
    of: /< declared\.json/,
    reason: 'it reads a file',
    before: `echo '{"basins":[{"name":"declared-eu"}]}' > declared.json`,
  },
  {
    of: /-f declared\.yaml --prune --yes/,
    reason: 'other examples need the basins that are not declared',
    instead: [[/--yes/, '--dry-run']],
  },
  {
    of: /^tailrace diff .*--prune/,
    reason: 'there are basins that are not declared',
    instead: [[/$/, ' || [ $? = 1 ]']],
  },
  {
    of: /^tailrace diff .*--against before/,
    reason: 'it reads another file, and nothing may differ',
    before: 'cp declared.yaml before.yaml',
  },
  {
    of: /^tailrace diff --against http/,
    reason: 'there is no network, and the server changes meanwhile',
    before: 'echo "$TAILRACE_TOKEN" > staging.token',
    instead: [
      [/https:\S+/, '"$TAILRACE_ENDPOINT"'],
      [/$/, ' || [ $? = 1 ]'],
    ],
  },
  {
    of: /^tailrace diff -f declared\.yaml$/,
    reason: 'nothing differs then',
    before: 'tailrace apply -f declared.yaml',
  },
  {
    of: /^tailrace export (my-app|'shop-\*')/,
    reason: 'it makes a file, and that stream holds no OTLP',
    before:
      'rm -rf my-app.* exported; tailrace export shop-eu -o my-app.jsonl && mv my-app.jsonl kept.jsonl && mv my-app.jsonl.* kept',
    isAlways: true,
    instead: [[/export my-app/, 'export shop-eu']],
  },
  {
    of: /^tailrace import|^zcat old/,
    reason: 'it reads a file, and other examples append to that stream',
    before: FILES,
    instead: [
      [/exported\/my-app/, 'exported/moved'],
      [/--stream copy/, '--stream copied'],
    ],
  },
  { of: /^tailrace replay .*otlp\.example/, reason: 'there is no network', leftOut: true },
  {
    of: /^tailrace replay my-app --to http/,
    reason: 'that stream holds no OTLP, and the server has another port and asks for a token',
    before: 'echo "$TAILRACE_TOKEN" > token',
    instead: [
      [/replay my-app/, 'replay shop-eu'],
      [/http:\S+/, '"$TAILRACE_ENDPOINT" --to-token-file token'],
    ],
  },
  {
    of: /^tailrace bench/,
    reason: 'a test has no ten seconds',
    instead: [
      [/ --duration 5s/, ''],
      [/$/, ' --duration 500ms'],
    ],
  },
  { of: /completion fish/, reason: 'there may be no fish', instead: [[/\| source/, '> tailrace.fish']] },
  { of: /^tailrace verify ./, reason: 'what restore made', before: `[ -e restored ] || ${STORE} restored` },
];
