/**
 * Whether a name matches a pattern, as the server takes patterns for reads of many streams: `*` stands for any characters,
 * also none and also slashes, every other character for itself.
 */

export function matchesGlob(name: string, glob: string): boolean {
  const [first = '', ...parts] = glob.split('*');
  const last = parts.pop();
  if (last === undefined) return name === glob;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts) {
    const found = name.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
