/** JSON text in which -0 keeps its sign: `JSON.stringify` writes 0 for it, though JSON has -0 and `JSON.parse` reads it. */

/** Takes what JSON can hold; undefined members are left out. */
export function jsonText(value: unknown): string {
  return holdsNegativeZero(value) ? exactText(value) : JSON.stringify(value);
}

function holdsNegativeZero(value: unknown): boolean {
  if (typeof value === 'number') return Object.is(value, -0);
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some(holdsNegativeZero);
}

function exactText(value: unknown): string {
  if (Object.is(value, -0)) return '-0';
  if (Array.isArray(value)) return `[${value.map((entry) => exactText(entry)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${exactText(member)}`).join(',')}}`;
}
