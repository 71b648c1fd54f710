/**
 * A conversation as one reads it: calls of models as turns with what is new in them, tools between them, agents around
 * them. Models get the whole history again with every call; it is told apart from what is new.
 */

import type { Row } from '../wire/rows.ts';
import { type ChatMessage, messageKey, parsedJson, someText } from './message-forms.ts';
import { type MissingContent, missingContent } from './missing-content.ts';
import { spanMessages } from './span-messages.ts';

/** A span that is about a model, or one that only says who its parent is. */
export interface ChatSpan {
  readonly stream: string;
  readonly row: Row;
  /** Logs with its id. */
  readonly logs: readonly Row[];
}

interface StepFacts {
  readonly key: string;
  readonly stream: string;
  readonly row: Row;
  readonly children: readonly ConversationStep[];
}

export interface ModelTurn extends StepFacts {
  readonly type: 'turn';
  /** What it was sent that an earlier turn had already. */
  readonly history: readonly ChatMessage[];
  readonly input: readonly ChatMessage[];
  readonly output: readonly ChatMessage[];
  /** Where there are no messages: how to get them. */
  readonly missing: MissingContent | undefined;
}

export interface ToolRun extends StepFacts {
  readonly type: 'tool';
  readonly name: string;
  readonly callId: string | undefined;
  readonly args: unknown;
  readonly result: unknown;
}

export interface StepGroup extends StepFacts {
  readonly type: 'group';
}

export type ConversationStep = ModelTurn | ToolRun | StepGroup;

export interface ConversationTotals {
  readonly turns: number;
  readonly tools: number;
  readonly errors: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
  readonly costMicrocents: number;
  readonly models: readonly string[];
}

interface Placed {
  readonly span: ChatSpan;
  readonly children: Placed[];
  /** Of its descendants and itself. */
  hasModel: boolean;
}

const MODEL_TYPES: ReadonlySet<string | undefined> = new Set([
  'llm',
  'compose',
  'text_completion',
  'generate_content',
  'completion',
]);
const TOOL_TYPES: ReadonlySet<string | undefined> = new Set(['tool', 'execute_tool']);
const WRAPPERS: ReadonlySet<string | undefined> = new Set([
  'chain',
  'task',
  'workflow',
  'ai.generateText',
  'ai.streamText',
  'ai.generateObject',
  'ai.streamObject',
]);
const ABOUT = /^(gen_ai|llm|ai|traceloop|openinference)\./;

/** Whether a record belongs into a conversation. */
export function isChatRow({ spanType, model, metadata = {}, events = [], type, signal }: Row): boolean {
  if (signal === 'logs')
    return type?.startsWith('gen_ai.') === true || String(metadata['event.name'] ?? '').startsWith('gen_ai.');
  if (spanType !== undefined || model !== undefined) return true;
  return (
    Object.keys(metadata).some((key) => ABOUT.test(key)) ||
    events.some(({ name }) => String(name).startsWith('gen_ai.'))
  );
}

/** A span in all traces, for the parents of {@link conversationSteps}. */
export function spanPlace(traceId: string | undefined, spanId: string): string {
  return `${traceId ?? ''} ${spanId}`;
}

/** `parents`: of every span its parent, by {@link spanPlace}, so that spans in between need not be kept. */
export function conversationSteps(
  spans: readonly ChatSpan[],
  parents: ReadonlyMap<string, string | undefined>,
): readonly ConversationStep[] {
  const known = new Map<string, Placed>();
  const placed = [...spans]
    .sort((a, b) => order(a.row, b.row))
    .map((span): Placed => {
      const one = { span, children: [], hasModel: isModel(span.row) };
      if (span.row.spanId !== undefined) known.set(placeOf(span.row), one);
      return one;
    });
  const top: Placed[] = [];
  for (const one of placed) (ancestorOf(one, known, parents)?.children ?? top).push(one);
  for (const one of placed) if (one.hasModel) markAbove(one, known, parents);
  return new StepBuilder().stepsOf(top, undefined);
}

export function totalsOf(steps: readonly ConversationStep[]): ConversationTotals {
  const totals = { turns: 0, tools: 0, errors: 0, inputTokens: 0, outputTokens: 0, cachedTokens: 0, costMicrocents: 0 };
  const models = new Set<string>();
  const visit = (step: ConversationStep): void => {
    const { row } = step;
    if (row.status?.code === 'error') totals.errors++;
    if (step.type === 'tool') totals.tools++;
    // What a group counts is the sum of what is below it.
    if (step.type === 'turn') {
      totals.turns++;
      totals.inputTokens += row.inputTokens ?? 0;
      totals.outputTokens += row.outputTokens ?? 0;
      totals.cachedTokens += row.cacheReadTokens ?? 0;
      totals.costMicrocents += row.costMicrocents ?? 0;
      if (row.model !== undefined) models.add(row.model);
    }
    step.children.forEach(visit);
  };
  steps.forEach(visit);
  return { ...totals, models: [...models] };
}

class StepBuilder {
  /** What the turns below one parent have said so far, by how often; and the last turn of all. */
  readonly #said = new Map<string, ReadonlyMap<string, number>>();
  #last: ReadonlyMap<string, number> = new Map();
  /** Calls of tools of which a run is shown. */
  readonly #runs = new Set<string>();
  /** Calls that stand in a turn: their arguments need not be shown again. */
  readonly #asked = new Set<string>();

