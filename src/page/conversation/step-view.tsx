/** The steps of a conversation: agents as frames, turns of models with their messages, runs of tools. */

import { hueOf } from '../parts/hue.ts';
import { countText, dayText, spanText, timeStyle, timeText } from '../parts/time.ts';
import { oneLine } from '../record/printable.ts';
import { costText } from '../record/record-parts.ts';
import { ValueView } from '../record/value-view.tsx';
import { hrefOf } from '../state/place.ts';
import { basin } from '../state/session.ts';
import { addressText, type Json, type Row } from '../wire/rows.ts';
import { tokensText } from './conversation-head.tsx';
import { MessageView } from './message-view.tsx';
import type { MissingContent } from './missing-content.ts';
import type { ConversationStep, ModelTurn, StepGroup, ToolRun } from './steps.ts';

export interface StepListProps {
  readonly steps: readonly ConversationStep[];
  /** The span that a link names. */
  readonly chosen: string | undefined;
}

export function StepList({ steps, chosen }: StepListProps) {
  return (
    <ol class="chat-steps">
      {steps.map((step) => (
        <li key={step.key}>
          <Step step={step} chosen={chosen} />
        </li>
      ))}
    </ol>
  );
}

function Step({ step, chosen }: { readonly step: ConversationStep; readonly chosen: string | undefined }) {
  const { row } = step;
  const isFailed = row.status?.code === 'error';
  const classes = ['chat-step', `chat-${step.type}`, isFailed ? 'is-failed' : ''];
  const isChosen = row.spanId !== undefined && row.spanId === chosen;
  return (
    <article
      id={`step-${row.spanId ?? step.key}`}
      class={classes.join(' ')}
      tabIndex={-1}
      aria-label={labelOf(step)}
      aria-current={isChosen ? 'true' : undefined}
    >
      <StepHead step={step} />
      {isFailed && <p class="chat-error">✗ {oneLine(row.status?.message ?? errorType(row) ?? 'failed')}</p>}
      {step.type === 'turn' && <Turn turn={step} />}
      {step.type === 'tool' && <Tool run={step} />}
      {step.children.length > 0 && <StepList steps={step.children} chosen={chosen} />}
    </article>
  );
}

function labelOf(step: ConversationStep): string {
  if (step.type === 'turn') return `Turn of ${step.row.model ?? step.row.type ?? 'a model'}`;
  return step.type === 'tool' ? `Tool ${step.name}` : nameOfGroup(step);
}

function nameOfGroup({ row }: StepGroup): string {
  const agent = row.metadata?.['gen_ai.agent.name'];
  return typeof agent === 'string' ? `agent ${agent}` : (row.type ?? 'steps');
}

function StepHead({ step }: { readonly step: ConversationStep }) {
  const { row, stream } = step;
  const style = timeStyle.value === 'relative' ? 'local' : timeStyle.value;
  const trace = { basin: basin.value, trace: row.traceId, span: row.spanId };
  return (
    <header>
      <strong style={{ color: hueOf(row.serviceName ?? '') }}>
        {step.type === 'turn' ? modelText(row) : step.type === 'tool' ? `⚙ ${oneLine(step.name)}` : nameOfGroup(step)}
      </strong>
      {figures(row).map((text) => (
        <span key={text}>{text}</span>
      ))}
      <span class="muted" title={row.timestamp}>
        {dayText(row.timestamp, style)} {timeText(row.timestamp, style, 0)}
      </span>
      <span class="chat-links">
        <a href={hrefOf('trace', trace)}>trace</a>
        <a href={hrefOf('record', { basin: basin.value, row: addressText({ stream, seqNum: row.seqNum }) })}>
          {stream} #{row.seqNum}
        </a>
      </span>
    </header>
  );
}

/** The model that was asked for; that which answered stands behind it where its name differs. */
function modelText({ model, metadata = {}, type }: Row): string {
  const answered = metadata['gen_ai.response.model'] ?? metadata['ai.response.model'];
  const asked = oneLine(model ?? type ?? 'model');
  return typeof answered === 'string' && answered !== asked ? `${asked} (${oneLine(answered)})` : asked;
}

function figures({ durationMs, inputTokens, outputTokens, cacheReadTokens, costMicrocents, metadata = {} }: Row) {
  const reasons = metadata['gen_ai.response.finish_reasons'] ?? metadata['ai.response.finishReason'];
  const first = metadata['ai.response.msToFirstChunk'] ?? metadata['gen_ai.server.time_to_first_token'];
  return [
    durationMs === undefined ? 'open' : spanText(durationMs),
    typeof first === 'number' ? `first after ${spanText(first)}` : '',
    tokensText(inputTokens, outputTokens, cacheReadTokens),
    costMicrocents === undefined ? '' : `cost ${costText(costMicrocents)}`,
    Array.isArray(reasons) ? reasons.join(', ') : typeof reasons === 'string' ? reasons : '',
  ].filter((text) => text !== '');
}

function errorType({ metadata }: Row): string | undefined {
  const type = metadata?.['error.type'];
  return typeof type === 'string' ? type : undefined;
}

function Turn({ turn }: { readonly turn: ModelTurn }) {
  const { history, input, output, missing } = turn;
  return (
    <>
      {history.length > 0 && (
        <details class="chat-history">
          <summary class="muted">
            {countText(history.length)} earlier {history.length === 1 ? 'message' : 'messages'}, sent again
          </summary>
          {history.map((message, i) => (
            <MessageView key={`${i} ${message.role}`} message={message} />
          ))}
        </details>
      )}
      {[...input, ...output].map((message, i) => (
        <MessageView key={`${i} ${message.role}`} message={message} />
      ))}
      {missing !== undefined && <Missing missing={missing} />}
    </>
  );
}

function Missing({ missing: { sdk, setting, note } }: { readonly missing: MissingContent }) {
  return (
    <div class="chat-missing">
      <p>The messages are not in this span. It comes from {sdk}, which records them with</p>
      <code>{setting}</code>
      <p class="muted">{note} They hold what users write: see that you may keep that.</p>
    </div>
  );
}

function Tool({ run: { args, result } }: { readonly run: ToolRun }) {
  return (
    <dl class="chat-tool-facts">
      {args !== undefined && args !== null && (
        <div>
          <dt>arguments</dt>
          <dd>
            <ValueView value={args as Json} />
          </dd>
        </div>
      )}
      {result !== undefined && result !== null && (
        <div>
          <dt>result</dt>
          <dd>
            <ValueView value={result as Json} />
          </dd>
        </div>
      )}
    </dl>
  );
}
