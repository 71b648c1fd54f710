/** `tailrace run -- node app.js`: starts a program that sends its telemetry here, and shows what arrives. */

import { type Command, Option } from 'commander';
import { nearest } from '../../src/encoding/nearest.ts';
import { TailraceError } from '../../src/model/error.ts';
import {
  addConnectionOptions,
  type ConnectionOptions,
  connect,
  explain,
  type ServerConnection,
} from '../flags/connection.ts';
import { defaultBasin, formatStreamUri } from '../flags/names.ts';
import { createReporter, type Reporter, type ReporterOptions } from '../print/console.ts';
import { RUN_PROTOCOLS, type RunSettings } from '../run/child-environment.ts';

interface RunOptions extends ConnectionOptions, ReporterOptions, Omit<RunSettings, 'protocol'> {
  readonly protocol?: RunSettings['protocol'];
  readonly grpc?: true;
  readonly tail: boolean;
  readonly serve?: true;
}

const EXAMPLES = `
It sets OTEL_EXPORTER_OTLP_ENDPOINT, _PROTOCOL and _HEADERS, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, which the
SDKs of OpenTelemetry read; what the environment says of the service, the stream and other attributes stays. The program
must start an SDK: scripts/examples has one for each language, for Node also without a change of the program:
  npm install @opentelemetry/auto-instrumentations-node
  tailrace run -- node --require @opentelemetry/auto-instrumentations-node/register app.js
The code is that of the program, 128 and the number of the signal that ended it, or 127 where there is no such command.

Examples:
  tailrace run -- node app.js                         the stream is called like the package, or the program
  tailrace run --stream checkout -- python app.py
  tailrace run --serve -- npm test                    with a server of its own, which ends with it
  tailrace run --no-tail -- ./start.sh                shows nothing of what arrives`;

export function addRun(program: Command): void {
  const command = program
    .command('run')
    .summary('run a program that sends its telemetry here, and show what arrives')
    .description('Runs a program with the variables that OpenTelemetry reads, and shows what arrives on stderr.')
    .argument('<command...>', 'the program and its arguments, behind --')
    .option('--stream <name>', 'the stream that it goes to (default: s2.stream of the environment, or the service)')
    .option(
      '--service <name>',
      'the service (default: OTEL_SERVICE_NAME, package.json, pyproject.toml, or the program)',
    )
    .addOption(new Option('--protocol <protocol>', 'how it sends (default: http/protobuf)').choices(RUN_PROTOCOLS))
    .option('--grpc', 'short for --protocol grpc')
    .option('--otlp-endpoint <url>', 'where it sends, if not to the server (gRPC: its port 4317)')
    .option('--no-tail', 'show nothing of what arrives')
    .option('--serve', 'start a server for the time of the run, which forgets everything')
    // What is behind the command without -- may be its own: the message says so.
    .allowUnknownOption()
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(command).action((words: string[], _options, self: Command) =>
    run(words, self.optsWithGlobals<RunOptions>(), self),
  );
}

async function run(words: readonly string[], options: RunOptions, self: Command): Promise<void> {
  expectCommand(words, self);
  const reporter = createReporter(options);
  const [{ startOwnServer }, { childEnvironment }] = await Promise.all([
    import('../run/own-server.ts'),
    import('../run/child-environment.ts'),
  ]);
  const server = options.serve === true ? await startOwnServer() : undefined;
  try {
    const connection = server === undefined ? connect(options) : connect({ endpoint: server.url }, {});
    const settings = { ...options, protocol: options.protocol ?? (options.grpc === true ? 'grpc' : 'http/protobuf') };
    const child = childEnvironment(words, settings, connection, process.env);
    process.exitCode = await runShown(words, child, connection, options, reporter);
  } finally {
    await server?.close();
  }
}

/** @throws TailraceError `unavailable`, `authn` … before the program is started */
async function runShown(
  words: readonly string[],
  { env, stream }: { readonly env: NodeJS.ProcessEnv; readonly stream: string },
  connection: ServerConnection,
  { tail, quiet, color, serve }: RunOptions,
  reporter: Reporter,
): Promise<number> {
  const [{ ShownStream }, { runChild }] = await Promise.all([
    import('../run/shown-stream.ts'),
    import('../run/child.ts'),
  ]);
  const uri = { basin: defaultBasin(), stream };
  const isQuiet = !tail || quiet === true;
  await expectServer(connection, uri, serve === true);
  const shown = new ShownStream(connection, uri, { isQuiet, ...(color === undefined ? {} : { color }) });
  await shown.begin().catch((error: unknown) => {
    throw explain(error, connection);
  });
  if (tail) reporter.note(`telemetry of this run: tailrace tail ${formatStreamUri(uri)}`);
  const { code, fault } = await runChild(words, env);
  const records = await shown.end();
  if (fault !== undefined) reporter.error(`tailrace: ${fault}`);
  else if (records === 0 && tail) reporter.note(nothingText(words, uri));
  return code;
}

/** @throws TailraceError why it cannot be used, and how to get one */
async function expectServer(
  connection: ServerConnection,
  { basin, stream }: { readonly basin: string; readonly stream: string },
  isOwn: boolean,
): Promise<void> {
  try {
    await connection.client.checkTail(stream, { basin });
  } catch (error) {
    if (error instanceof TailraceError && MISSING.has(error.code)) return;
    const why = explain(error, connection);
    if (isOwn || !(why instanceof TailraceError) || why.code !== 'unavailable') throw why;
    const advice = '  start one with `tailrace serve`, or let this run have its own: --serve';
    throw new TailraceError('unavailable', `${why.message}\n${advice}`, { cause: why });
  }
}

/** Both are made by the first record, where the basin may. */
const MISSING: ReadonlySet<string> = new Set(['stream_not_found', 'basin_not_found']);

/** @throws TailraceError `config` for options that are neither ours nor behind -- */
function expectCommand(words: readonly string[], self: Command): void {
  const [first = ''] = words;
  const typed = process.argv.slice(2);
  const separator = typed.indexOf('--');
  if (first.startsWith('-') && (separator < 0 || typed.indexOf(first) < separator)) {
    const [near] = nearest(
      first.replace(/=.*/s, ''),
      self.options.flatMap(({ long }) => long ?? []),
    );
    const hint = near === undefined ? '' : `\n(Did you mean ${near}?)`;
    throw new TailraceError(
      'config',
      `unknown option ${JSON.stringify(first)}: options of \`run\` come first, then --, then the program${hint}\n(tailrace run --help lists its options)`,
    );
  }
  if (separator < 0 && words.some((word) => word.startsWith('-'))) {
    throw new TailraceError(
      'config',
      `write -- before a program with options of its own: tailrace run -- ${words.join(' ')}`,
    );
  }
}

/** What to do when nothing has come. */
function nothingText(
  [program = '', ...args]: readonly string[],
  uri: { readonly basin: string; readonly stream: string },
): string {
  const lines = [`nothing arrived in ${formatStreamUri(uri)}`];
  if (/(^|\/)node$/.test(program) && !args.some((arg) => /^(--require|-r|--import|--loader)\b/.test(arg))) {
    lines.push(
      '  does the program start an SDK of OpenTelemetry? Without a change of it:',
      '    npm install @opentelemetry/auto-instrumentations-node',
      `    tailrace run -- node --require @opentelemetry/auto-instrumentations-node/register ${args.join(' ')}`,
    );
  } else {
    lines.push('  does the program start an SDK of OpenTelemetry, and shut it down at its end?');
  }
  return [...lines, '  `tailrace senders` says whether something was refused'].join('\n');
}
