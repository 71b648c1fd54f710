/** `tailrace send`: posts test data as real OTLP to any endpoint, and prints what the receiver returned. */

import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { type Command, Option } from 'commander';
import { type OtlpResponse, otlpRefusal, postOtlp } from '../../src/client/post-otlp.ts';
import { TailraceError } from '../../src/model/error.ts';
import type { Signal } from '../../src/model/record.ts';
import { addJsonOption } from '../call.ts';
import { EXIT } from '../exit.ts';
import { anyNumber, collect, duration, wholeNumber } from '../flags/arguments.ts';
import { addConnectionOptions, type ConnectionOptions, explain } from '../flags/connection.ts';
import { findOtlpTarget, type OtlpTarget, parsePairs } from '../flags/otlp-target.ts';
import { type Attribute, encodeRequest, type MessageOrigin, type RequestItems } from '../otlp-message.ts';
import { createReporter, type Output, openOutput, type Reporter, type ReporterOptions } from '../print/console.ts';
import { escapeControls, safeJson } from '../print/format.ts';

interface SendOptions extends ConnectionOptions, ReporterOptions {
  readonly stream?: string;
  readonly service?: string;
  readonly attr?: readonly string[];
  readonly count: number;
  readonly json?: boolean;
  readonly encoding: 'protobuf' | 'json';
  readonly gzip?: boolean;
  readonly body?: string;
  readonly level: Level;
  readonly name?: string;
  readonly duration: number;
  readonly failed?: boolean;
  readonly value: number;
  readonly unit: string;
  readonly kind: 'gauge' | 'sum';
}

const LEVELS = { trace: 1, debug: 5, info: 9, warn: 13, error: 17, fatal: 21 } as const;
type Level = keyof typeof LEVELS;

/** Items of one request; more go out as several requests, one after the other, so that they arrive in order. */
const REQUEST_ITEMS = 1_000;
const SERVICE = 'tailrace-send';

const EXAMPLES = `
Examples:
  tailrace send log "hello" --stream my-app
  tailrace send log "disk full" --level error --attr disk=/dev/sda1 --attr free=0
  tailrace send span --name "GET /" --duration 120ms --attr http.status=200 --stream my-app
  tailrace send metric --name queue.depth --value 17 --stream my-app --encoding json
  tailrace send log "hello" --endpoint https://collector.example:4318      any OTLP endpoint

OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME are used as by an SDK.`;

export function addSend(program: Command): void {
  const send = program
    .command('send')
    .summary('post a log record, a span or a metric to any OTLP endpoint')
    .description('Posts test data as real OTLP over HTTP, and prints what the receiver returned.')
    .addHelpText('after', EXAMPLES);
  const log = send
    .command('log')
    .description('Sends a log record.')
    .argument('[body]', 'the message', 'hello from tailrace');
  log
    .option('--body <text>', 'the message')
    .addOption(new Option('--level <level>', 'its level').choices(Object.keys(LEVELS)).default('info'));
  addShared(log, 'logs');
  const span = send.command('span').description('Sends a span that ends now.');
  span
    .option('--name <name>', 'its name', 'tailrace send')
    .option('--duration <span>', 'how long it took', duration, 10)
    .option('--failed', 'with the status ERROR');
  addShared(span, 'traces');
  const metric = send.command('metric').description('Sends a metric with one data point.');
  metric
    .option('--name <name>', 'its name', 'tailrace.send')
    .option('--value <number>', 'its value', anyNumber, 1)
    .option('--unit <unit>', 'its unit', '1')
    .addOption(new Option('--kind <kind>', 'its kind').choices(['gauge', 'sum']).default('gauge'));
  addShared(metric, 'metrics');
}

function addShared(command: Command, signal: Signal): void {
  command
    .option('--stream <name>', 'the stream it goes to: the resource attribute s2.stream')
    .option('--service <name>', `the resource attribute service.name (default: ${SERVICE})`)
    .option('--attr <key=value>', 'an attribute; numbers, true, false and JSON lists keep their type', collect)
    .option('--count <count>', 'how many to send', wholeNumber, 1)
    .addOption(
      new Option('--encoding <encoding>', 'how the body is encoded').choices(['protobuf', 'json']).default('protobuf'),
    )
    .option('--gzip', 'compress the body')
    .addHelpText('after', EXAMPLES);
  addConnectionOptions(addJsonOption(command, 'one JSON object for each request, instead of text')).action(
    (...args: unknown[]) => {
      const self = args.at(-1) as Command;
      const [body] = self.args;
      return send(signal, body, self.optsWithGlobals<SendOptions>());
    },
  );
}

async function send(signal: Signal, body: string | undefined, options: SendOptions): Promise<void> {
  const target = findOtlpTarget(signal, options, process.env);
  const reporter = createReporter(options);
  const output = await openOutput(undefined, options);
  const origin: MessageOrigin = { resource: resourceOf(options), scope: SERVICE };
  for (let sent = 0; sent < options.count; ) {
    const count = Math.min(REQUEST_ITEMS, options.count - sent);
    const items = itemsOf(signal, body ?? options.body ?? 'hello from tailrace', count, options);
    const response = await post(target, encodeRequest(origin, items, options.encoding), options);
    const sentOut = { signal, count, target, resource: origin.resource };
    await report(response, sentOut, output, { ...options, reporter });
    sent += count;
  }
  await output.end();
}

