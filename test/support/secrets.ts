/**
 * R15: every secret that tests hand out or send is kept in mind here, and looked for in whatever a server leaves behind:
 * its data directory, byte by byte, and all it wrote. What is known to one test file is looked for in that file's servers.
 *
 * The exceptions: the root token may stand in `root-token`; the key that signs JWTs is in the store and never told here.
 * Servers of tests write to pipes, so no banner shows a secret; tickets are in no log either.
 */

import { open, readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** What was found. It never says the secret. */
export interface Leak {
  readonly place: string;
  readonly kind: string;
  readonly form: string;
}

interface Form {
  readonly kind: string;
  readonly form: string;
  readonly bytes: Buffer;
}

/** Files that hold the root token on purpose. */
const ROOT_TOKEN_FILES = /^root-token([.]new)?$/;
export const ROOT_TOKEN = 'root token';

/** Less is found by chance, or is a word. */
const CHARS_MIN = 16;
/** A secret of few different characters is made up, as are zeros, and files are full of those. */
const DIFFERENT_MIN = 8;
/** Of larger files the beginning and the end are searched, this much of each: stores of tests are far smaller. */
const SEARCHED_BYTES_MAX = 32 * 1024 * 1024;
const CHUNK_BYTES = 4 * 1024 * 1024;

const TOKENS = /\b[a-z]{2,8}_[0-9a-f]{48}\b/g;
const JWTS = /eyJ[\w-]+\.[\w-]+\.[\w-]+/g;

const known = new Map<string, string>();
const forms: Form[] = [];
/** Forms by their first four bytes, and which pairs of bytes any of them begins with: nearly all places need no more. */
const byStart = new Map<number, Form[]>();
const starts = new Uint8Array(65_536);
let longest = 0;

/** From now on nobody may find it. Short or made-up ones are not kept in mind. */
export function rememberSecret(kind: string, secret: string): void {
  if (secret.length < CHARS_MIN || new Set(secret).size < DIFFERENT_MIN) return;
  if (known.has(secret)) {
    if (kind === ROOT_TOKEN) known.set(secret, kind);
    return;
  }
  known.set(secret, kind);
  for (const [form, bytes] of formsOf(secret)) addForm({ kind, form, bytes });
}

/** Keeps in mind what looks like a secret in an answer or in output. */
export function noticeSecrets(text: string): void {
  for (const [token] of text.matchAll(TOKENS)) rememberSecret(token.startsWith('tkt_') ? 'ticket' : 'token', token);
  for (const [jwt] of text.matchAll(JWTS)) rememberSecret('JWT', jwt);
}

/** Keeps in mind what a request is about to show. */
export function noticeHeaders(headers: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string') continue;
    if (/^authorization$/i.test(name)) rememberSecret('token', value.replace(/^bearer +/i, ''));
    if (/^s2-encryption-key$/i.test(name)) rememberSecret('encryption key', value);
  }
}

/** How many are kept in mind: a search for nothing proves nothing. */
export function secretsKnown(): number {
  return known.size;
}

/** Looks for all of them in what a process wrote. */
export function leaksIn(place: string, bytes: Uint8Array): Leak[] {
  return [...matches(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))].map(({ kind, form }) => ({
    place,
    kind,
    form,
  }));
}

/** Looks for all of them in every file of a directory, free pages of a store included. None where there is none. */
export async function leaksBelow(dir: string): Promise<Leak[]> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true }).catch(() => []);
  const leaks: Leak[] = [];
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    if (ROOT_TOKEN_FILES.test(entry.name) && (await holdsRootToken(file))) continue;
    leaks.push(...(await leaksInFile(file, relative(dir, file))));
  }
  return leaks;
}

/** @throws Error that names place and kind of each, never the secret */
export function expectNoLeaks(leaks: readonly Leak[]): void {
  if (leaks.length === 0) return;
  const lines = [...new Set(leaks.map(({ place, kind, form }) => `${place} holds a secret: ${kind}, ${form}`))];
  throw new Error(`R15, secrets are nowhere in the clear:\n${lines.join('\n')}`);
}

