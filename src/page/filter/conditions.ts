/** Works on the text of a filter, condition by condition (src/readers/filter/README.md): the text stays what the user typed. */

import { LEVELS, type Level } from '../parts/level-names.ts';

/** White space ends a condition, but not in quotes, and not in a regular expression. */
export function splitConditions(filter: string): readonly string[] {
  const conditions: string[] = [];
  let condition = '';
  let closing = '';
  for (let i = 0; i < filter.length; i++) {
    const sign = filter.charAt(i);
    if (closing === '' && /\s/.test(sign)) {
      if (condition !== '') conditions.push(condition);
      condition = '';
      continue;
    }
    condition += sign;
    if (closing !== '' && sign === '\\') condition += filter.charAt(++i);
    else if (sign === closing) closing = '';
    else if (closing === '' && (sign === '"' || (sign === '/' && /^!?$|[~]$/.test(condition.slice(0, -1)))))
      closing = sign;
  }
  return condition === '' ? conditions : [...conditions, condition];
}

/** A value as it stands behind an operator. */
export function quotedValue(value: string): string {
  const isPlain = value !== '' && !/[\s"'=!<>~,\\]/.test(value) && !value.startsWith('/');
  return isPlain ? value : JSON.stringify(value);
}

/** `service=checkout`, and with `isOut` the opposite. */
export function equalCondition(field: string, value: string, isOut = false): string {
  return `${field}${isOut ? '!=' : '='}${quotedValue(value)}`;
}

/** The field of a condition, without what turns it round; empty for a word alone. */
function fieldOf(condition: string): string {
  return /^!?((?:[^\s"=!<>~]|"(?:[^"\\]|\\.)*")+?)(?:!=|!~|<=|>=|=|<|>|~)/.exec(condition)?.[1] ?? '';
}

/** Adds a condition. It takes the place of its opposite, and of one that wants another value of the same field. */
export function withCondition(filter: string, condition: string): string {
  const field = fieldOf(condition);
  const isEqual = condition.startsWith(`${field}=`);
  const value = condition.slice(field.length + (isEqual ? 1 : 2));
  const others = splitConditions(filter).filter((other) => {
    if (other === condition || fieldOf(other) !== field || field === '') return other !== condition;
    if (isEqual) return !other.startsWith(`${field}=`) && other !== `${field}!=${value}`;
    return other !== `${field}=${value}`;
  });
  return [...others, condition].join(' ');
}

export function withoutCondition(filter: string, condition: string): string {
  return splitConditions(filter)
    .filter((other) => other !== condition)
    .join(' ');
}

/** Without any condition on these fields. */
export function withoutFields(filter: string, fields: readonly string[]): string {
  return splitConditions(filter)
    .filter((condition) => !fields.includes(fieldOf(condition)))
    .join(' ');
}

/** The levels that a filter wants; undefined where it does not choose, or in a way that chips cannot show. */
export function levelsOf(filter: string): ReadonlySet<Level> | undefined {
  const conditions = splitConditions(filter).filter((condition) => fieldOf(condition) === 'level');
  const [, operator = '', value = ''] = /^level(>=|=)(.+)$/.exec(conditions[0] ?? '') ?? [];
  if (conditions.length !== 1 || operator === '') return undefined;
  const values = value.split(',');
  const from = LEVELS.indexOf(values[0] as Level);
  if (from === -1) return undefined;
  return new Set(operator === '>=' ? LEVELS.slice(from) : LEVELS.filter((level) => values.includes(level)));
}

/** Wants these levels only; none or all of them is no condition. */
export function withLevels(filter: string, levels: ReadonlySet<Level>): string {
  const rest = withoutFields(filter, ['level']);
  if (levels.size === 0 || levels.size === LEVELS.length) return rest;
  const chosen = LEVELS.filter((level) => levels.has(level));
  const from = LEVELS.indexOf(chosen[0] ?? 'debug');
  const isTop = chosen.length > 1 && chosen.length === LEVELS.length - from;
  const condition = isTop ? `level>=${chosen[0]}` : `level=${chosen.join(',')}`;
  return rest === '' ? condition : `${rest} ${condition}`;
}

/** The services that a filter wants. */
export function servicesOf(filter: string): readonly string[] {
  return splitConditions(filter)
    .filter((condition) => condition.startsWith('service='))
    .map((condition) => unquoted(condition.slice('service='.length)));
}

function unquoted(value: string): string {
  if (!value.startsWith('"')) return value;
  try {
    return String(JSON.parse(value));
  } catch {
    return value;
  }
}
