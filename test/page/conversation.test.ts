/** The screen of a conversation: turns, tools, history, what is missing and how to get it, and that nothing said runs. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { startServer, type TestServer } from '../support/server.ts';
import { seriousFindings } from './axe.ts';
import { describeInBrowser } from './browser.ts';
import { openedPages } from './opened-pages.ts';
import { postLogs, postSpans, type SpanGiven, spanIdOf } from './otlp-json.ts';
import { expectFound } from './planted.ts';

const AGENT = 'aa000000000000000000000000000001';
const SECOND = 'aa000000000000000000000000000002';
const SILENT = 'aa000000000000000000000000000003';
const EVENTS = 'aa000000000000000000000000000004';
const T0 = Date.parse('2026-11-29T10:00:00Z');
const SENDER = { service: 'helper', stream: 'agents', scope: 'opentelemetry.instrumentation.openai_v2' };
const HOSTILE = '<img src=x onerror="document.title=1"> <script>document.title=2</script> \u001b[31mred\u001b[0m';

const said = (role: string, content: string): object => ({ role, parts: [{ type: 'text', content }] });
const USER = said('user', `What failed? ${HOSTILE}`);
const ASKS = {
  role: 'assistant',
  parts: [{ type: 'tool_call', id: 'call_1', name: 'search_logs', arguments: { service: 'payments' } }],
};
const GIVES = { role: 'tool', parts: [{ type: 'tool_call_response', id: 'call_1', response: { hits: 3 } }] };
const ANSWER = said(
  'assistant',
  `## Found\n\n1. The **gateway** timed out\n\n\`\`\`sh\nrestart gateway\n\`\`\`\n\n${'long '.repeat(700)}the end`,
);

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
  await postSpans(server, SENDER, [
    {
      ...call(AGENT, 1, 0, 6_000),
      name: 'invoke_agent helper',
      attributes: { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'helper' },
    },
    chat(AGENT, 2, 10, {
      input: [USER],
      output: [ASKS],
      more: { 'gen_ai.usage.cache_read.input_tokens': 100, 'gen_ai.usage.cost': 0.005 },
    }),
    {
      ...call(AGENT, 3, 2_000, 300),
      name: 'execute_tool search_logs',
      attributes: {
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': 'search_logs',
        'gen_ai.tool.call.id': 'call_1',
        'gen_ai.tool.call.result': '{"hits":3}',
      },
    },
    chat(AGENT, 4, 2_400, { input: [USER, ASKS, GIVES], output: [ANSWER] }),
    {
      ...call(AGENT, 5, 5_000, 10),
      name: 'chat m',
      failed: 'rate limit exceeded',
      attributes: { 'gen_ai.operation.name': 'chat' },
    },
    chat(SECOND, 1, 60_000, { input: [said('user', 'Thanks')], output: [said('assistant', 'Welcome')] }),
    { ...call(EVENTS, 1, 0, 100), parent: 9, name: 'chat m', attributes: { 'gen_ai.operation.name': 'chat' } },
  ]);
  await postSpans(server, { ...SENDER, scope: 'ai' }, [
    {
      ...call(SILENT, 1, 0, 100),
      name: 'ai.generateText.doGenerate',
      attributes: { 'ai.operationId': 'ai.generateText.doGenerate', 'ai.model.id': 'm' },
    },
  ]);
  await postLogs(server, SENDER, [
    { at: T0 + 1, body: { content: 'asked by an event' }, eventName: 'gen_ai.user.message', trace: EVENTS, span: 1 },
    {
      at: T0 + 9,
      body: { index: 0, message: { role: 'assistant', content: 'answered by an event' } },
      eventName: 'gen_ai.choice',
      trace: EVENTS,
      span: 1,
    },
    { at: T0, body: 'no model', trace: 'aa0000000000000000000000000000ff' },
  ]);
});

afterAll(() => server.stop());

const steps = (page: Page) => page.locator('.chat-step');
const at = (trace: string): string => `#/conversation?trace=${trace}`;

describeInBrowser('what the screen of a conversation shows', () => {
  const open = openedPages(() => server, 'Conversation');

  test('an agent with its turns and tools reads as a conversation, and HTML in it is text', async () => {
    const page = await open(at(AGENT));
    await page.getByText('rate limit exceeded').waitFor();
    const labels = await steps(page).evaluateAll((all) => all.map((each) => each.getAttribute('aria-label')));
    expect(labels).toEqual(['agent helper', 'Turn of m', 'Tool search_logs', 'Turn of m', 'Turn of chat m']);
    const head = (await page.locator('.chat-head').textContent()) ?? '';
    for (const part of ['3 turns', '1 tool run', '2,000 (100 cached) → 100 tokens', 'cost 0.0050', '1 failed']) {
      expect(head).toContain(part);
    }
    const first = (await steps(page).nth(1).textContent()) ?? '';
    for (const part of ['What failed? <img src=x', 'calls search_logs', 'payments', '1,000 (100 cached) → 50 tokens']) {
      expect(first).toContain(part);
    }
    expect(first).not.toContain('\u001b');
    expect(await steps(page).locator('img, script').count()).toBe(0);
    expect(await seriousFindings(page)).toEqual([]);
  });

  test('what a model gets again is folded, and so is a long answer, which is prose with code', async () => {
    const page = await open(at(AGENT));
    const turn = steps(page).nth(3);
    await turn.getByText('3 earlier messages, sent again').waitFor();
    expect(await turn.getByText('What failed?').isVisible()).toBe(false);
    await turn.getByText('3 earlier messages, sent again').click();
    await turn.getByText('What failed?').waitFor();
    expect(await turn.locator('.prose pre').textContent()).toContain('restart gateway');
    expect(await turn.locator('.prose strong').textContent()).toBe('gateway');
    expect(await turn.getByText('the end').count()).toBe(0);
    await turn.getByRole('button', { name: /all 3,\d+ characters/ }).click();
    await turn.getByText('the end').waitFor();
  });

  test('where the messages are missing it says which setting of that SDK records them', async () => {
    const page = await open(at(SILENT));
    await page.getByText('recordInputs: true').waitFor();
    expect(await page.locator('.chat-missing').textContent()).toContain('the AI SDK of Vercel');
    expect(await seriousFindings(page)).toEqual([]);
  });

  test('messages that were sent as events are there', async () => {
    const page = await open(at(EVENTS));
    await page.getByText('asked by an event').waitFor();
    await page.getByText('answered by an event').waitFor();
    expect(await page.locator('.chat-missing').count()).toBe(0);
  });
});

describeInBrowser('how one moves through a conversation', () => {
  const open = openedPages(() => server, 'Conversation');

  test('a session has the turns of all its traces, and each leads to its span', async () => {
    const page = await open(at(AGENT));
    await page.getByRole('link', { name: 'All of conversation conv-42' }).click();
    await page.getByText('Welcome').waitFor();
    const hrefs = await steps(page)
      .getByRole('link', { name: 'trace' })
      .evaluateAll((all) => all.map((each) => each.getAttribute('href')));
    expect(hrefs.filter((href) => href?.includes(SECOND))).toHaveLength(1);
    expect(hrefs.filter((href) => href?.includes(AGENT))).toHaveLength(2);
  });

  test('j and n move through turns and failures, and a link to a span leads there', async () => {
    const page = await open(at(AGENT));
    await page.getByText('rate limit exceeded').waitFor();
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label'));
    await page.keyboard.press('j');
    expect(await focused()).toBe('agent helper');
    await page.keyboard.press('j');
    expect(await focused()).toBe('Turn of m');
    await page.keyboard.press('n');
    expect(await focused()).toBe('Turn of chat m');
    await page.keyboard.press('k');
    expect(await focused()).toBe('Turn of m');
    await page.goto(`${server.url}/${at(AGENT)}&span=${spanIdOf(3)}`);
    await page.locator('[aria-current="true"]').getByText('search_logs').first().waitFor();
  });

  test('a turn that comes later fills in, and without any model it says so', async () => {
    const page = await open(at('aa0000000000000000000000000000ff'));
    await page.getByRole('heading', { name: 'No model spoke here' }).waitFor();
    expect(await seriousFindings(page)).toEqual([]);
    await postSpans(server, SENDER, [
      chat('aa0000000000000000000000000000ff', 1, 0, {
        input: [said('user', 'Late?')],
        output: [said('assistant', 'Never.')],
      }),
    ]);
    await page.getByText('Never.').waitFor();
  });

  test('a message that became markup, or changed the page, would be found', async () => {
    const page = await open(at(AGENT));
    await page.getByText('rate limit exceeded').waitFor();
    await expectFound(page, steps(page).nth(1));
  });

  test('on a phone in the dark nothing is wider than the screen', async () => {
    const page = await open(at(AGENT), { width: 390, height: 844, isDark: true });
    await page.getByText('rate limit exceeded').waitFor();
    expect(await page.evaluate(() => document.querySelector('main')?.scrollWidth)).toBeLessThanOrEqual(390);
    expect(await seriousFindings(page)).toEqual([]);
  });
});

function call(trace: string, id: number, from: number, ms: number): SpanGiven {
  const parent = trace === AGENT && id > 1 ? { parent: 1 } : {};
  return { trace, id, ...parent, name: 'call', kind: 3, from: T0 + from, to: T0 + from + ms };
}

interface Exchange {
  readonly input: readonly object[];
  readonly output: readonly object[];
  readonly more?: object;
}

function chat(trace: string, id: number, from: number, { input, output, more = {} }: Exchange): SpanGiven {
  return {
    ...call(trace, id, from, 1_500),
    name: 'chat m',
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'm',
      'gen_ai.conversation.id': 'conv-42',
      'gen_ai.usage.input_tokens': 1_000,
      'gen_ai.usage.output_tokens': 50,
      'gen_ai.input.messages': JSON.stringify(input),
      'gen_ai.output.messages': JSON.stringify(output),
      ...more,
    },
  };
}