  stepsOf(all: readonly Placed[], thread: string | undefined): readonly ConversationStep[] {
    for (const { span } of all) {
      const callId = isTool(span.row)
        ? someText(span.row.metadata?.['gen_ai.tool.call.id'] ?? span.row.metadata?.['ai.toolCall.id'])
        : undefined;
      if (callId !== undefined) this.#runs.add(callId);
    }
    return all.flatMap((one) => this.#stepsOfOne(one, thread ?? ''));
  }

  #stepsOfOne(one: Placed, thread: string): readonly ConversationStep[] {
    const { span, children } = one;
    const { row, stream } = span;
    const key = `${stream}:${row.seqNum}`;
    const facts = { key, stream, row };
    if (isTool(row)) {
      const run = toolFacts(row);
      const args = run.callId !== undefined && this.#asked.has(run.callId) ? undefined : run.args;
      return [{ ...facts, ...run, args, type: 'tool', children: this.stepsOf(children, key) }];
    }
    const hasModelBelow = children.some(({ hasModel }) => hasModel);
    const messages = hasModelBelow ? undefined : spanMessages(row, span.logs);
    const isTurn = messages !== undefined && (isModel(row) || messages.input.length + messages.output.length > 0);
    if (isTurn) {
      const turn = this.#turnOf(messages.input, messages.output, thread);
      const missing =
        messages.input.length + messages.output.length === 0 && row.status?.code !== 'error'
          ? missingContent(row)
          : undefined;
      return [{ ...facts, ...turn, type: 'turn', missing, children: this.stepsOf(children, key) }];
    }
    const below = this.stepsOf(children, key);
    return WRAPPERS.has(row.spanType) && below.length === 1 ? below : [{ ...facts, type: 'group', children: below }];
  }

  #turnOf(
    input: readonly ChatMessage[],
    output: readonly ChatMessage[],
    thread: string,
  ): Pick<ModelTurn, 'history' | 'input' | 'output'> {
    const left = new Map(this.#said.get(thread) ?? this.#last);
    const history: ChatMessage[] = [];
    const fresh: ChatMessage[] = [];
    for (const message of input) {
      const key = messageKey(message);
      const times = left.get(key) ?? 0;
      const isShown = message.parts.every(
        (part) => part.type === 'result' && part.id !== undefined && this.#runs.has(part.id),
      );
      if (times > 0) left.set(key, times - 1);
      (times > 0 || isShown ? history : fresh).push(message);
    }
    for (const part of output.flatMap(({ parts }) => parts)) {
      if (part.type === 'call' && part.id !== undefined) this.#asked.add(part.id);
    }
    const said = new Map<string, number>();
    for (const message of [...input, ...output]) {
      const key = messageKey(message);
      said.set(key, (said.get(key) ?? 0) + 1);
    }
    this.#said.set(thread, said);
    this.#last = said;
    return { history, input: fresh, output };
  }
}

function toolFacts(row: Row): Pick<ToolRun, 'name' | 'callId' | 'args' | 'result'> {
  const metadata = row.metadata ?? {};
  const args = row.input ?? metadata['gen_ai.tool.call.arguments'] ?? metadata['tool.parameters'];
  const result = row.output ?? metadata['gen_ai.tool.call.result'];
  return {
    name:
      someText(metadata['gen_ai.tool.name']) ??
      someText(metadata['ai.toolCall.name']) ??
      someText(metadata['tool.name']) ??
      someText(metadata['traceloop.entity.name']) ??
      row.type ??
      'tool',
    callId: someText(metadata['gen_ai.tool.call.id']) ?? someText(metadata['ai.toolCall.id']),
    args: typeof args === 'string' ? parsedJson(args) : args,
    result: typeof result === 'string' ? parsedJson(result) : result,
  };
}

function isTool({ spanType }: Row): boolean {
  return TOOL_TYPES.has(spanType);
}

function isModel({ spanType, metadata = {}, model, inputTokens, outputTokens }: Row): boolean {
  if (MODEL_TYPES.has(spanType)) return true;
  if (spanType !== undefined) return false;
  return (
    metadata['llm.request.type'] !== undefined || (model !== undefined && (inputTokens ?? outputTokens) !== undefined)
  );
}

function order(a: Row, b: Row): number {
  return a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : a.seqNum - b.seqNum;
}

function placeOf({ traceId, spanId, parentSpanId }: Row, isParent = false): string {
  return spanPlace(traceId, (isParent ? parentSpanId : spanId) ?? '');
}

/** The nearest span above that is kept. What goes round in a ring ends. */
function ancestorOf(
  { span: { row } }: Placed,
  known: ReadonlyMap<string, Placed>,
  parents: ReadonlyMap<string, string | undefined>,
): Placed | undefined {
  const own = placeOf(row);
  for (const place of placesAbove(row, known, parents)) {
    const found = known.get(place);
    if (found === undefined) continue;
    // One that has this span above itself must not hold it.
    for (const above of placesAbove(found.span.row, known, parents)) if (above === own) return undefined;
    return found;
  }
  return undefined;
}

function* placesAbove(
  row: Row,
  known: ReadonlyMap<string, Placed>,
  parents: ReadonlyMap<string, string | undefined>,
): Generator<string> {
  const seen = new Set([placeOf(row)]);
  let place: string | undefined = row.parentSpanId === undefined ? undefined : placeOf(row, true);
  while (place !== undefined && !seen.has(place)) {
    seen.add(place);
    yield place;
    const above = known.get(place)?.span.row;
    place =
      above === undefined ? parents.get(place) : above.parentSpanId === undefined ? undefined : placeOf(above, true);
  }
  // A ring comes back to where it began.
  if (place !== undefined && place === placeOf(row)) yield place;
}

function markAbove(
  one: Placed,
  known: ReadonlyMap<string, Placed>,
  parents: ReadonlyMap<string, string | undefined>,
): void {
  for (
    let up = ancestorOf(one, known, parents);
    up !== undefined && !up.hasModel;
    up = ancestorOf(up, known, parents)
  ) {
    up.hasModel = true;
  }
}
