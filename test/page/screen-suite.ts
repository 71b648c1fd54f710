/** Tests of one screen, and what several of these need. */

import { expect } from '@jest/globals';
import type { Page } from 'playwright-core';
import { ControlClient } from '../support/control-calls.ts';
import type { TestServer } from '../support/server.ts';
import { describeInBrowser } from './browser.ts';
import { type OpenScreen, openedPages } from './opened-pages.ts';

export function describeScreen(title: string, server: () => TestServer, tests: (open: OpenScreen) => void): void {
  describeInBrowser(title, () => tests(openedPages(server)));
}

/** The secret of a new token that may do only that, in all basins and streams. */
export async function issueToken(server: TestServer, id: string, ops: readonly string[]): Promise<string> {
  const scope = { basins: { prefix: '' }, streams: { prefix: '' }, ops };
  const { status, body } = await new ControlClient(server).call('POST /access-tokens', { body: { id, scope } });
  expect([id, status]).toEqual([id, 201]);
  return (body as { access_token: string }).access_token;
}

/** How far what is shown is wider than the screen, in pixels. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}
