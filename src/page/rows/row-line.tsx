/** One row of a list: time, level, place, service, what it says, and what is folded behind it. */

import { hueOf } from '../parts/hue.ts';
import { LevelMark } from '../parts/level.tsx';
import { type TimeStyle, timeText } from '../parts/time.ts';
import type { Row } from '../wire/rows.ts';
import { type Pair, pairsOf, pairText, quoted, type RowSummary, summaryOf } from './summary.ts';
import { coloredPieces, visibleText } from './visible-text.ts';

export interface RowLook {
  /** Such as `time`, `level`, `stream`, `seq`, `service`, `trace`, or the field of an attribute. */
  readonly columns: readonly string[];
  readonly isWrapped: boolean;
  readonly times: TimeStyle;
  readonly now: number;
}

export interface RowLineProps {
  /** Of the element, for `aria-activedescendant`. */
  readonly elementId: string;
  readonly stream: string;
  readonly row: Row;
  readonly look: RowLook;
  readonly isSelected: boolean;
  /** Said on a line across above the row, such as what was trimmed there. */
  readonly rule?: string | undefined;
}

/** Lines that an unfolded row shows at most; the record has all. */
const LINES_MAX = 60;
const TRACE_CHARS = 8;
/** The list has the focus and names the selected row, so rows take none by Tab. */
const option = (isSelected: boolean) => ({ role: 'option', tabIndex: -1, 'aria-selected': isSelected }) as const;

export function RowLine({ elementId, stream, row, look, isSelected, rule }: RowLineProps) {
  const summary = summaryOf(row);
  const classes = ['row', row.level === undefined ? '' : `row-${row.level}`, look.isWrapped ? 'row-wrapped' : ''];
  if (row.status?.code === 'error') classes.push('row-error');
  return (
    <div id={elementId} class={classes.filter((name) => name !== '').join(' ')} {...option(isSelected)}>
      {rule !== undefined && <span class="row-rule">{rule}</span>}
      {look.columns.map((column) => (
        <RowCell key={column} column={column} stream={stream} row={row} look={look} />
      ))}
      <span class="row-said">
        <RowText summary={summary} />
        {look.isWrapped && summary.rest.length > 0 && <RowRest lines={summary.rest} />}
      </span>
    </div>
  );
}

function RowCell({
  column,
  stream,
  row,
  look,
}: {
  readonly column: string;
  readonly stream: string;
  readonly row: Row;
  readonly look: RowLook;
}) {
  switch (column) {
    case 'time': {
      const time = row.endTimestamp ?? row.timestamp;
      return (
        <span class="row-time" title={time}>
          {timeText(time, look.times, look.now)}
        </span>
      );
    }
    case 'level':
      return (
        <span class="row-level" data-field={row.level && 'level'} data-value={row.level}>
          <Badge row={row} />
        </span>
      );
    case 'stream':
      return (
        <span class="row-stream" title={`${stream} #${row.seqNum}`} data-stream={stream}>
          <span class="row-name">{visibleText(stream)}</span> <span class="row-seq">#{row.seqNum}</span>
        </span>
      );
    case 'seq':
      return (
        <span class="row-seq row-number" title={`${stream} #${row.seqNum}`}>
          #{row.seqNum}
        </span>
      );
    case 'service': {
      const name = row.serviceName ?? '';
      return (
        <span class="row-service" title={name} style={{ color: hueOf(name) }} data-field="service" data-value={name}>
          {visibleText(name)}
        </span>
      );
    }
    case 'trace':
      return (
        <span class="row-trace" data-field={row.traceId && 'trace_id'} data-value={row.traceId}>
          {row.traceId?.slice(0, TRACE_CHARS)}
        </span>
      );
    default:
      return <ValueCell field={column} row={row} />;
  }
}

