/**
 * Files of OTLP go both ways: what the Collector's file exporter writes, in each of its forms, is imported as the Collector
 * forwards the same data; and what is exported, its JSON decoder takes, line by line.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { itemsOf } from '../../test/support/otlp-items.ts';
import { Capture, type SentRequest } from './capture.ts';
import { isForwarded } from './collector.ts';
import { buildCollector, CollectorProcess, configOf } from './collector-process.ts';
import { type Compared, compareWithReader } from './comparison.ts';
import { madeRequests } from './made-requests.ts';
import { countText, expectThat, report } from './report.ts';
import { RestartableServer } from './restartable-server.ts';
import { run as runProgram } from './tool-chain.ts';

interface FileForm {
  readonly format: 'json' | 'proto';
  readonly compression?: 'zstd';
}

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const STREAM = 'interop/files';
const REQUESTS = 60;
const SEED = 20_261_130;
const FORMS: readonly FileForm[] = [
  { format: 'json' },
  { format: 'json', compression: 'zstd' },
  { format: 'proto' },
  { format: 'proto', compression: 'zstd' },
];

export async function run(): Promise<void> {
  const collector = await buildCollector();
  const folder = mkdtempSync(path.join(tmpdir(), 'tailrace-files-'));
  try {
    for (const form of FORMS) await importWritten(collector, form, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function importWritten(collector: string, form: FileForm, folder: string): Promise<void> {
  const name = Object.values(form).join(', ');
  const file = path.join(folder, Object.values(form).join('-'));
  const sent = await write(collector, form, file);
  const server = await RestartableServer.start();
  try {
    await tailrace(server, 'import', file);
    report(`files, ${name}: ${countText(await compareWithReader(sent, server))}, ${readFileSync(file).length} bytes`);
    if (form.format !== 'json' || form.compression !== undefined) return;
    await expectNoticed(file, sent);
    await exportBack(collector, server, folder, sent);
  } finally {
    await server.stop();
  }
}

/** Sends through a Collector that writes a file and forwards the same over HTTP. Returns what it forwarded. */
async function write(collector: string, form: FileForm, file: string): Promise<readonly SentRequest[]> {
  const server = await RestartableServer.start();
  const capture = await Capture.start({ ports: server.ports });
  const running = await CollectorProcess.start(collector, (port) => [
    writing(
      port,
      { path: file, ...form },
      {
        endpoint: capture.httpUrl,
        encoding: form.format,
        headers: { authorization: `Bearer ${server.token}` },
        sending_queue: { enabled: false },
      },
    ),
  ]);
  try {
    const requests = madeRequests(REQUESTS, STREAM, SEED).filter(isForwarded);
    for (const { signal, body } of requests) {
      const { status } = await running.send(signal, body);
      expectThat(status === 200, `the Collector takes a request: ${status}`);
    }
    await running.stop();
    const items = requests.reduce((sum, { signal, body }) => sum + itemsOf(signal, body, false).length, 0);
    const { items: forwarded } = await compareWithReader(capture.sent, server);
    expectThat(forwarded === items, `the Collector forwards all ${items} items, not ${forwarded}`);
    return capture.sent;
  } finally {
    await running.kill();
    capture.close();
    await server.stop();
  }
}

/** The comparison would notice a line that was not imported. */
async function expectNoticed(file: string, sent: readonly SentRequest[]): Promise<void> {
  const cut = `${file}-cut`;
  writeFileSync(cut, `${readFileSync(file, 'utf8').trimEnd().split('\n').slice(0, -1).join('\n')}\n`);
  const found = await imported(cut, sent).then(
    () => 'nothing',
    (error: Error) => error.message,
  );
  expectThat(/acknowledged requests are missing/.test(found), `a line that is missing is noticed, not ${found}`);
}

/** Each line of an export goes to the Collector's OTLP receiver, which shares its decoder with the one of files. */
async function exportBack(
  collector: string,
  server: RestartableServer,
  folder: string,
  sent: readonly SentRequest[],
): Promise<void> {
  const exported = path.join(folder, 'exported.jsonl');
  const again = path.join(folder, 'again');
  await tailrace(server, 'export', STREAM, '-o', exported);
  const lines = readFileSync(exported, 'utf8').trimEnd().split('\n');
  const running = await CollectorProcess.start(collector, (port) => [configOf(port, 'file', { path: again })]);
  for (const line of lines) {
    const signal = line.startsWith('{"resourceLogs"')
      ? 'logs'
      : line.startsWith('{"resourceSpans"')
        ? 'traces'
        : 'metrics';
    const { status, body } = await running.send(signal, Buffer.from(line), 'application/json');
    expectThat(status === 200 && !body.includes('rejected'), `the Collector takes a line: ${status} ${body}`);
  }
  await running.stop();
  report(
    `files, exported to a Collector in ${lines.length} lines, and back: ${countText(await imported(again, sent))}`,
  );
}

/** What a new server holds after an import of a file, compared with what was sent. */
async function imported(file: string, sent: readonly SentRequest[]): Promise<Compared> {
  const server = await RestartableServer.start();
  try {
    await tailrace(server, 'import', file);
    return await compareWithReader(sent, server);
  } finally {
    await server.stop();
  }
}

async function tailrace({ port, token }: RestartableServer, ...args: readonly string[]): Promise<void> {
  const env = { TAILRACE_ENDPOINT: `http://127.0.0.1:${port}`, TAILRACE_TOKEN: token };
  const { code, output } = await runProgram({ file: process.execPath, args: [MAIN, ...args] }, env).ended;
  expectThat(code === 0, `tailrace ${args[0]} ends with 0, not ${code}: ${output}`);
}

/** A configuration with two exporters in each pipeline. */
function writing(port: number, file: object, http: object): string {
  const one = JSON.parse(configOf(port, 'file', file)) as Config;
  const pipelines = Object.fromEntries(
    Object.entries(one.service.pipelines).map(([signal, pipeline]) => {
      return [signal, { ...pipeline, exporters: ['file', 'otlp_http'] }];
    }),
  );
  const exporters = { ...one.exporters, otlp_http: http };
  return JSON.stringify({ ...one, exporters, service: { ...one.service, pipelines } });
}

interface Config {
  readonly exporters: object;
  readonly service: { readonly pipelines: Readonly<Record<string, object>> };
}
