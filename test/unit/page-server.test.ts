/** What the page's Server works out by itself: figures of metrics, and what a token may do in words. */

import { describe, expect, test } from '@jest/globals';
import { GRANTED_OPERATIONS, operationsOf } from '../../src/model/operation.ts';
import { auditRows, isFound, resourceText, whoText } from '../../src/page/server/audit-facts.ts';
import { quantileOf, ratesOf, sumOf, sumsBy } from '../../src/page/server/figures.ts';
import { applyPreset, emptyForm, formFault, PRESETS, requestOf } from '../../src/page/server/token-form.ts';
import { mayText, OPERATIONS, operationsHeld, summaryOf, whereText } from '../../src/page/server/token-words.ts';
import { parseMetrics } from '../../src/page/wire/server-state.ts';

describe('metrics', () => {
  const text = (fast: number, slow: number): string => `# HELP x y
# TYPE tailrace_commit_latency_seconds histogram
tailrace_commit_latency_seconds_bucket{le="0.001"} 0
tailrace_commit_latency_seconds_bucket{le="0.01"} ${fast}
tailrace_commit_latency_seconds_bucket{le="0.1"} ${fast + slow}
tailrace_commit_latency_seconds_bucket{le="+Inf"} ${fast + slow}
tailrace_appended_records_total{kind="otlp"} ${10 * fast}
tailrace_appended_records_total{kind="s2"} 5
tailrace_otlp_rejected_total{signal="logs",reason="a \\"b\\""} 3
`;
  const before = { at: 1_000, lines: parseMetrics(text(10, 0)) };
  const now = { at: 3_000, lines: parseMetrics(text(20, 10)) };

  test('lines have names, labels and values, and comments are none', () => {
    expect(now.lines).toHaveLength(7);
    expect(sumOf(now, 'tailrace_appended_records_total')).toBe(205);
    expect(sumOf(now, 'tailrace_appended_records_total', { kind: 's2' })).toBe(5);
    expect(sumOf(now, 'unknown')).toBeUndefined();
    expect(sumsBy(now, 'tailrace_otlp_rejected_total', 'reason', { signal: 'logs' })).toEqual([['a "b"', 3]]);
  });

  test('a rate is between two looks, and a server that was started again gives none', () => {
    expect(ratesOf([before, now], 'tailrace_appended_records_total')).toEqual([50]);
    expect(ratesOf([now, { ...before, at: 5_000 }], 'tailrace_appended_records_total')).toEqual([]);
  });

  test('a quantile is of what came between two looks, on a line between two bounds', () => {
    const name = 'tailrace_commit_latency_seconds';
    expect(quantileOf(now, before, name, 0.25)).toBeCloseTo(0.001 + 0.009 * 0.5);
    expect(quantileOf(now, before, name, 1)).toBeCloseTo(0.1);
    expect(quantileOf(now, undefined, name, 0.5)).toBeCloseTo(0.001 + 0.009 * 0.75);
    expect(quantileOf(now, now, name, 0.5)).toBeUndefined();
  });
});