function Badge({ row }: { readonly row: Row }) {
  if (row.signal === 'traces') return <Kind letter="S" name={row.status?.code === 'error' ? 'failed span' : 'span'} />;
  if (row.signal === 'metrics') return <Kind letter="M" name="metric" />;
  if (row.signal === null) return <Kind letter="R" name="record" />;
  return <LevelMark level={row.level} />;
}

function Kind({ letter, name }: { readonly letter: string; readonly name: string }) {
  return (
    <span class={`level kind-${name.replace(' ', '-')}`} title={name}>
      <span aria-hidden="true">{letter}</span>
      <span class="unseen">{name}</span>
    </span>
  );
}

/** The value of an attribute as a column of its own. */
function ValueCell({ field, row }: { readonly field: string; readonly row: Row }) {
  const value = fieldValue(row, field) ?? '';
  return (
    <span class="row-value" title={`${field}: ${value}`} data-field={field} data-value={value}>
      {visibleText(value)}
    </span>
  );
}

/** What a row has for the field of a filter, as text. */
function fieldValue(row: Row, field: string): string | undefined {
  if (field === 'name') return row.type;
  if (field === 'duration') return row.durationMs?.toString();
  return [...pairsOf(row.metadata ?? {}, 'attr'), ...pairsOf(row.resource ?? {}, 'resource')].find(
    (pair) => pair.field === field,
  )?.value;
}

/** All that a filter may ask of a row, for its menu: the most useful first. */
export function fieldsOf(row: Row): readonly Pair[] {
  const single = (key: string, value: string | undefined): readonly Pair[] =>
    value === undefined || value === '' ? [] : [{ key, value, field: key }];
  return [
    ...single('level', row.level),
    ...single('service', row.serviceName),
    ...single('name', row.type),
    ...single('trace_id', row.traceId),
    ...single('span_id', row.spanId),
    ...single('signal', row.signal ?? undefined),
    ...single('status', row.signal === 'traces' ? row.status?.code : undefined),
    ...pairsOf(row.metadata ?? {}, 'attr'),
    ...(row.headers ?? []).map(([key, value]) => ({ key, value, field: `header.${quoted(key)}` })),
    ...pairsOf(row.resource ?? {}, 'resource').map((pair) => ({ ...pair, key: `resource.${pair.key}` })),
  ];
}

function RowText({ summary }: { readonly summary: RowSummary }) {
  const { headline, facts, pairs, rest } = summary;
  return (
    <>
      <span class="row-message">
        {coloredPieces(headline).map(({ text, look }, i) =>
          look === '' ? (
            text
          ) : (
            <span key={i} class={look}>
              {text}
            </span>
          ),
        )}
      </span>
      {facts.map(({ text, look }) => (
        <span key={text} class={look === undefined ? 'row-fact' : `row-fact row-${look}`}>
          {visibleText(text)}
        </span>
      ))}
      {rest.length > 0 && (
        <span class="row-more" title={`${rest.length} more lines`}>
          +{rest.length}
        </span>
      )}
      {pairs.map((pair) => (
        <span
          key={pair.key}
          class="row-pair"
          data-field={pair.field === 'body' ? undefined : pair.field}
          data-value={pair.value}
        >
          <span class="row-key">{visibleText(pair.key)}=</span>
          {visibleText(pairText(pair).slice(pair.key.length + 1))}
        </span>
      ))}
    </>
  );
}

function RowRest({ lines }: { readonly lines: readonly string[] }) {
  const shown = lines.length > LINES_MAX ? lines.slice(0, LINES_MAX - 1) : lines;
  return (
    <span class="row-rest">
      {shown.map((line, i) => (
        <span key={i}>
          {coloredPieces(line).map(({ text, look }, at) => (
            <span key={at} class={look}>
              {text}
            </span>
          ))}
        </span>
      ))}
      {shown.length < lines.length && (
        <span class="row-dim">… {lines.length - shown.length} more lines in the record</span>
      )}
    </span>
  );
}
