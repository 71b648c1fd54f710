/** Reads a line of logfmt as strictly as its readers do. */

/** A key, and a value that is plain or in quotes as in JSON. */
const PAIR = /([^\s="\p{C}]+)=(?:("(?:[^"\\\p{C}]|\\.)*")|([^\s"=\\\p{C}]+))(?: |$)/uy;

/** Keys and values of a line without its end. @throws Error for what is no logfmt, or has a key twice */
export function parseLogfmt(line: string): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>();
  PAIR.lastIndex = 0;
  while (PAIR.lastIndex < line.length) {
    const at = PAIR.lastIndex;
    const [, key = '', quoted, plain = ''] = PAIR.exec(line) ?? [];
    if (key === '') throw new Error(`no logfmt at ${at}: ${JSON.stringify(line)}`);
    if (pairs.has(key)) throw new Error(`${key} is there twice: ${line}`);
    pairs.set(key, quoted === undefined ? plain : (JSON.parse(quoted) as string));
  }
  return pairs;
}
