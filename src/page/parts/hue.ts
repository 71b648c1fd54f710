/** A colour for each service or stream, the same on all screens and after a reload: by its name. */

const HUES = 8;

/** `var(--hue-3)`: readable on every ground, in light and dark. The name stands beside it: colour never tells alone. */
export function hueOf(name: string): string {
  let hash = 2_166_136_261;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16_777_619);
  return `var(--hue-${(hash >>> 0) % HUES})`;
}
