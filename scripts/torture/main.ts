/** `npm run torture -- <name>`: runs the long form of one reliability test; it prints its figures and fails on a breach. */

/** Each form with what it proves. A form is loaded when it is asked for. */
const FORMS: Readonly<
  Record<string, { readonly proves: string; readonly load: () => Promise<{ run(): Promise<void> }> }>
> = {
  loop: {
    proves: 'no turn of the event loop takes 200 ms of processor time, whatever is legal',
    load: () => import('./loop/loop.ts'),
  },
  'full-disk': {
    proves: 'a full store takes trims and fences, resumes by itself, and loses nothing',
    load: () => import('./full-disk.ts'),
  },
  'unread-answers': {
    proves: 'clients that never read hold bounded memory, and it comes back',
    load: () => import('./unread-answers.ts'),
  },
  overload: {
    proves: 'ten times what the server can take is answered with 200 or 503, in time and without resets',
    load: () => import('./overload.ts'),
  },
  starve: { proves: 'neither strangers nor one token keep others from sending', load: () => import('./starve.ts') },
  exporters: {
    proves: 'what real exporters report as exported survives kill -9, and a window keeps it from being there twice',
    load: () => import('./exporters.ts'),
  },
  sums: {
    proves: 'counts and sums of a million records are exact, and a histogram takes at most a second',
    load: () => import('./sums.ts'),
  },
  'find-trace': {
    proves: 'one trace in a stream of some GB is found by few rows, which take at most three hundredths of it',
    load: () => import('./find-trace.ts'),
  },
  'slow-readers': {
    proves: 'readers that stop reading cost bounded memory in all and no other client time, and lose nothing',
    load: () => import('./slow-readers.ts'),
  },
  'many-readers': {
    proves: 'a thousand sockets over many streams that read little or nothing cost bounded memory and no writer time',
    load: () => import('./many-readers.ts'),
  },
  top: {
    proves: 'a minute of tailrace top, with a restart of the server, takes flat memory and ends with the right screen',
    load: () => import('./top.ts'),
  },
  reconnect: {
    proves: 'readers whose connections are cut at random get every record once and in order, on every protocol',
    load: () => import('./reconnect/reconnect.ts'),
  },
  cluster: {
    proves: 'three nodes lose, double and reorder nothing while nodes and servers of NATS are killed and stopped',
    load: () => import('./cluster/cluster.ts'),
  },
  'cluster-upgrade': {
    proves: 'nodes of an older version are replaced one by one, and neither writers nor readers lose anything',
    load: () => import('./cluster/cluster-upgrade.ts'),
  },
  'cluster-suites': {
    proves: 'the black-box suites pass against a node of a cluster that does not lead',
    load: () => import('./cluster/cluster-suites.ts'),
  },
};

await main(process.argv[2]);

async function main(name: string | undefined): Promise<void> {
  const form = name === undefined ? undefined : FORMS[name];
  if (form === undefined) {
    const list = Object.entries(FORMS).map(([known, { proves }]) => `  ${known.padEnd(16)}${proves}`);
    process.stderr.write(`npm run torture -- <name>, with one of these names:\n${list.join('\n')}\n`);
    process.exitCode = name === undefined ? 0 : 2;
    return;
  }
  const started = performance.now();
  const { run } = await form.load();
  await run();
  process.stdout.write(`${name}: held (${Math.round((performance.now() - started) / 1000)} s)\n`);
}
