/** Names that are similar to one that does not exist. */

/** The names that are most similar to the wanted one, best first. Leaves out what is too different. */
export function nearest(wanted: string, names: readonly string[]): string[] {
  const scored: { name: string; distance: number }[] = [];
  for (const name of names) {
    const distance = editDistance(wanted.toLowerCase(), name.toLowerCase());
    const isNear = distance <= Math.max(2, wanted.length / 3) || name.includes(wanted) || wanted.includes(name);
    if (isNear) scored.push({ name, distance });
  }
  scored.sort((a, b) => a.distance - b.distance);
  return scored.map(({ name }) => name);
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
