/** Steps of a plan as text and as JSON. */

import { type Colors, escapeControls } from '../print/format.ts';
import type { PlanStep, ShownStep } from './plan.ts';

const SIGNS = { create: '+', change: '~', keep: '=', delete: '-' } as const;

/** `~ stream shop/a  retention-policy 7d → 30d`; without colours for a message, which takes none. */
export function stepText(
  { action, kind, name, changes, token }: ShownStep & Partial<PlanStep>,
  colors?: Colors,
): string {
  const details = changes.map(({ setting, from, to }) => `${setting} ${from === undefined ? '' : `${from} → `}${to}`);
  if (action === 'change' && token !== undefined) details.push('a new secret, the old one stops');
  else if (action === 'change' && changes.length === 0) details.push('a part that is not shown here');
  const text = `${SIGNS[action]} ${kind} ${name}${details.length === 0 ? '' : `  ${details.join(', ')}`}`;
  return paintOf(action, colors)(escapeControls(text));
}

function paintOf(action: ShownStep['action'], colors: Colors | undefined): (text: string) => string {
  if (colors === undefined) return (text) => text;
  return { create: colors.green, change: colors.yellow, keep: colors.dim, delete: colors.red }[action];
}

/** The same for `--json`. */
export function stepJson({ action, kind, name, changes }: ShownStep) {
  const shown = changes.map(({ setting, from, to }) => ({ setting, from: from ?? null, to }));
  return { action, kind, name, changes: shown };
}

/** The steps that change something. */
export function actingSteps(steps: readonly PlanStep[]): readonly PlanStep[] {
  return steps.filter(({ action }) => action !== 'keep');
}

/** The last line of a plan. */
export function unchangedText(steps: readonly PlanStep[]): string {
  const acting = actingSteps(steps).length;
  return countsText(acting, steps.length - acting);
}

/** The same of numbers. */
export function countsText(acting: number, kept: number): string {
  return `= ${kept} unchanged${acting === 0 ? ': nothing differs' : ''}`;
}