async function post(target: OtlpTarget, body: Uint8Array, options: SendOptions): Promise<OtlpResponse> {
  try {
    const response = await postOtlp({
      url: target.url,
      body: options.gzip ? gzipSync(body) : body,
      contentType: options.encoding === 'json' ? 'application/json' : 'application/x-protobuf',
      headers: { 'user-agent': SERVICE, ...target.headers },
      ...(options.gzip ? { contentEncoding: 'gzip' as const } : {}),
    });
    const refusal = otlpRefusal(response, `POST ${target.url} answered ${response.status}`);
    if (refusal !== undefined) throw refusal;
    return response;
  } catch (error) {
    throw explain(error, target);
  }
}

/** What a request held, and where it went. */
interface SentRequest {
  readonly signal: Signal;
  readonly count: number;
  readonly target: OtlpTarget;
  readonly resource: ReadonlyMap<string, Attribute>;
}

/** The stream, or what a receiver picks it by. */
function whereText(resource: SentRequest['resource']): string {
  const stream = textIn(resource, 's2.stream');
  if (stream !== undefined) return `stream ${stream}`;
  return `stream as its basin names it (no s2.stream; service ${textIn(resource, 'service.name') ?? 'unknown'})`;
}

function textIn(resource: SentRequest['resource'], key: string): string | undefined {
  const value = resource.get(key);
  return value === undefined ? undefined : String(value);
}

/** One line about an accepted request; a partial success is a failure of the command, since something was dropped. */
async function report(
  response: OtlpResponse,
  { signal, count, target, resource }: SentRequest,
  output: Output,
  { json = false, reporter }: { readonly json?: boolean; readonly reporter: Reporter },
): Promise<void> {
  const { status, rejected, message, correlationId } = response;
  const id = correlationId === undefined ? '' : ` (correlation id ${correlationId})`;
  const accepted = Math.max(0, count - rejected);
  const text = `${status} ${accepted} of ${count} ${signal} accepted by ${target.url}, ${whereText(resource)}${id}`;
  const facts = { status, signal, sent: count, accepted, rejected, message: message ?? null, url: target.url };
  const where = { from: target.endpoint.from, stream: textIn(resource, 's2.stream') ?? null };
  const service = { service: textIn(resource, 'service.name') ?? null, correlation_id: correlationId ?? null };
  await output.write(`${json ? safeJson({ ...facts, ...where, ...service }) : escapeControls(text)}\n`);
  if (response.message !== undefined) reporter.warn(`the receiver says: ${response.message}`);
  if (response.rejected === 0) return;
  reporter.warn(`${response.rejected} rejected; a rejected record is dropped, sending it again does not help`);
  process.exitCode = EXIT.failure;
}

/** As in an SDK, OTEL_SERVICE_NAME wins over OTEL_RESOURCE_ATTRIBUTES; the flags win over both. */
function resourceOf(options: SendOptions): ReadonlyMap<string, Attribute> {
  const resource = new Map<string, Attribute>([['service.name', SERVICE]]);
  const variable = 'OTEL_RESOURCE_ATTRIBUTES';
  for (const [key, value] of parsePairs(variable, process.env[variable] ?? '')) resource.set(key, value);
  const service = options.service ?? process.env.OTEL_SERVICE_NAME;
  if (service !== undefined && service !== '') resource.set('service.name', service);
  if (options.stream !== undefined) resource.set('s2.stream', options.stream);
  return resource;
}

function itemsOf(signal: Signal, body: string, count: number, options: SendOptions): RequestItems {
  const now = BigInt(Date.now()) * 1_000_000n;
  const attributes = new Map((options.attr ?? []).map(attribute));
  const times = <T>(make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));
  if (signal === 'logs') {
    const { level } = options;
    const item = { severityNumber: LEVELS[level], severityText: level.toUpperCase(), body, attributes };
    return { signal, items: times((index) => ({ ...item, timeNanos: now + BigInt(index) })) };
  }
  if (signal === 'traces') {
    const name = options.name ?? SERVICE;
    const span = { name, startNanos: now - BigInt(options.duration) * 1_000_000n, endNanos: now };
    const failed = options.failed === true;
    return {
      signal,
      items: times(() => ({ ...span, traceId: randomBytes(16), spanId: randomBytes(8), failed, attributes })),
    };
  }
  const { name = SERVICE, unit, kind, value } = options;
  return {
    signal,
    items: times((index) => ({ name, unit, kind, value, timeNanos: now + BigInt(index), attributes })),
  };
}

const INT64_MAX = 2n ** 63n - 1n;

function attribute(pair: string): [string, Attribute] {
  const equals = pair.indexOf('=');
  if (equals < 1) throw new TailraceError('config', `--attr ${pair}: write it as key=value`);
  return [pair.slice(0, equals), typed(pair.slice(equals + 1))];
}

/** `7` is an integer, `0.5` a double, `true` a boolean, `["a",1]` a list, `"7"` and everything else a string. */
function typed(text: string): Attribute {
  if (/^-?\d{1,19}$/.test(text)) {
    const value = BigInt(text);
    return value <= INT64_MAX && value >= -INT64_MAX - 1n ? value : text;
  }
  if (/^-?\d+\.\d+(e[+-]?\d+)?$|^-?\d+e[+-]?\d+$/i.test(text)) return Number(text);
  if (text === 'true' || text === 'false') return text === 'true';
  if (!/^["[]/.test(text)) return text;
  try {
    return listed(JSON.parse(text));
  } catch {
    return text;
  }
}

function listed(value: unknown): Attribute {
  if (Array.isArray(value)) return value.map(listed);
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  return typeof value === 'boolean' ? value : String(value);
}
