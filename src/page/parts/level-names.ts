/** The levels that filters know, for code without components. */

export const LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const;
export type Level = (typeof LEVELS)[number];

/** Whether a level is one of the five that filters know. */
export function isLevel(level: string | undefined): level is Level {
  return LEVELS.some((name) => name === level);
}
