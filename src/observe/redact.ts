/**
 * Takes out of a text what looks like a secret. Nobody should put one into a path, a name or an id, and some do: what
 * they sent is theirs, but our logs must not keep it (access.md, Tokens: never logged).
 */

const MASK = '[secret]';

/** A prefix, `_` and what is about as long as our random part: one that was mistyped is nearly the right one. */
const TOKEN = /[a-z]{2,8}(?:_|%5f)[0-9a-z]{44,}/gi;
/**
 * Of a JWT (RFC 7519), also without its signature, or with only a part of it. Heads are short, and the bound keeps texts
 * that are made of nothing but beginnings from taking long.
 */
const JWT = /eyJ[\w%-]{8,400}\.[\w%-]{8,}(?:\.[\w%-]*)?/g;
/** What follows the scheme of a header or the prefix of a WebSocket subprotocol, whatever it looks like. */
const BEARER = /(bearer(?:[ .]|%20)+)[\w.~+/=%-]{16,}/gi;
/** What stands in a query under a name that says it all. */
const PARAMETER = /((?:^|[?&])(?:access_token|token|ticket|credential|authorization)=)[^&\s"'\\]+/gi;

/** The text with `[secret]` in place of each. What has none comes back as it is. */
export function masked(text: string): string {
  return text.replace(BEARER, `$1${MASK}`).replace(PARAMETER, `$1${MASK}`).replace(JWT, MASK).replace(TOKEN, MASK);
}

/** Whether there is one in it. */
export function holdsSecret(text: string): boolean {
  return masked(text) !== text;
}
