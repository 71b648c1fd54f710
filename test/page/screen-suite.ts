/** Tests of one screen: one browser for all of them, a page for each, which must end without faults. */

import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { ControlClient } from '../support/control-calls.ts';
import type { TestServer } from '../support/server.ts';
import { describeInBrowser, type OpenedPage, openBrowser, openPage, type PageSetup } from './browser.ts';

/** Opens the page at a place of the URL, signed in with the root token unless another is given. */
export type OpenScreen = (at: string, setup?: Partial<PageSetup>) => Promise<Page>;

/** `server` is asked for when a page opens. */
export function describeScreen(title: string, server: () => TestServer, tests: (open: OpenScreen) => void): void {
  describeInBrowser(title, () => {
    let browser: Browser;
    let opened: OpenedPage[] = [];

    beforeAll(async () => {
      browser = await openBrowser();
    });

    afterAll(() => browser.close());

    afterEach(async () => {
      const pages = opened;
      opened = [];
      expect(pages.flatMap((page) => page.faults())).toEqual([]);
      await Promise.all(pages.map((page) => page.close()));
    });

    tests(async (at, setup = {}) => {
      const { url, token } = server();
      const page = await openPage(browser, { url, token, at, ...setup });
      opened.push(page);
      return page.page;
    });
  });
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
