/**
 * Takes out of a text what looks like a secret. Clients should not put one into a path, a name or an id, but some do,
 * and our logs must not keep it.
 */

const MASK = '[secret]';

/** A prefix, `_` and about as much as the random part of our tokens: a mistyped token is nearly a right one. */
const TOKEN = /[a-z]{2,8}(?:_|%5f)[0-9a-z]{44,}/gi;
/**
 * A JWT (RFC 7519), also without its signature or with a part of it. Headers are short; without the bound, a text of
 * nothing but beginnings of JWTs would take long.
 */
const JWT = /eyJ[\w%-]{8,400}\.[\w%-]{8,}(?:\.[\w%-]*)?/g;
/** Whatever follows the `Bearer` scheme of a header or the `bearer.` prefix of a WebSocket subprotocol. */
const BEARER = /(bearer(?:[ .]|%20)+)[\w.~+/=%-]{16,}/gi;
/** The value of a parameter of a query or a fragment whose name says that it is secret. */
const PARAMETER = /((?:^|[?&#])(?:access_token|token|ticket|login|credential|authorization)=)[^&\s"'\\]+/gi;

/** The text with `[secret]` in place of each secret; a text without one is returned as it is. */
export function redact(text: string): string {
  return text.replace(BEARER, `$1${MASK}`).replace(PARAMETER, `$1${MASK}`).replace(JWT, MASK).replace(TOKEN, MASK);
}

/** Whether the text holds what looks like a secret. */
export function holdsSecret(text: string): boolean {
  return redact(text) !== text;
}