/** Fails when a server left a secret behind. */
export async function expectNoSecretsLeft(
  dataDir: string,
  output: { readonly stdout: string; readonly stderr: string },
): Promise<void> {
  const inOutput = [...leaksIn('stdout', Buffer.from(output.stdout)), ...leaksIn('stderr', Buffer.from(output.stderr))];
  expectNoLeaks([...inOutput, ...(await leaksBelow(dataDir))]);
}

/** It, and nothing else. */
async function holdsRootToken(file: string): Promise<boolean> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return known.get(text.trim()) === ROOT_TOKEN;
}

async function leaksInFile(file: string, place: string): Promise<Leak[]> {
  // A store that is being tidied up by its owner loses files meanwhile; sockets of locks cannot be opened.
  const handle = await open(file, 'r').catch(() => undefined);
  if (handle === undefined) return [];
  const found = new Map<string, Leak>();
  try {
    const { size } = await handle.stat();
    const chunk = Buffer.alloc(Math.min(size, CHUNK_BYTES) + longest);
    for (let at = 0; at < size; at += CHUNK_BYTES) {
      if (at >= SEARCHED_BYTES_MAX && at < size - SEARCHED_BYTES_MAX) continue;
      // Chunks overlap by the longest form: nothing hides between two of them.
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
      for (const leak of leaksIn(place, chunk.subarray(0, bytesRead))) found.set(`${leak.kind} ${leak.form}`, leak);
    }
  } finally {
    await handle.close();
  }
  return [...found.values()];
}

function* matches(bytes: Buffer): Generator<Form> {
  if (forms.length === 0) return;
  const last = bytes.length - 4;
  for (let at = 0; at <= last; at++) {
    if (starts[((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)] === 0) continue;
    const candidates = byStart.get(bytes.readInt32BE(at));
    if (candidates === undefined) continue;
    for (const form of candidates) {
      if (bytes.subarray(at, at + form.bytes.length).equals(form.bytes)) yield form;
    }
  }
}

function addForm(form: Form): void {
  const { bytes } = form;
  forms.push(form);
  longest = Math.max(longest, bytes.length);
  starts[bytes.readUInt16BE(0)] = 1;
  const start = bytes.readInt32BE(0);
  const others = byStart.get(start);
  if (others === undefined) byStart.set(start, [form]);
  else others.push(form);
}

/** All that somebody may have made of it on the way to a log or a row. Halves also find what is cut, or nearly right. */
function formsOf(secret: string): (readonly [form: string, bytes: Buffer])[] {
  const bytes = Buffer.from(secret);
  const random = secret.slice(Math.max(secret.lastIndexOf('.'), secret.indexOf('_')) + 1);
  const half = random.length >> 1;
  const found: [string, string | Buffer][] = [
    ['as it is', secret],
    ['its first half', random.slice(0, half)],
    ['its second half', random.slice(half)],
    ['percent-encoded', encodeURIComponent(secret)],
    ['percent-encoded twice', encodeURIComponent(encodeURIComponent(secret))],
    ['hexadecimal', bytes.toString('hex')],
    ['hexadecimal', bytes.toString('hex').toUpperCase()],
    ...insideBase64(bytes),
  ];
  // The bytes that its digits stand for.
  if (/^[0-9a-f]{48}$/.test(random)) found.push(['its random bytes', Buffer.from(random, 'hex')]);
  else if (/^[\w+/=-]{40,}$/.test(secret)) found.push(['its decoded bytes', Buffer.from(secret, 'base64')]);
  const unique = new Map<string, readonly [string, Buffer]>();
  for (const [form, text] of found) {
    const form_ = typeof text === 'string' ? Buffer.from(text) : text;
    if (form_.length >= 8 && !unique.has(form_.toString('latin1'))) unique.set(form_.toString('latin1'), [form, form_]);
  }
  return [...unique.values()];
}

/** How it looks in the midst of something that is base64, which depends on how many bytes come before it. */
function insideBase64(bytes: Buffer): [string, string][] {
  return [0, 1, 2].flatMap((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replaceAll('=', '');
    // The characters at both ends hold bits of the neighbours too.
    const inner = text.slice(before === 0 ? 0 : before + 1, -1);
    const url = inner.replaceAll('+', '-').replaceAll('/', '_');
    return [
      ['base64', inner],
      ['base64url', url],
    ] as [string, string][];
  });
}