describe('what a token may do', () => {
  const none = { read: false, write: false };
  const scope = {
    ...{ basins: { exact: 'telemetry' }, streams: { prefix: 'shop/' }, access_tokens: null, ops: ['append'] },
    op_groups: { account: none, basin: none, stream: none },
  };

  test('the operations and groups are those of the server', () => {
    expect(Object.keys(OPERATIONS).sort()).toEqual([...GRANTED_OPERATIONS].sort());
    for (const group of ['account', 'basin', 'stream'] as const) {
      for (const mode of ['read', 'write'] as const) {
        const groups = { account: none, basin: none, stream: none, [group]: { ...none, [mode]: true } };
        expect([...operationsHeld({ op_groups: groups, ops: [] })].sort()).toEqual([...operationsOf(groups)].sort());
      }
    }
  });

  test('it is said in words, with what it reaches and until when', () => {
    expect(summaryOf({ scope, auto_prefix_streams: true, expires: undefined })).toEqual([
      'It may append records, and nothing else.',
      'It reaches streams that begin with shop/ in the basin telemetry.',
      'Where it says orders, it gets shop/orders: the beginning is put before every name, and hidden from it.',
      'It never expires.',
    ]);
    expect(whereText({ basins: { prefix: '' }, streams: { exact: 'a' } })).toBe('the stream a in all basins');
    expect(mayText({ op_groups: { ...scope.op_groups, stream: { read: true, write: false } }, ops: ['append'] })).toBe(
      'read records; append records',
    );
  });

  test('a scope that reaches nothing is told', () => {
    const summary = summaryOf({ scope: { ...scope, streams: null }, auto_prefix_streams: false, expires: 'soon' });
    expect(summary).toContain('That is no stream at all: say which basins and streams.');
    expect(summary).toContain('It expires soon.');
    expect(summaryOf({ scope: { ...scope, ops: [] }, auto_prefix_streams: false, expires: undefined })[0]).toMatch(
      /^It may do nothing/,
    );
  });

  test('the form asks for what is missing, and makes the request', () => {
    const form = emptyForm('telemetry');
    expect(formFault(form)).toMatch(/^Give it an id/);
    const named = { ...form, id: ' web ', streams: { kind: 'prefix', name: '' } as const };
    expect(formFault(named)).toBe('Say which stream, or choose all.');
    const whole = { ...named, streams: { kind: 'prefix', name: 'web-' } as const, isPrefixed: true, expiry: '7' };
    expect(formFault(whole)).toBeUndefined();
    expect(formFault({ ...whole, ops: [] })).toBe('Choose what it may do.');
    expect(formFault({ ...whole, expiry: 'at' })).toBe('Say when it expires.');
    expect(requestOf(whole, 0)).toMatchObject({
      id: 'web',
      expires_at: '1970-01-08T00:00:00.000Z',
      auto_prefix_streams: true,
      scope: { basins: { exact: 'telemetry' }, streams: { prefix: 'web-' }, access_tokens: null, ops: ['append'] },
    });
    const all = PRESETS.find(({ isAccount }) => isAccount === true);
    expect(requestOf(applyPreset(whole, all, 'telemetry'), 0).scope.basins).toEqual({ prefix: '' });
  });
});

describe('lines of the audit log', () => {
  const entry = { time: '2026-11-29T10:00:00.000Z', action: 'read', outcome: 'refused', principal: 'none' };

  test('that say the same one after the other are one row, with the newest time', () => {
    const older = { ...entry, time: '2026-11-29T09:00:00.000Z', correlation_id: 'b' };
    const other = { ...entry, stream: 's' };
    expect(auditRows([{ ...entry, correlation_id: 'a' }, older, other, older])).toEqual([
      { entry: { ...entry, correlation_id: 'a' }, times: 2 },
      { entry: other, times: 1 },
      { entry: older, times: 1 },
    ]);
  });

  test('name who it was: a token by its id, also one that is called unknown, and others in words', () => {
    expect(whoText(entry)).toBe('without a token');
    expect(whoText({ ...entry, principal: 'unknown' })).toBe('an unknown token');
    expect(whoText({ ...entry, principal: 'unknown', principal_number: 3 })).toBe('unknown');
    expect(whoText({ time: entry.time, action: 'refusals-held-back', outcome: 'refused' })).toBe('several');
  });

  test('name what it was done to, and are found by any of their words', () => {
    expect(resourceText({ ...entry, basin: 'telemetry', stream: 'shop', token_id: 'ci' })).toBe(
      'telemetry / shop, token ci',
    );
    expect(resourceText(entry)).toBe('');
    expect(isFound({ ...entry, stream: 'shop' }, 'WITHOUT shop')).toBe(true);
    expect(isFound({ ...entry, stream: 'shop' }, 'without other')).toBe(false);
  });
});
