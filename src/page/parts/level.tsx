/** Levels as all screens show them: a letter with a colour, the word for screen readers. */

export const LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const;
export type Level = (typeof LEVELS)[number];

/** Whether a level is one of the five that filters know. */
export function isLevel(level: string | undefined): level is Level {
  return LEVELS.some((name) => name === level);
}

export function LevelMark({ level }: { readonly level: string | undefined }) {
  if (level === undefined) return <span class="level" />;
  return (
    <span class={`level level-${level}`} title={level}>
      <span aria-hidden="true">{level.charAt(0).toUpperCase()}</span>
      <span class="unseen">{level}</span>
    </span>
  );
}
