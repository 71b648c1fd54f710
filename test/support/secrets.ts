/**
 * Every secret that tests issue or send is remembered here, and looked for in everything a server leaves: its data
 * directory, byte by byte, and all its output. Secrets of one test file are looked for in that file's servers. The
 * exceptions: the root token may be in `root-token`; the key that signs JWTs is in the store and is not remembered.
 * Servers of tests write to pipes, so no banner shows a secret; no log holds a ticket either.
 */

import { open, readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** A found secret: where and what kind. It never holds the secret. */
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

/** Anything shorter is found by chance, or is a word. */
const CHARS_MIN = 16;
/** A secret of few different characters is artificial, such as zeros, and files are full of those. */
const DIFFERENT_MIN = 8;
/** Of larger files only the beginning and the end are searched, this much of each: stores of tests are far smaller. */
const SEARCHED_BYTES_MAX = 32 * 1024 * 1024;
const CHUNK_BYTES = 4 * 1024 * 1024;

const TOKENS = /\b[a-z]{2,8}_[0-9a-f]{48}\b/g;
const JWTS = /eyJ[\w-]+\.[\w-]+\.[\w-]+/g;

const known = new Map<string, string>();
const forms: Form[] = [];
/**
 * Forms by each word of four bytes that may be the first one at a multiple of four, with the bytes before it: only these
 * places are looked at. A hash of the words says that nearly all places need no more.
 */
const byWord = new Map<number, { readonly form: Form; readonly before: number }[]>();
const hashes = new Uint8Array(65_536);
let longest = 0;

/** From now on no output may hold it. Short or artificial secrets are not remembered. */
export function rememberSecret(kind: string, secret: string): void {
  if (secret.length < CHARS_MIN || new Set(secret).size < DIFFERENT_MIN) return;
  if (known.has(secret)) {
    if (kind === ROOT_TOKEN) known.set(secret, kind);
    return;
  }
  known.set(secret, kind);
  for (const [form, bytes] of formsOf(secret)) addForm({ kind, form, bytes });
}

/** Remembers everything that looks like a secret in a response or in output. */
export function noticeSecrets(text: string): void {
  for (const [token] of text.matchAll(TOKENS)) rememberSecret(token.startsWith('tkt_') ? 'ticket' : 'token', token);
  for (const [jwt] of text.matchAll(JWTS)) rememberSecret('JWT', jwt);
}

/** Remembers the secrets that a request is about to send. */
export function noticeHeaders(headers: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string') continue;
    if (/^authorization$/i.test(name)) rememberSecret('token', value.replace(/^bearer +/i, ''));
    if (/^s2-encryption-key$/i.test(name)) rememberSecret('encryption key', value);
  }
}

/** The number of remembered secrets: a search for none proves nothing. */
export function secretsKnown(): number {
  return known.size;
}

/** Looks for all of them in the output of a process. */
export function leaksIn(place: string, bytes: Uint8Array): Leak[] {
  return [...matches(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))].map(({ kind, form }) => ({
    place,
    kind,
    form,
  }));
}

/**
 * Looks for all of them in every file of a directory, including free pages of a store. Finds none where there is none.
 */
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
  throw new Error(`secrets were found in the clear:\n${lines.join('\n')}`);
}

/** Throws when a server left a secret. */
export async function expectNoSecretsLeft(
  dataDir: string,
  output: { readonly stdout: string; readonly stderr: string },
): Promise<void> {
  const inOutput = [...leaksIn('stdout', Buffer.from(output.stdout)), ...leaksIn('stderr', Buffer.from(output.stderr))];
  expectNoLeaks([...inOutput, ...(await leaksBelow(dataDir))]);
}

/** The data directory itself, and nothing else. */
async function holdsRootToken(file: string): Promise<boolean> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return known.get(text.trim()) === ROOT_TOKEN;
}

async function leaksInFile(file: string, place: string): Promise<Leak[]> {
  // Its owner may delete files of a store meanwhile; sockets of locks cannot be opened.
  const handle = await open(file, 'r').catch(() => undefined);
  if (handle === undefined) return [];
  const found = new Map<string, Leak>();
  try {
    const { size } = await handle.stat();
    const chunk = Buffer.alloc(Math.min(size, CHUNK_BYTES) + longest);
    for (let at = 0; at < size; at += CHUNK_BYTES) {
      if (at >= SEARCHED_BYTES_MAX && at < size - SEARCHED_BYTES_MAX) continue;
      // Chunks overlap by the longest form, so that no secret is split between two of them.
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
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : Buffer.from(new Uint8Array(bytes).buffer);
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length >> 2);
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? 0;
    if (hashes[hashOf(word)] === 0) continue;
    for (const { form, before } of byWord.get(word) ?? []) {
      const at = 4 * i - before;
      if (at >= 0 && aligned.subarray(at, at + form.bytes.length).equals(form.bytes)) yield form;
    }
  }
}

function hashOf(word: number): number {
  return (word ^ (word >>> 16)) & 0xffff;
}

function addForm(form: Form): void {
  const { bytes } = form;
  forms.push(form);
  longest = Math.max(longest, bytes.length);
  for (const before of [0, 1, 2, 3]) {
    const word = new Int32Array(new Uint8Array(bytes.subarray(before, before + 4)).buffer)[0] ?? 0;
    hashes[hashOf(word)] = 1;
    const others = byWord.get(word);
    if (others === undefined) byWord.set(word, [{ form, before }]);
    else others.push({ form, before });
  }
}

/**
 * Every form that code may turn it into on the way to a log or a row. Halves also find a secret that is cut, or nearly
 * right.
 */
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
  // The bytes that its digits encode.
  if (/^[0-9a-f]{48}$/.test(random)) found.push(['its random bytes', Buffer.from(random, 'hex')]);
  else if (/^[\w+/=-]{40,}$/.test(secret)) found.push(['its decoded bytes', Buffer.from(secret, 'base64')]);
  const unique = new Map<string, readonly [string, Buffer]>();
  for (const [form, text] of found) {
    const form_ = typeof text === 'string' ? Buffer.from(text) : text;
    if (form_.length >= 8 && !unique.has(form_.toString('latin1'))) unique.set(form_.toString('latin1'), [form, form_]);
  }
  return [...unique.values()];
}

/** Its form inside other base64 data, which depends on the number of bytes before it. */
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
