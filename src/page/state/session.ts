/**
 * Who uses the page: a token in this tab's sessionStorage, or none where the server asks for none. `whoami` decides what
 * shows. The token goes with the first answer 401.
 */

import { computed, signal } from '@preact/signals';
import { call, useToken, WireError } from '../wire/call.ts';
import { place } from './place.ts';

/** What `GET /v1/whoami` says. */
export interface Whoami {
  readonly id: string;
  readonly root: boolean;
  readonly default_basin: string;
  readonly basin: string;
  readonly server_version: string;
  readonly expires_at?: string | null;
  /** Every operation that the token holds, whether by a group or by itself; root has all. */
  readonly operations?: readonly string[];
}

export type SessionState =
  | { readonly type: 'starting' }
  | { readonly type: 'signed-out'; readonly reason: string | undefined }
  /** The server cannot be reached: it is tried again. */
  | { readonly type: 'unreachable'; readonly reason: string }
  | { readonly type: 'signed-in'; readonly who: Whoami };

const KEY = 'tailrace-token';
const RETRY_MS = 2_000;

export const session = signal<SessionState>({ type: 'starting' });

/** The caller; undefined unless signed in. */
export const who = computed(() => (session.value.type === 'signed-in' ? session.value.who : undefined));

/** The basin of the place, else that of the caller. */
export const basin = computed(() => place.value.query.basin ?? who.value?.basin ?? '');

/** Whether the caller may do something; `op` is S2's name of an operation, such as `append` or `list-streams`. */
export function may(op: string): boolean {
  const caller = who.value;
  return caller !== undefined && (caller.root || caller.operations?.includes(op) === true);
}

/** Of a link that signs in, with where it leads. */
const LOGIN = /^#login=([^&]+)(?:&to=([^&]*))?/;

/** Takes a login of the URL, also of one that is pasted later; else the token that the tab has, else none. Call it once. */
export async function startSession(): Promise<void> {
  addEventListener('hashchange', () => {
    if (LOGIN.test(location.hash)) void enterByUrl();
  });
  await enterByUrl();
}

async function enterByUrl(): Promise<void> {
  const login = LOGIN.exec(location.hash);
  if (login === null) {
    await enter(sessionStorage.getItem(KEY) ?? undefined, undefined);
    return;
  }
  const [, secret = '', to = ''] = login;
  // Out of the address at once: it works only once, and no history should hold it.
  const target = decodeURIComponent(to);
  history.replaceState(null, '', target === '' ? '#/' : `#${target.replace(/^#/, '')}`);
  dispatchEvent(new HashChangeEvent('hashchange'));
  try {
    const path = '/v1/logins/exchange';
    const { access_token } = await call<{ access_token: string }>(path, { method: 'POST', body: { login: secret } });
    await enter(access_token, undefined);
  } catch (thrown) {
    const kept = sessionStorage.getItem(KEY) ?? undefined;
    await enter(kept, thrown instanceof WireError ? thrown.message : String(thrown));
  }
}

/** Tries a token that the user typed. Rejects with a WireError when the server does not know it. */
export async function signIn(token: string): Promise<void> {
  useToken(token, () => {});
  const caller = await call<Whoami>('/v1/whoami');
  sessionStorage.setItem(KEY, token);
  useToken(token, refused);
  session.value = { type: 'signed-in', who: caller };
}

/** Forgets the token of this tab; a session of the server's ends. */
export async function signOut(reason?: string): Promise<void> {
  sessionStorage.removeItem(KEY);
  if (reason === undefined) await call('/v1/logins/current', { method: 'DELETE' }).catch(() => {});
  useToken(undefined, () => {});
  session.value = { type: 'signed-out', reason };
}

function refused(error: WireError): void {
  void signOut(`The server does not know this token any more (${error.message}). Sign in again.`);
}

/** `reason` says why a login before it failed. */
async function enter(token: string | undefined, reason: string | undefined): Promise<void> {
  useToken(token, () => {});
  try {
    const caller = await call<Whoami>('/v1/whoami');
    if (token !== undefined) sessionStorage.setItem(KEY, token);
    useToken(token, refused);
    session.value = { type: 'signed-in', who: caller };
  } catch (thrown) {
    const error = thrown instanceof WireError ? thrown : new WireError('unknown', String(thrown), 0);
    if (error.status === 401) {
      sessionStorage.removeItem(KEY);
      useToken(undefined, () => {});
      session.value = { type: 'signed-out', reason: reason ?? (token === undefined ? undefined : error.message) };
      return;
    }
    session.value = { type: 'unreachable', reason: error.message };
    setTimeout(() => void enter(token, reason), RETRY_MS);
  }
}
