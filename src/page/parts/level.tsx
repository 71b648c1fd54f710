/** Levels as all screens show them: a letter with a colour, the word for screen readers. */

export function LevelMark({ level }: { readonly level: string | undefined }) {
  if (level === undefined) return <span class="level" />;
  return (
    <span class={`level level-${level}`} title={level}>
      <span aria-hidden="true">{level.charAt(0).toUpperCase()}</span>
      <span class="unseen">{level}</span>
    </span>
  );
}
